"""Statistics of methods from runs whose returns a test chose, printed, drawn, and as numbers."""

import csv

import numpy as np
import pytest
from PIL import Image
from results_for_tests import program, write_run

from dreamer_tf.results import scores, summary, summary_figure

TASKS = ("dmc_walker_walk", "dmc_cup_catch")
PLANET = {"agent": "planet"}


def write_methods(folder):
    for task in TASKS:
        for seed in (0, 1):
            write_run(folder, task, [0, 400 + 200 * seed], seed, name="dreamer")
            write_run(folder, task, [0, 100], seed, name="planet", **PLANET)


def test_statistics_are_printed_by_method(tmp_path, capsys):
    write_methods(tmp_path)
    assert program("reproduce").main(["statistics", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (dreamer,) = [line for line in lines if line.startswith("Dreamer ")]
    (planet,) = [line for line in lines if line.startswith("PlaNet ")]
    assert dreamer.split()[1:4] == ["2", "4", "0.500"] and "[0.400, 0.600]" in dreamer
    assert planet.split()[3] == "0.100"
    assert any("P(Dreamer > PlaNet), 2 common tasks: 1.000" in line for line in lines)


def test_their_figure_is_drawn_and_its_numbers_are_written(tmp_path, capsys):
    write_methods(tmp_path / "runs")
    words = ["statistics", str(tmp_path / "runs"), "--out", str(tmp_path / "out")]
    assert program("reproduce").main(words) == 0
    assert str(tmp_path / "out" / "statistics.csv") in capsys.readouterr().out
    image = np.asarray(Image.open(tmp_path / "out" / "statistics.png").convert("RGB"))
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20
    assert (tmp_path / "out" / "statistics.pdf").read_bytes().startswith(b"%PDF")
    with open(tmp_path / "out" / "statistics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    (mean,) = [row for row in rows if (row["kind"], row["method"]) == ("mean", "Dreamer")]
    assert [float(mean[name]) for name in ("value", "low", "high")] == [0.5, 0.4, 0.6]
    profile = {
        float(row["level"]): float(row["value"])
        for row in rows
        if (row["kind"], row["method"]) == (summary.PROFILE, "Dreamer")
    }
    # A run of 400 and one of 600 on each task.
    assert {level for level, value in profile.items() if value == 0.5} == {
        level for level in profile if 0.4 <= level < 0.6
    }
    assert profile[0] == 1 and profile[1] == 0
    (better,) = [row for row in rows if row["kind"] == summary.IMPROVEMENT]
    assert (better["method"], better["other"], float(better["value"])) == ("Dreamer", "PlaNet", 1)


def test_what_is_compared_is_common_and_has_more_than_one_run(tmp_path):
    write_methods(tmp_path)
    write_run(tmp_path, "dmc_walker_run", [0, 700], name="dreamer")
    write_run(tmp_path, "dmc_walker_run", [0, 700], name="no_value", agent="no_value")
    write_run(tmp_path, "gym_CartPole-v1", [0, 500], name="dreamer")
    found, remarks = summary.scores_of(scores.find([tmp_path])[0], 10_000)
    assert remarks == []
    assert {label: sorted(tasks) for label, tasks in found.items()} == {
        "Dreamer": sorted([*TASKS, "dmc_walker_run"]),
        "PlaNet": sorted(TASKS),
        "No value": ["dmc_walker_run"],
    }
    numbers = summary.numbers(found)
    (pair,) = [each for each in numbers if each.kind == summary.IMPROVEMENT]
    assert (pair.method, pair.other, pair.tasks, pair.runs) == ("Dreamer", "PlaNet", 2, 8)
    (mean,) = [each for each in numbers if (each.kind, each.method) == ("mean", "Dreamer")]
    assert (mean.tasks, mean.runs) == (3, 5) and np.isnan(mean.low)


def notes(folder, capsys):
    assert program("reproduce").main(["statistics", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    return [line.removeprefix("note: ") for line in lines if line.startswith("note: ")]


def test_other_observations_and_unequal_steps_are_said_of_each_method(tmp_path, capsys):
    write_methods(tmp_path)
    assert notes(tmp_path, capsys) == [], "all of 15 000 steps from pixels"
    vectors = {"agent": "d4pg", "env": "{observation: vector}"}
    for seed, end in ((0, 25_000), (1, 27_000)):
        write_run(tmp_path, TASKS[0], [0, 1, 900], seed, "d4pg", end=end, steps=25_000, **vectors)
    assert sorted(notes(tmp_path, capsys)) == [
        "D4PG: from vectors; after 25000 steps",
        "Dreamer: after 15000 steps",
        "PlaNet: after 15000 steps",
    ]
    write_run(tmp_path, TASKS[1], [0, 1, 2, 900], 0, "d4pg", agent="d4pg")
    line = f"D4PG: from vectors on {TASKS[0]}; after 25000 to 35000 steps"
    assert line in notes(tmp_path, capsys)


def test_runs_that_do_not_count_say_nothing_about_steps(tmp_path, capsys):
    write_run(tmp_path, TASKS[0], [0, 100, 200], 0, "dreamer", steps=25_000)
    write_run(tmp_path, TASKS[0], [0, 100], 1, "dreamer", steps=25_000)
    assert notes(tmp_path, capsys) == [
        f"{TASKS[0]}, dreamer, seed 1: at 15000 of 25000 steps, others are further"
    ]


def test_configurations_of_one_name_are_methods_of_their_own(tmp_path, capsys):
    for seed, limit in enumerate((-1, -1, -3)):
        behavior = f"{{entropy_limit: {limit}}}"
        write_run(tmp_path, TASKS[0], [0, 100 * (1 + seed)], seed, "control", behavior=behavior)
    found, (line,) = summary.scores_of(scores.find([tmp_path])[0], 10_000)
    assert {label: list(tasks[TASKS[0]]) for label, tasks in found.items()} == {
        "Dreamer (control, entropy_limit -1)": [0.1, 0.2],
        "Dreamer (control, entropy_limit -3)": [0.3],
    }
    assert "behavior.entropy_limit" in line


def test_no_run_of_the_suite_is_a_clear_line(tmp_path, capsys):
    write_run(tmp_path, "gym_CartPole-v1", [0, 500], name="dreamer")
    assert program("reproduce").main(["statistics", str(tmp_path)]) == 1
    assert "no run of the control suite has an evaluation" in capsys.readouterr().err


def test_scores_are_shares_of_the_most_that_an_episode_can_have(tmp_path):
    limits = {"auto": 500, "1000": 500, "200": 100}
    for name, value in limits.items():
        env = f"{{time_limit: {name}}}"
        write_run(tmp_path, TASKS[0], [0, value], name=f"limit{name}", env=env)
    found, _ = summary.scores_of(scores.find([tmp_path])[0], 10_000)
    assert {label: list(tasks[TASKS[0]]) for label, tasks in found.items()} == {
        f"Dreamer (limit{name})": [0.5] for name in limits
    }


def test_the_figure_shows_exactly_the_numbers(tmp_path):
    write_methods(tmp_path)
    write_run(tmp_path, TASKS[0], [0, 70], name="no_value", agent="no_value")
    numbers = summary.numbers(summary.scores_of(scores.find([tmp_path])[0], 10_000)[0])
    *panels, profiles, pairs = summary_figure.draw(numbers).axes
    methods = ["Dreamer", "PlaNet", "No value"]
    labels = [label.get_text() for label in panels[0].get_yticklabels()]
    assert sorted(labels) == [
        "Dreamer (2 tasks, 4 runs)",
        "No value (1 task, 1 run)",
        "PlaNet (2 tasks, 4 runs)",
    ]
    at = {label.partition(" (")[0]: number for number, label in enumerate(labels)}
    for panel in panels:
        of_kind = {each.method: each for each in numbers if each.kind == panel.get_title()}
        assert list(of_kind) and set(of_kind) == set(methods)
        lines = {round(np.mean(line.get_ydata())): line.get_xdata() for line in panel.lines}
        assert {number: list(x) for number, x in lines.items()} == {
            at[method]: [each.value] * 2 for method, each in of_kind.items()
        }
        bars = {
            round(bar.get_y() + bar.get_height() / 2): (bar.get_x(), bar.get_width())
            for bar in panel.patches
        }
        assert bars == {
            at[method]: pytest.approx((each.low, each.high - each.low))
            for method, each in of_kind.items()
            if np.isfinite(each.low)
        }
    words = [panel.get_xlabel() for panel in panels]
    assert words == ["higher is better"] * 3 + ["lower is better"]
    assert [panel.get_title() for panel in panels][-1] == "optimality gap"
    # Nothing is known of how a single run is distributed.
    steps = {line.get_label().partition(",")[0]: list(line.get_ydata()) for line in profiles.lines}
    assert set(steps) == {"Dreamer", "PlaNet"}
    for method, values in steps.items():
        told = [each for each in numbers if (each.kind, each.method) == (summary.PROFILE, method)]
        assert values == [each.value for each in told]
    (pair,) = [each for each in numbers if each.kind == summary.IMPROVEMENT]
    point, interval, _ = pairs.lines
    assert list(point.get_xdata()) == [pair.value]
    assert list(interval.get_xdata()) == [pair.low, pair.high]


def test_single_runs_alone_have_no_profile(tmp_path):
    write_run(tmp_path, TASKS[0], [0, 70], name="dreamer")
    numbers = summary.numbers(summary.scores_of(scores.find([tmp_path])[0], 10_000)[0])
    assert summary.PROFILE not in {each.kind for each in numbers}
    assert len(summary_figure.draw(numbers).axes) == 4


def test_of_many_methods_the_figure_has_room_for_some_and_names_the_others(tmp_path):
    for number in range(10):
        write_run(tmp_path, TASKS[0], [0, 10 * number], name=f"trial{number}")
    write_run(tmp_path, TASKS[0], [0, 70], name="planet", **PLANET)
    numbers = summary.numbers(summary.scores_of(scores.find([tmp_path])[0], 10_000)[0])
    figure = summary_figure.draw(numbers)
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(labels) == 8 and "PlaNet (1 task, 1 run)" in labels
    words = figure.get_supxlabel().replace("\n", " ")
    assert words.endswith("Dreamer (trial7), Dreamer (trial8), Dreamer (trial9)")
