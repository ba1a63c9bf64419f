"""The paper's figures from runs whose returns a test chose."""

import csv
import math

import numpy as np
import pytest
from PIL import Image
from programs_for_tests import run_python
from results_for_tests import ours, program, rows_of, write_run

from dreamer_tf.results import (
    item_drawings,
    item_figures,
    item_rows,
    item_table,
    references,
    scores,
)
from dreamer_tf.sweeps import items

WALKER = "dmc_walker_walk"
NO_VALUE = {"agent": "no_value"}
PLANET = {"agent": "planet"}


def test_curves_are_means_over_seeds_with_the_deviation_of_the_seeds(tmp_path):
    write_run(tmp_path, WALKER, [0, 100, 200], seed=0, name="dreamer")
    write_run(tmp_path, WALKER, [0, 300, 600], seed=1, name="dreamer")
    write_run(tmp_path, WALKER, [0, 50], name="no_value", **NO_VALUE)
    found, remarks = rows_of("fig7", tmp_path)
    assert not remarks
    points = {(row.method, row.x): row for row in ours(found)}
    assert set(points) == {("Dreamer", 15_000), ("Dreamer", 25_000), ("No value", 15_000)}
    row = points["Dreamer", 25_000]
    assert (row.value, row.low, row.high, row.seeds) == (400, 200, 600, 2)
    assert points["No value", 15_000].low is None
    # Theirs begins at 500 000 steps, which is far beyond ours.
    assert not [row for row in found if row.source == item_rows.CURVE]
    (floor,) = [row for row in found if row.source == item_rows.FLOOR]
    assert floor.value == max(each.mean for each in references.floors(WALKER))


def test_points_of_the_papers_curves_are_there_as_far_as_ours_goes(tmp_path):
    write_run(tmp_path, WALKER, [100] * 72, name="dreamer")
    found, _ = rows_of("fig7", tmp_path, width=100_000)
    theirs = {(row.method, row.x) for row in found if row.source == item_rows.CURVE}
    assert theirs == {
        (method, x) for method in ("Dreamer", "No value", "PlaNet") for x in (500_000, 1_000_000)
    }
    assert max(row.x for row in ours(found)) == 705_000
    table = {row.method: row.value for row in found if row.source == item_rows.TABLE}
    assert table == {"D4PG": 968.3, "A3C": 311.0}
    assert not [row for row in found if row.source == item_rows.TF2]


@pytest.mark.parametrize("item, methods", [("fig10", {"Dreamer", "PlaNet"}), ("fig8", {"Dreamer"})])
def test_short_runs_stand_beside_the_authors_bins_and_the_papers_final_scores(
    item, methods, tmp_path
):
    write_run(tmp_path, "dmc_cartpole_swingup", [100] * 15, name="cpu")
    write_run(tmp_path, "dmc_walker_stand", [100] * 3, name="cpu")
    found, _ = rows_of(item, tmp_path)
    bins = {
        (row.task, row.x): (row.value, row.low, row.high, row.seeds)
        for row in found
        if row.source == item_rows.TF2
    }
    # The first bin, and what is not far beyond our own steps; at 205 000 no deviation is known.
    assert bins == {
        ("dmc_cartpole_swingup", 105_000): (139, 65, 213, 5),
        ("dmc_cartpole_swingup", 205_000): (342, None, None, 5),
        ("dmc_walker_stand", 105_000): (315, 246, 384, 5),
    }
    table = {
        (row.method, row.x): row.value
        for row in found
        if row.source == item_rows.TABLE and row.task == "dmc_cartpole_swingup"
    }
    wanted = {
        ("D4PG", 100_000_000): 862.0,
        ("A3C", 100_000_000): 558.4,
        ("Dreamer", 5_000_000): 833.66,
        ("PlaNet", 5_000_000): 312.56,
    }
    methods = methods | {"D4PG", "A3C"}
    assert table == {key: value for key, value in wanted.items() if key[0] in methods}


