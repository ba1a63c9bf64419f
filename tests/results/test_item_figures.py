"""The paper's figures from runs whose returns a test chose."""

import csv
import dataclasses
import math

import numpy as np
import pytest
from PIL import Image
from results_for_tests import program, write_lines, write_run

from dreamer_tf.basics.errors import UserError
from dreamer_tf.results import item_figures, item_rows, item_runs, item_table, references, scores
from dreamer_tf.sweeps import items

WALKER = "dmc_walker_walk"
NO_VALUE = {"agent": "no_value"}
PLANET = {"agent": "planet"}


def rows_of(item, logdir, width=10_000):
    runs, _ = scores.find([logdir])
    return item_rows.rows(item, runs, width)


def ours(found):
    return [row for row in found if row.source == item_rows.OURS]


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
    table = {row.method: row.value for row in found if row.source == item_rows.TABLE}
    assert table == {"D4PG": 968.3, "A3C": 311.0}
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
        "dmc_cup_catch, dreamer, seed 0: shown as it is at 15000 of 25000 steps",
        "dmc_walker_walk, dreamer, seed 1: at 15000 of 25000 steps, other seeds are done",
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


@pytest.mark.parametrize(
    "config, method",
    [
        ({}, "Dreamer"),
        ({"agent": "null", "behavior": "{horizon: 15}"}, "Dreamer"),
        ({"model": "{objective: reward_only}"}, "Reward only"),
        ({"model": "{objective: {a: 1}}"}, "Dreamer"),
        ({"agent": "[a, b]"}, None),
        ({"agent": "{policy: x}"}, None),
        ({"agent": "rainbow"}, None),
        ({"agent": "null"}, None),
    ],
)
def test_the_configuration_says_the_method(tmp_path, config, method):
    run = scores.read(write_run(tmp_path, WALKER, [1], **config))
    assert item_runs.method_of(run) == method


@pytest.mark.parametrize(
    "name, method", [("dreamer", "Dreamer"), ("planet", "PlaNet"), ("x", None)]
)
def test_logs_without_a_configuration_have_the_method_of_their_folder_or_none(
    tmp_path, name, method
):
    rows = [{"step": 1000 * number, "test/return": 7.0} for number in range(30)]
    write_lines(tmp_path / WALKER / name / "1", rows)
    found, remarks = rows_of("table", tmp_path)
    assert [row.method for row in ours(found)] == [method] * bool(method)
    assert remarks == [f"{WALKER}, {name}: not a method of table"] * (not method)


def test_a_sweep_over_a_setting_is_in_its_own_figure_alone(tmp_path):
    write_run(tmp_path, WALKER, [0, 500], name="dreamer", behavior="{horizon: 15}")
    write_run(tmp_path, WALKER, [0, 300], name="dreamer-h5", behavior="{horizon: 5}")
    write_run(tmp_path, WALKER, [0, 400], name="mine-h5", behavior="{horizon: 7}")
    found, remarks = rows_of("table", tmp_path)
    assert {row.method: row.value for row in ours(found)} == {
        "Dreamer (dreamer)": 500,
        "Dreamer (mine-h5)": 400,
    }
    assert remarks == [f"{WALKER}, dreamer-h5: a part of fig4"]
    found, _ = rows_of("fig4", tmp_path)
    assert {(row.x, row.value) for row in ours(found)} == {(15, 500), (5, 300), (7, 400)}


@pytest.mark.parametrize("item", ["fig4", "fig12"])
def test_names_of_sweeps_are_those_that_the_plans_give(item):
    for plan in items.plans(item, "smoke"):
        config = dataclasses.asdict(plan.config())
        run = scores.Run(None, plan.task, plan.name, "0", (), 0, None, config, ())
        assert item_runs.swept_by(run) == item


def test_action_repeats_are_those_of_the_task_where_the_configuration_says_auto(tmp_path):
    write_run(tmp_path, WALKER, [0, 1], name="a", env="{action_repeat: auto}")
    write_run(tmp_path, WALKER, [0, 2], name="b", env="{action_repeat: 4}")
    write_run(tmp_path, WALKER, [0, 3], name="c", env="{action_repeat: many}")
    found, remarks = rows_of("fig12", tmp_path)
    assert {(row.x, row.value) for row in ours(found)} == {(2, 1), (4, 2)}
    assert remarks == [f"{WALKER}, c: nothing tells its action repeat"]


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


def test_bins_that_a_run_has_not_finished_do_not_count(tmp_path):
    write_run(tmp_path, WALKER, [0, 100, 200, 300], name="dreamer", end=44_000)
    found, _ = rows_of("fig7", tmp_path, width=20_000)
    assert [(row.x, row.value) for row in ours(found)] == [(25_000, 150)]
    found, _ = rows_of("fig7", tmp_path, width=50_000)
    assert not ours(found)


def test_horizons_are_read_from_the_section_of_the_method(tmp_path):
    write_run(tmp_path, WALKER, [1, 10], name="a", behavior="{horizon: 5}")
    write_run(tmp_path, WALKER, [1, 20], name="b", behavior="{horizon: 15}")
    write_run(tmp_path, WALKER, [1, 30], name="c", planner="{horizon: 7}", **PLANET)
    found, _ = rows_of("fig4", tmp_path)
    values = {(row.method, row.x): row.value for row in ours(found)}
    assert values == {("Dreamer", 5): 10, ("Dreamer", 15): 20, ("PlaNet", 7): 30}


def test_runs_that_differ_in_more_than_the_seed_are_not_averaged(tmp_path):
    write_run(tmp_path, WALKER, [0, 100], name="dreamer")
    write_run(tmp_path, WALKER, [0, 300], name="mine")
    found, _ = rows_of("table", tmp_path)
    values = {row.method: row.value for row in ours(found)}
    assert values == {"Dreamer (dreamer)": 100, "Dreamer (mine)": 300}


def test_what_is_left_out_is_said(tmp_path):
    write_run(tmp_path, WALKER, [0, 100], name="dreamer")
    write_run(tmp_path, WALKER, [0, 100], name="contrast", model="{objective: contrastive}")
    write_run(tmp_path, "gym_CartPole-v1", [0, 100], name="dreamer")
    found, remarks = rows_of("fig7", tmp_path)
    assert {row.method for row in ours(found)} == {"Dreamer"}
    assert sorted(remarks) == [
        "dmc_walker_walk, contrast: not a method of fig7",
        "gym_CartPole-v1, dreamer: not a task of fig7",
    ]
    with pytest.raises(UserError, match="nothing to draw for fig9"):
        item_figures.write("fig9", [tmp_path / WALKER / "contrast"], tmp_path / "out")


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
