"""Figures show what their CSV says, and the CSV what the runs and references say."""

import csv
import dataclasses
import io
import math
import xml.etree.ElementTree

import numpy as np
import pytest
from PIL import Image
from results_for_tests import write_lines, write_run

from dreamer_tf.results import figures, references, scores, series

TASK = "dmc_cartpole_swingup"


@pytest.fixture
def runs(tmp_path):
    for seed, length in enumerate((52, 52, 41)):
        returns = 10.0 * np.arange(length) + 50 * seed
        write_run(tmp_path, TASK, returns.tolist(), seed)
    write_run(tmp_path, TASK, [100, 120], name="short")
    return scores.find([tmp_path])[0]


def read(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def points(rows, panel, kind, name):
    """[[x, y], ...] of a series in the CSV."""
    chosen = [r for r in rows if (r["panel"], r["kind"], r["name"]) == (panel, kind, name)]
    return np.array([[float(row["x"]), float(row["y"])] for row in chosen])


def test_three_files_and_the_same_ones_again(tmp_path, runs):
    drawn = series.of_task(TASK, runs, 100_000, early=True)
    paths = figures.write(tmp_path / "new" / "folder", TASK, drawn, 100_000)
    assert [path.name for path in paths] == [f"{TASK}.{kind}" for kind in ("png", "svg", "csv")]
    with Image.open(paths[0]) as image:
        assert image.width > 1000 and np.asarray(image.convert("L")).std() > 5
    text = "".join(xml.etree.ElementTree.parse(paths[1]).getroot().itertext())
    for words in (TASK, "ours", "short", "author's TF2 runs", "Dreamer, pixels, 5e6 steps: 834"):
        assert words in text
    again = figures.write(tmp_path / "again", TASK, drawn, 100_000)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]


def test_means_are_of_complete_bins_over_the_seeds_that_have_them(tmp_path, runs):
    drawn = series.of_task(TASK, runs, 100_000)
    rows = list(csv.DictReader(series.to_csv(TASK, drawn).splitlines()))
    found = points(rows, "steps", "mean", "ours")
    # Evaluations 1 to 10 of a seed are 10, 20, ..., 100 above its beginning.
    wanted = [[105_000, 55 + 50], [205_000, 155 + 50], [305_000, 255 + 50], [405_000, 355 + 50]]
    np.testing.assert_allclose(found, [*wanted, [505_000, 455 + 25]])
    chosen = [row for row in rows if row["kind"] == "mean" and row["panel"] == "steps"]
    assert [row["seeds"] for row in chosen] == ["3"] * 4 + ["2"]
    assert [float(row["left"]) for row in chosen][:2] == [5000, 105_000]
    # The time is that of the last line at the bin's end.
    np.testing.assert_allclose(
        points(rows, "minutes", "mean", "ours")[:, 0],
        (np.arange(105_000, 505_001, 100_000) / 25 + 2) / 60,
    )
    assert len(points(rows, "steps", "mean", "short")) == 0
    assert len(points(rows, "steps", "seed", "short")) == 2


def test_the_csv_holds_exactly_what_is_drawn(tmp_path, runs):
    drawn = series.of_task(TASK, runs, 100_000, early=True)
    rows = list(csv.DictReader(series.to_csv(TASK, drawn).splitlines()))
    figure = figures.draw(TASK, drawn, 100_000)
    for ax, panel in zip(figure.axes, ("steps", "minutes"), strict=True):
        curves = [line for line in ax.lines if len(line.get_xdata()) and not is_level(line)]
        # Where the two parts of a mean meet, both have the point.
        shown = sorted(
            {
                (float(x), float(y))
                for line in curves
                for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
                if np.isfinite(y)
            }
        )
        own = [row for row in rows if row["panel"] == panel]
        told = sorted({(float(row["x"]), float(row["y"])) for row in own if row["x"]})
        np.testing.assert_allclose(shown, told, rtol=1e-9)
        levels = sorted(float(line.get_ydata()[0]) for line in ax.lines if is_level(line))
        told = sorted(float(row["y"]) for row in own if not row["x"])
        assert levels == told and len(levels) == 8
        low, high = ax.get_ylim()
        assert low <= 0 and high > max(levels)


def is_level(line):
    """Whether a line goes across the whole axes."""
    return list(line.get_xdata()) == [0, 1] and len(set(line.get_ydata())) == 1