def test_lines_say_after_how_many_steps_and_bins_are_as_wide_as_they_are(tmp_path):
    write_run(tmp_path, "dmc_cartpole_swingup", [100] * 15, name="cpu")
    figure = item_drawings.draw("fig10", rows_of("fig10", tmp_path)[0], 10_000)
    lines = {}
    for line in figure.axes[0].lines:
        lines.setdefault(line.get_label(), []).append(line)
    (dreamer,), (planet,) = (
        lines[f"{method}, paper after 5e6 steps"] for method in ("Dreamer", "PlaNet")
    )
    assert {*dreamer.get_ydata()} == {833.66} and {*planet.get_ydata()} == {312.56}
    (bins,) = (each for label, each in lines.items() if "author's TF2 runs" in label)
    assert [(*line.get_xdata(), *line.get_ydata()) for line in bins] == [
        (5000, 105_000, 139, 139),
        (105_000, 205_000, 342, 342),
    ]
    shown = {text.get_text() for text in figure.legends[0].get_texts()}
    assert {"D4PG, paper after 1e8 steps", "Dreamer, paper after 5e6 steps"} <= shown


def test_a_band_can_be_an_interval_of_the_mean(tmp_path):
    for seed, value in enumerate((100, 200, 300, 600)):
        write_run(tmp_path, WALKER, [0, value], seed, name="dreamer")
    runs, _ = scores.find([tmp_path])
    (row,) = ours(item_rows.rows("table", runs, 10_000, item_rows.BOOTSTRAP)[0])
    assert row.value == 300 and 100 < row.low < 200 and 400 < row.high < 600
    (row,) = ours(item_rows.rows("table", runs, 10_000)[0])
    assert row.high - row.value == pytest.approx(np.std([100, 200, 300, 600]))


def test_a_run_that_was_stopped_does_not_count_beside_those_at_their_ends(tmp_path):
    write_run(tmp_path, WALKER, [0, 900, 800], seed=0, name="dreamer", steps=25_000)
    write_run(tmp_path, WALKER, [0, 100], seed=1, name="dreamer", steps=25_000)
    write_run(tmp_path, "dmc_cup_catch", [0, 50], name="dreamer", steps=25_000)
    found, remarks = rows_of("table", tmp_path)
    values = {row.task: (row.value, row.seeds) for row in ours(found)}
    assert values == {WALKER: (800, 1), "dmc_cup_catch": (50, 1)}
    assert sorted(remarks) == [
        "Dreamer: after 15000 to 25000 steps",
        "dmc_cup_catch, dreamer, seed 0: shown as it is at 15000 of 25000 steps",
        "dmc_walker_walk, dreamer, seed 1: at 15000 of 25000 steps, others are further",
    ]


def test_returns_that_are_no_numbers_are_left_out_and_said(tmp_path):
    write_run(tmp_path, WALKER, [0, math.nan, 300], seed=0, name="dreamer")
    write_run(tmp_path, WALKER, [0, 200, math.inf], seed=1, name="dreamer")
    found, _ = rows_of("fig7", tmp_path)
    assert [(row.x, row.value, row.seeds) for row in ours(found)] == [
        (15_000, 200, 1),
        (25_000, 300, 1),
    ]
    found, remarks = rows_of("table", tmp_path)
    assert [(row.value, row.seeds) for row in ours(found)] == [(300, 1)]
    assert remarks == ["dmc_walker_walk, dreamer, seed 1: its last return is not finite"]


def test_figure_6_has_the_papers_order_and_the_table_the_papers_means():
    tasks = {score.task for score in references.paper_table()}
    order = item_rows.in_order("fig6", tasks)
    assert [order[0], order[1], order[-1]] == [
        "dmc_cartpole_balance",
        "dmc_walker_stand",
        "dmc_acrobot_swingup",
    ]
    found = [
        item_rows.Row(score.task, score.method, item_rows.TABLE, None, score.value)
        for score in references.paper_table()
    ]
    found += [item_rows.Row(task, "PlaNet", item_rows.OURS, None, 1.0) for task in order[:9]]
    averages = {
        (row.task, row.method, row.seeds): round(row.value, 2)
        for row in item_rows.averages(found)
        if row.source == item_rows.TABLE
    }
    # The averages that the paper prints, and those of the tasks that D4PG and A3C have.
    assert averages == {
        (item_rows.ALL, "A3C", 18): 243.70,
        (item_rows.ALL, "D4PG", 18): 786.33,
        (item_rows.ALL, "PlaNet", 20): 332.97,
        (item_rows.ALL, "Dreamer", 20): 823.39,
        (item_rows.COMMON, "A3C", 18): 243.70,
        (item_rows.COMMON, "D4PG", 18): 786.33,
        (item_rows.COMMON, "PlaNet", 18): 341.12,
        (item_rows.COMMON, "Dreamer", 18): 813.77,
    }
    cells = item_table.cells(found)
    assert cells[0][-1] == "PlaNet, ours" and cells[-2][-1] == "1.0 (9 tasks)"
    assert cells[-1][-1] == "", "it lacks some of the common tasks"


