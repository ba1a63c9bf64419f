"""What the paper's figures show is what their rows say, and can be told apart and read."""

import numpy as np
import pytest
from results_for_tests import rows_of, write_run

from dreamer_tf.results import item_drawings, item_figures, item_rows, item_table

WALKER = "dmc_walker_walk"
NO_VALUE = {"agent": "no_value"}
PLANET = {"agent": "planet"}


def write_seeds(logdir):
    """Two methods on two tasks: seeds of unequal length, single ones, and returns of nothing."""
    for seed, values in enumerate(([0, 100, 200, 300, 500], [0, 300, 600, 700], [0, 50])):
        write_run(logdir, WALKER, values, seed, name="dreamer", behavior="{horizon: 15}")
    for seed, value in enumerate((400, 480)):
        behavior = "{horizon: 5}"
        write_run(logdir, WALKER, [0, 9, value], seed, name="dreamer-h5", behavior=behavior)
    write_run(logdir, "dmc_pendulum_swingup", [0] * 3, name="dreamer", behavior="{horizon: 15}")
    write_run(logdir, WALKER, [0, 70, 80], name="planet", planner="{horizon: 12}", **PLANET)


def is_level(line):
    """Whether a line goes across the whole panel."""
    return list(line.get_xdata()) == [0, 1]


def drawn_in(panel):
    """Returns the points of curves, the levels, and the corners of bands in a panel, as sets."""
    curves = [line for line in panel.lines if not is_level(line)]
    points = {
        (float(x), float(y))
        for line in curves
        for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
        if np.isfinite(y)
    }
    levels = {float(line.get_ydata()[0]) for line in panel.lines if is_level(line)}
    corners = {
        (float(x), float(y))
        for band in panel.collections
        for path in band.get_paths()
        for x, y in path.vertices
    }
    return points, levels, corners


@pytest.mark.parametrize("item", ["fig4", "fig7", "fig10"])
def test_panels_show_exactly_the_rows(item, tmp_path):
    write_seeds(tmp_path)
    found, _ = rows_of(item, tmp_path)
    figure = item_drawings.draw(item, found, 10_000)
    for panel in figure.axes:
        task = f"dmc_{panel.get_title().replace(' ', '_')}"
        points, levels, corners = set(), set(), set()
        for row in (row for row in found if row.task == task):
            if row.source in (item_rows.TABLE, item_rows.FLOOR):
                levels.add(row.value)
                continue
            ends = [row.x - 100_000, row.x] if row.source == item_rows.TF2 else [row.x]
            points |= {(x, row.value) for x in ends}
            if row.low is not None:
                corners |= {(x, end) for x in ends for end in (row.low, row.high)}
        assert points and levels
        assert drawn_in(panel) == (points, levels, corners)
    assert {row.source for row in found} >= {item_rows.OURS, item_rows.TABLE, item_rows.FLOOR}


def test_bars_are_exactly_the_rows_and_the_papers_are_told_from_ours(tmp_path):
    write_seeds(tmp_path)
    found, _ = rows_of("fig6", tmp_path)
    (panel,) = item_drawings.draw("fig6", found, 10_000).axes
    names = [label.get_text().replace(" ", "_") for label in panel.get_xticklabels()]
    shown, bands = {}, {}
    for bar in panel.patches:
        place = bar.get_x() + bar.get_width() / 2
        kind = "paper" if bar.get_hatch() else "ours"
        shown.setdefault((f"dmc_{names[round(place)]}", kind), []).append(bar.get_height())
    for lines in panel.collections:
        for (x, low), (_, high) in lines.get_segments():
            if low != high:
                bands.setdefault(f"dmc_{names[round(x)]}", []).append((low, high))
    wanted, banded = {}, {}
    for row in found:
        if row.source != item_rows.FLOOR:
            kind = "ours" if row.source == item_rows.OURS else "paper"
            wanted.setdefault((row.task, kind), []).append(row.value)
        if row.low is not None:
            banded.setdefault(row.task, []).append(pytest.approx((row.low, row.high)))
    assert {key: sorted(each) for key, each in shown.items()} == {
        key: sorted(each) for key, each in wanted.items()
    }
    assert bands == banded and len(banded) == 1
    floors = [row.value for row in found if row.source == item_rows.FLOOR]
    lines = [line for line in panel.lines if "floor" in line.get_label()]
    assert sorted(line.get_ydata()[0] for line in lines) == sorted(floors)
    # Ours on the pendulum returned nothing, which is not the same as no run; PlaNet's is near it.
    marks = [line.get_ydata() for line in panel.lines if line.get_marker() == "o"]
    assert sorted(float(value) for values in marks for value in values) == [0, 3.27]