def test_references_are_those_of_the_tables(runs):
    rows = list(csv.DictReader(series.to_csv(TASK, series.of_task(TASK, runs, 1e5)).splitlines()))
    bins = [row for row in rows if row["kind"] == "tf2"]
    # Later ones are beyond what the runs reached.
    wanted = [b for b in references.tf2_bins() if b.task == TASK and b.high <= 515_000]
    assert (
        [float(row["x"]) for row in bins]
        == [b.high for b in wanted]
        == [
            105_000,
            205_000,
            505_000,
        ]
    )
    assert [(row["low"], row["high"], row["seeds"]) for row in bins] == [
        ("65", "213", "5"),
        ("", "", "5"),
        ("436", "920", "5"),
    ]
    floors = {row["name"]: float(row["y"]) for row in rows if row["kind"] == "floor"}
    assert floors == {"random": 54.7, "no action": 0.0, "always +1": 74.8, "untrained": 95.6}
    assert not [row for row in rows if row["kind"] == "early"]


def test_five_whole_bins_fit_into_the_longest_run_of_a_name(tmp_path, runs):
    assert series.fitting_width(runs) == {"ours": 100_000, "short": 1000}
    for reached, width in ((505_000, 100_000), (500_000, 10_000), (55_000, 10_000), (50_000, 1000)):
        found = [dataclasses.replace(run, reached=min(run.reached, reached)) for run in runs]
        assert series.fitting_width(found)["ours"] == width
    assert series.fitting_width([dataclasses.replace(runs[0], reached=700)]) == {"ours": 100}


def test_the_time_of_a_mean_never_goes_back(tmp_path):
    """Seeds are not equally fast, and one of them ends before the others."""
    for seed, minutes, evaluations in ((0, 1, 8), (1, 4, 4), (2, 9, 2)):
        folder = tmp_path / TASK / "ours" / str(seed)
        steps = range(10_000, 10_000 * (evaluations + 1), 10_000)
        rows = [
            {"step": step, "test/return": seed, "wall_time": 60 * minutes * step / 1e4}
            for step in steps
        ]
        write_lines(folder, rows)
    found = series.of_task(TASK, scores.find([tmp_path])[0], 10_000)
    means = [each for each in found if (each.panel, each.kind) == (series.MINUTES, series.MEAN)]
    assert [each.seeds.tolist() for each in means] == [[3], [2, 2], [1, 1, 1, 1]]
    assert all((np.diff(each.x) > 0).all() for each in means)
    # It would go back, if they were joined.
    assert means[0].x[-1] < means[1].x[0] < means[1].x[-1] > means[2].x[0]
    assert figures.draw(TASK, found, 10_000).axes


def test_one_long_run_takes_no_mean_from_others(tmp_path):
    for seed in (0, 1):
        write_run(tmp_path, TASK, [10.0 + seed] * 6, seed, name="control")
    alone = scores.find([tmp_path])[0]
    write_run(tmp_path, TASK, [1.0] * 60, name="long")
    both = scores.find([tmp_path])[0]
    found = series.of_task(TASK, both, series.fitting_width(both))
    rows = list(csv.DictReader(series.to_csv(TASK, found).splitlines()))
    wanted = series.of_task(TASK, alone, series.fitting_width(alone))
    wanted = list(csv.DictReader(series.to_csv(TASK, wanted).splitlines()))
    np.testing.assert_array_equal(
        points(rows, "steps", "mean", "control"), points(wanted, "steps", "mean", "control")
    )
    means = [row for row in rows if (row["panel"], row["kind"]) == ("steps", "mean")]
    assert {(row["name"], float(row["x"]) - float(row["left"])) for row in means} == {
        ("control", 10_000),
        ("long", 100_000),
    }
    title = figures.draw(TASK, found, series.fitting_width(both)).axes[0].get_title("left")
    assert title.endswith("in bins of 10k to 100k")


def test_means_begin_where_training_does(tmp_path):
    """As runs of 10 000 steps with 1000 of random actions, evaluated every 1000, have it."""
    for seed in (0, 1):
        folder = tmp_path / "gym_InvertedPendulum-v5" / "vectors" / str(seed)
        rows = [{"step": 1000 * n, "test/return": 10.0 * n + 2 * seed} for n in range(1, 11)]
        write_lines(folder, rows)
        (folder / "config.yaml").write_text("agent: dreamer\ntrain: {prefill: 1000}\n")
    runs = scores.find([tmp_path])[0]
    found = series.of_task("gym_InvertedPendulum-v5", runs, series.fitting_width(runs))
    (mean,) = [each for each in found if each.kind == series.MEAN]
    assert list(mean.x) == list(range(2000, 10_001, 1000))
    assert list(mean.y) == [21, 31, 41, 51, 61, 71, 81, 91, 101]