AVERAGE = """
from dreamer_tf.results import item_rows

values = {f"task_{number}": 0.1 + number * 1e-17 + 1e8 * (number % 3 - 1) for number in range(9)}
rows = [item_rows.Row(task, "D4PG", item_rows.TABLE, None, value) for task, value in values.items()]
print([row.value for row in item_rows.averages(rows)])
"""


def test_averages_are_the_same_in_every_process():
    """Sums depend on the order, and that of a set on the process."""
    assert len({run_python(AVERAGE, PYTHONHASHSEED=str(seed)) for seed in range(4)}) == 1


def test_bins_that_a_run_has_not_finished_do_not_count(tmp_path):
    write_run(tmp_path, WALKER, [0, 100, 200, 300], name="dreamer", end=44_000)
    found, _ = rows_of("fig7", tmp_path, width=20_000)
    assert [(row.x, row.value) for row in ours(found)] == [(25_000, 150)]
    found, _ = rows_of("fig7", tmp_path, width=50_000)
    assert not ours(found)


def test_a_legend_with_long_labels_is_as_wide_as_its_figure(tmp_path):
    for task in ("dmc_cartpole_swingup", "dmc_walker_stand", WALKER):
        for seed, limit in enumerate((-1, -1, -3)):
            behavior = f"{{entropy_limit: {limit}, start_every: {seed}}}"
            write_run(tmp_path, task, [100] * 3, seed, name="control", behavior=behavior)
    figure = item_drawings.draw("fig10", rows_of("fig10", tmp_path)[0], 10_000)
    figure.draw_without_rendering()
    extent = figure.legends[0].get_window_extent()
    assert 0 <= extent.x0 and extent.x1 <= figure.bbox.x1


def test_runs_without_a_complete_bin_and_bins_that_are_not_finite_are_said(tmp_path):
    write_run(tmp_path, WALKER, [0, 100, 200, 300], 0, "dreamer")
    write_run(tmp_path, WALKER, [0, 100], 1, "dreamer")
    write_run(tmp_path, WALKER, [0, 100, 200, math.nan, 500], 2, "dreamer")
    found, remarks = rows_of("fig7", tmp_path, width=20_000)
    assert {(row.x, row.seeds) for row in ours(found)} == {(25_000, 2)}
    assert remarks == [
        f"{WALKER}, dreamer, seed 1: no evaluation in a complete bin of 20000 steps behind 5000, "
        "at 15000",
        f"{WALKER}, dreamer, seed 2: bins that are not finite: 1",
    ]


@pytest.mark.parametrize("item", [each for each in items.ITEMS if each != "fig5"])
def test_every_item_is_drawn_from_little_and_the_csv_is_what_is_drawn(item, tmp_path):
    task = "atari_pong" if item == "fig9" else "dmc_cartpole_swingup"
    for seed in (0, 1):
        config = {"behavior": "{horizon: 15}", "env": "{action_repeat: 2}"}
        write_run(tmp_path, task, [0, 100 + seed, 300], seed, **config)
    paths, _ = item_figures.write(item, [tmp_path], tmp_path / "figures")
    kinds = ("png", "pdf", "csv", *["txt"] * (item == "table"))
    assert [path.name for path in paths] == [f"{item}.{kind}" for kind in kinds]
    image = np.asarray(Image.open(paths[0]).convert("RGB"))
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20
    assert paths[1].read_bytes().startswith(b"%PDF")
    with open(paths[2], newline="") as file:
        written = list(csv.DictReader(file))
    mine = [row for row in written if row["source"] == "ours" and row["task"] == task]
    assert mine and {row["seeds"] for row in mine} == {"2"}
    assert {float(row["value"]) for row in mine} <= {0, 100.5, 300, 200.25, 150.25, 133.5}