def test_bars_and_columns_say_of_how_many_seeds_and_steps_they_are(tmp_path):
    for seed, values in enumerate(([0, 100], [0, 300, 500])):
        write_run(tmp_path, WALKER, values, seed, name="dreamer")
    write_run(tmp_path, "dmc_cup_catch", [0, 10], name="dreamer")
    found, _ = rows_of("fig6", tmp_path)
    figure = item_drawings.draw("fig6", found, 10_000)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[0] == "Dreamer, ours (1 to 2 seeds, after 15k to 25k steps)"
    assert {"PlaNet, paper after 5e6 steps", "A3C, paper after 1e8 steps"} < set(labels)
    headings, steps, *_ = item_table.cells(rows_of("table", tmp_path)[0])
    assert dict(zip(headings, steps, strict=True)) == {
        "task": "after steps",
        "A3C, paper": "1e8",
        "D4PG, paper": "1e8",
        "PlaNet, paper": "5e6",
        "Dreamer, paper": "5e6",
        "Dreamer, ours": "15k to 25k",
        "floor": "",
    }


@pytest.mark.parametrize(
    "ends, words",
    [
        ((700, 700), "700"),
        ((28_100, 105_800), "28.1k to 106k"),
        ((150_000, 150_016), "150k"),
        ((999_996, 999_996), "1e6"),
        ((1_500_000, 20_000_000), "1.5e6 to 2e7"),
        ((None, None), ""),
    ],
)
def test_steps_are_said_in_few_letters(ends, words):
    row = item_rows.Row(WALKER, "Dreamer", item_rows.OURS, None, 1.0, least=ends[0], most=ends[1])
    assert item_rows.in_steps([row]) == words


def test_where_seeds_end_a_curve_is_dashed_and_that_is_said(tmp_path):
    write_seeds(tmp_path)
    found, remarks = rows_of("fig7", tmp_path)
    line = f"{WALKER}, Dreamer: the mean is of 3 seeds, 2 behind 15000 steps, 1 behind 35000 steps"
    assert line in remarks and len([each for each in remarks if "the mean is of" in each]) == 1
    figure = item_drawings.draw("fig7", found, 10_000)
    (panel,) = [each for each in figure.axes if each.get_title() == "walker walk"]
    whole, fewer = panel.lines[:2]
    assert (whole.get_linestyle(), fewer.get_linestyle()) == ("-", "--")
    assert np.isfinite(whole.get_ydata()).tolist() == [True, False, False, False]
    # From the last point of all seeds on, of which the mark is not hollow.
    assert fewer.get_ydata().tolist() == [150, 400, 500, 500]
    assert fewer.get_markevery() == [1, 2, 3] and fewer.get_markerfacecolor() == "white"
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "Dreamer, ours (1 to 3 seeds; dashed: not all of them)" in labels
    assert "PlaNet, ours (1 seed)" in labels


def test_a_band_has_a_gap_where_one_seed_has_none(tmp_path):
    for seed, values in enumerate(([10, 20, 30, 40, 50, 60], [20, 40, np.nan, 60, 80, 90])):
        write_run(tmp_path, WALKER, values, seed, "dreamer")
    found, _ = rows_of("fig7", tmp_path)
    lows = [row.low for row in found if row.task == WALKER and row.source == item_rows.OURS]
    assert lows.count(None) == 1 and lows[0] is not None and lows[-1] is not None
    (panel,) = [
        each
        for each in item_drawings.draw("fig7", found, 10_000).axes
        if each.get_title() == "walker walk"
    ]
    bands = [each for each in panel.collections if len(each.get_paths()) > 1]
    assert [len(each.get_paths()) for each in bands] == [2]


def test_ours_are_first_in_the_legend_and_long_curves_have_no_marks(tmp_path):
    write_run(tmp_path, "dmc_cup_catch", [0, 100], name="planet", **PLANET)
    write_run(tmp_path, WALKER, [7] * 30, name="dreamer")
    figure = item_drawings.draw("fig7", rows_of("fig7", tmp_path)[0], 10_000)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert [", ours" in label for label in labels] == [True] * 2 + [False] * (len(labels) - 2)
    marks = {
        len(line.get_xdata()): line.get_marker() for axes in figure.axes for line in axes.lines
    }
    assert marks[29] in ("", "None") and marks[1] == "o"


def test_settings_have_whole_numbers_on_their_axis(tmp_path):
    for horizon in (2, 3):
        behavior = f"{{horizon: {horizon}}}"
        write_run(tmp_path, "toy_reach", [0, 1], name=f"dreamer-h{horizon}", behavior=behavior)
    figure = item_drawings.draw("fig4", rows_of("fig4", tmp_path)[0], 10_000)
    figure.draw_without_rendering()
    assert all(tick == int(tick) for tick in figure.axes[0].get_xticks())


def test_of_many_sets_a_figure_has_the_widest_of_each_method_first(tmp_path):
    """One method alone on fewer tasks than nine trials of another stays, and so the comparison."""
    for number in range(9):
        for task in (WALKER, "dmc_cup_catch"):
            write_run(tmp_path / "runs", task, [0, 10 * number], name=f"trial{number}")
    write_run(tmp_path / "runs", WALKER, [0, 70], name="no_value", **NO_VALUE)
    paths, remarks = item_figures.write("fig7", [tmp_path / "runs"], tmp_path / "figures")
    line = "not in this figure, which has room for 8 sets of runs: "
    assert f"{line}Dreamer (trial7), Dreamer (trial8)" in remarks
    text = paths[2].read_text()
    assert f"{WALKER},No value,ours" in text and "trial6" in text and "trial7" not in text