def test_a_mean_of_fewer_seeds_is_thinner_and_the_legend_says_of_how_many(tmp_path):
    for seed, length in enumerate((10, 6, 4)):
        write_run(tmp_path, TASK, [100.0 * (3 - seed)] * length, seed)
    write_run(tmp_path, TASK, [20.0] * 10, name="second")
    write_run(tmp_path, TASK, [20.0], name="without")
    runs = scores.find([tmp_path])[0]
    figure = figures.draw(TASK, series.of_task(TASK, runs, 10_000), 10_000)
    handles, labels = figure.axes[0].get_legend_handles_labels()
    assert labels[:3] == ["ours (thinner: 1 to 2 of 3 seeds)", "second", "without"]
    # A name without a mean has no thick line.
    assert handles[0].get_lw() == handles[1].get_lw() > handles[2].get_lw()
    # The thinner line begins at the last point of all seeds. Of minutes, which leap there, each
    # number of seeds has its own.
    for ax, thinner in zip(figure.axes, ([{200, 250, 300}], [{250}, {300}]), strict=True):
        lines = [line for line in ax.lines if line.get_marker() == "o"]
        thick = [line for line in lines if line.get_lw() == handles[0].get_lw()]
        thin = [line for line in lines if line not in thick]
        heights = [{float(y) for y in line.get_ydata() if y == y} for line in (*thick, *thin)]
        assert heights == [{200}, {20}, *thinner]
        assert thin[0].get_markerfacecolor() == "white" != thick[0].get_markerfacecolor()


def test_short_runs_of_several_seeds_have_a_mean_and_stay_visible_beside_long_ones(tmp_path):
    for seed, last in ((0, 20.0), (1, 30.0)):
        write_run(tmp_path, "toy_reach", [8.0, last], name="short", seed=seed)
    runs = scores.find([tmp_path])[0]
    found = series.of_task("toy_reach", runs, series.fitting_width(runs))
    (mean,) = [each for each in found if each.kind == series.MEAN and each.panel == series.STEPS]
    assert (mean.x[-1], mean.y[-1], mean.seeds[-1]) == (15000, 25.0, 2)
    axes = figures.draw("toy_reach", found, 100).axes[0]
    assert axes.get_xscale() == "linear"
    write_run(tmp_path, "toy_reach", [1.0] * 30, name="long")
    runs = scores.find([tmp_path])[0]
    axes = figures.draw("toy_reach", series.of_task("toy_reach", runs, 10_000), 10_000).axes[0]
    assert axes.get_xscale() == "log"
    assert axes.get_xlim()[0] < 5000 and axes.get_xlim()[1] > 295_000


def test_more_names_than_colours_still_look_different():
    pairs = [(f"run {i}", np.array([0.0, 1.0]), np.array([i, i])) for i in range(20)]
    lines = [series.Series(series.STEPS, series.SEED, *each, seed="0") for each in pairs]
    handles, labels = figures.draw("toy_reach", lines, 1000).axes[0].get_legend_handles_labels()
    assert len(labels) == 20
    assert len({(line.get_color(), line._unscaled_dash_pattern) for line in handles}) == 20


def test_negative_returns_are_inside_the_panel(tmp_path):
    write_run(tmp_path, "gym_Pendulum-v1", [-1500.0, -400.0, -101.0])
    drawn = series.of_task("gym_Pendulum-v1", scores.find([tmp_path])[0], 10_000)
    low, high = figures.draw("gym_Pendulum-v1", drawn, 10_000).axes[0].get_ylim()
    # A mean's line is 2.2 points thick, and its points 4, of more than two hundred.
    assert min(high - -101, -1500 - low) > 0.03 * (high - low)