def test_an_item_draws_only_its_own_runs(tmp_path, capsys):
    reproduce = program("reproduce")
    words = ["fig7", "--scale", "smoke", "--logdir", str(tmp_path), "--plot"]
    assert reproduce.main(words) == 1 or reproduce.main(words) == 2
    assert "holds none of the runs of fig7" in capsys.readouterr().err
    write_run(tmp_path, "toy_reach", [1, 5, 7], name="dreamer-smoke")
    write_run(tmp_path, "toy_reach", [1, 2, 3], name="mine")
    assert reproduce.main(words) == 0
    assert str(tmp_path / "figures" / "fig7.csv") in capsys.readouterr().out
    text = (tmp_path / "figures" / "fig7.csv").read_text()
    assert "toy_reach,Dreamer,ours" in text and "mine" not in text


def test_an_item_is_drawn_from_any_runs_that_are_named(tmp_path, capsys):
    reproduce = program("reproduce")
    write_run(tmp_path / "theirs", "toy_reach", [1, 5, 7], name="mine")
    words = ["--scale", "cpu", "--logdir", str(tmp_path / "out"), "--plot"]
    assert reproduce.main(["fig7", *words, str(tmp_path / "theirs" / "toy_reach" / "mine")]) == 0
    text = (tmp_path / "out" / "figures" / "fig7.csv").read_text()
    assert "toy_reach,Dreamer,ours" in text
    assert reproduce.main(["fig7", *words, str(tmp_path / "nowhere")]) in (1, 2)
    assert "nowhere" in capsys.readouterr().err
    assert reproduce.main(["fig5", *words, str(tmp_path / "theirs")]) == 2
    assert "fig5 is drawn from its own runs" in capsys.readouterr().err
    assert reproduce.main(["fig7", "--plan", *words, str(tmp_path / "theirs")]) == 2
    assert "--plan" in capsys.readouterr().err


def test_runs_that_are_not_there_and_damaged_logs_are_noted(tmp_path, capsys):
    folder = write_run(tmp_path, "toy_reach", [1, 5, 7], name="dreamer-smoke")
    with open(folder / "metrics.jsonl", "a") as file:
        file.write("{broken\n")
    # Begun, and without a line in its log.
    (tmp_path / "toy_reach" / "planet-smoke" / "0").mkdir(parents=True)
    words = ["fig7", "--scale", "smoke", "--logdir", str(tmp_path), "--plot"]
    assert program("reproduce").main(words) == 0
    printed = capsys.readouterr().out
    missing = "toy_reach/no_value-smoke/0, toy_reach/planet-smoke/0"
    assert f"note: 2 of 3 runs are not there: {missing}\n" in printed
    assert "note: toy_reach, dreamer-smoke, seed 0: 1 line cannot be read\n" in printed


def test_bands_below_zero_are_inside_the_panel(tmp_path):
    for seed, value in enumerate((-900.0, 300.0)):
        write_run(tmp_path, "gym_Pendulum-v1", [0, value, value], seed, name="dreamer")
    found, _ = rows_of("fig7", tmp_path)
    (panel,) = item_drawings.draw("fig7", found, 10_000).axes
    least = min(row.low for row in ours(found))
    assert least == -900 and panel.get_ylim()[0] < least - 30
    # And the highest point is not cut by the upper edge.
    most = max(end for row in found for end in (row.value, row.high) if end is not None)
    assert panel.get_ylim()[1] > most + 30


def test_a3c_from_vectors_is_as_in_the_paper(tmp_path):
    vectors = "{observation: vector}"
    write_run(tmp_path, WALKER, [0, 100], name="a3c", agent="a3c", env=vectors)
    assert rows_of("table", tmp_path)[1] == []
    write_run(tmp_path, "dmc_cup_catch", [0, 100], name="d4pg", agent="d4pg", env=vectors)
    (line,) = rows_of("table", tmp_path)[1]
    assert line.startswith("dmc_cup_catch, d4pg: shown, but from vectors")