@pytest.mark.parametrize(
    "values",
    [[1.0], [math.nan] * 12, [0.0] * 12, [-30.0] * 12, [5.0, math.inf, -math.inf], [math.inf]],
)
def test_odd_curves_are_drawn_too(tmp_path, values):
    write_run(tmp_path, "gym_Acrobot-v1", values)
    runs, _ = scores.find([tmp_path])
    drawn = series.of_task("gym_Acrobot-v1", runs, 10_000)
    paths = figures.write(tmp_path / "out", "gym_Acrobot-v1", drawn, 10_000)
    rows = read(paths[2])
    assert sum(row["kind"] == "seed" and row["panel"] == "steps" for row in rows) == len(values)
    wanted = {"" if np.isnan(value) else f"{value:g}" for value in values}
    assert {row["y"] for row in rows if row["kind"] == "seed"} == wanted


def test_without_times_there_is_one_panel_and_without_evaluations_training_returns(tmp_path):
    folder = tmp_path / TASK / "theirs" / "1"
    write_lines(folder, [{"step": 1000 * n, "train/return": 2.0 * n} for n in range(20)])
    runs, _ = scores.find([tmp_path])
    drawn = series.of_task(TASK, runs, 10_000)
    assert len(figures.draw(TASK, drawn, 10_000).axes) == 1
    rows = list(csv.DictReader(series.to_csv(TASK, drawn).splitlines()))
    np.testing.assert_array_equal(
        points(rows, "steps", "mean", "theirs (training)"), [[15_000, 21.0]]
    )


def test_floors_below_zero_are_shaded_below_them_and_named_apart(tmp_path):
    """Pendulum's are -1391 to -1187; what is above them was learned."""
    write_run(tmp_path, "gym_Pendulum-v1", [-1300.0, -600.0, -134.0])
    drawn = series.of_task("gym_Pendulum-v1", scores.find([tmp_path])[0], 1000)
    ax = figures.draw("gym_Pendulum-v1", drawn, 1000).axes[-1]
    (shade,) = [each for each in ax.patches if each.get_alpha() == 0.05]
    bounds = shade.get_extents().transformed(ax.transData.inverted())
    best = max(each.mean for each in references.floors("gym_Pendulum-v1"))
    assert bounds.y0 == pytest.approx(ax.get_ylim()[0]) and bounds.y1 == pytest.approx(best)
    heights = sorted(text.xyann[1] for text in ax.texts)
    assert heights and all(np.diff(heights) > 0.04 * np.ptp(ax.get_ylim()))


def test_short_runs_and_seeds_with_a_broken_value_have_means(tmp_path):
    rows = [{"step": 100 * n, "test/return": float(n)} for n in range(1, 21)]
    write_lines(tmp_path / "toy_reach" / "dreamer" / "0", rows)
    broken = [{**row, "test/return": math.nan} if row["step"] == 1500 else row for row in rows]
    write_lines(tmp_path / "toy_reach" / "dreamer" / "1", broken)
    found, _ = scores.find([tmp_path])
    drawn = series.of_task("toy_reach", found, 1000)
    (mean,) = [each for each in drawn if (each.panel, each.kind) == (series.STEPS, series.MEAN)]
    assert list(mean.x) == [1000, 2000] and list(mean.left) == [0, 1000]
    assert list(mean.y) == [5.5, 15.5] and list(mean.seeds) == [2, 1]


def test_names_are_drawn_as_they_are(tmp_path, recwarn):
    """Neither mathematics nor hidden from the legend, in any script, without a word about it."""
    names = ["cost$5^$", "a$\\frac$", "_base", "base", "方法"]
    for name in names:
        write_run(tmp_path, "gym_a$x^$", [100, 120], name=name)
    runs = scores.find([tmp_path])[0]
    drawn = series.of_task("gym_a$x^$", runs, 1000)
    paths = figures.write(tmp_path / "out", "gym_a$x^$", drawn, 1000)
    root = xml.etree.ElementTree.parse(paths[1]).getroot()
    texts = [text.strip() for text in root.itertext()]
    for name in (*names, "gym_a$x^$"):
        assert name in texts, name
    assert not recwarn.list


def test_a_figure_looks_the_same_wherever_it_is_drawn(tmp_path):
    """A report draws it without writing it."""
    write_run(tmp_path, "gym_a", [100, 120], name="a$\\frac$")
    drawn = series.of_task("gym_a", scores.find([tmp_path])[0], 1000)
    figure = figures.draw("gym_a", drawn, 1000)
    figure.savefig(io.BytesIO())  # As mathematics that name could not be drawn.
    assert not figure.axes[0].spines["top"].get_visible()
