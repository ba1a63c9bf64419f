"""Which runs a figure shows, and which of them it averages."""

import argparse
import dataclasses

import pytest
from results_for_tests import ours, program, rows_of, write_lines, write_run

from dreamer_tf.basics.errors import UserError
from dreamer_tf.results import check, item_figures, item_rows, item_runs, scores
from dreamer_tf.sweeps import items

WALKER = "dmc_walker_walk"
PLANET = {"agent": "planet"}


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


@pytest.mark.parametrize("item, shared", [("fig4", 3), ("fig12", 1)])
def test_names_of_sweeps_are_those_that_the_plans_give(item, shared):
    found = []
    for plan in items.plans(item, "smoke"):
        config = dataclasses.asdict(plan.config())
        run = scores.Run(None, plan.task, plan.name, "0", (), 0, None, config, ())
        found.append(item_runs.swept_by(run))
    assert found.count(None) == shared and set(found) == {None, item}


@pytest.mark.parametrize("item, key", [("fig4", "horizon"), ("fig12", "action_repeat")])
def test_a_sweep_of_the_program_is_in_its_own_figure_alone_too(item, key, tmp_path):
    section = {"horizon": "behavior", "action_repeat": "env"}[key]
    options = {"tasks": [WALKER], "methods": ["dreamer"], "presets": [], "seeds": [0], "name": None}
    words = argparse.Namespace(**options, set=[], vary=[f"{section}.{key}=5,15"])
    names = [plan.name for plan in program("sweep").plans(words)]
    for name, value in zip(names, (5, 15), strict=True):
        write_run(tmp_path, WALKER, [0, value], name=name, **{section: f"{{{key}: {value}}}"})
    found, _ = rows_of(item, tmp_path)
    points = {(row.method, row.x): row.value for row in ours(found)}
    assert points == {("Dreamer", 5): 5, ("Dreamer", 15): 15}
    found, remarks = rows_of("table", tmp_path)
    assert not ours(found)
    assert set(remarks) == {f"{WALKER}, {name}: a part of {item}" for name in names}


@pytest.mark.parametrize("name", ["mine", "mine-h5", "mine-horizon5"])
def test_what_is_varied_is_read_from_the_configuration_whatever_the_name(name, tmp_path):
    for number, (horizon, repeat, words) in enumerate(
        [(5, "auto", "horizon"), (15, 4, "action repeat"), (15, 2, ""), (15, "auto", "")]
    ):
        config = {"behavior": f"{{horizon: {horizon}}}", "env": f"{{action_repeat: {repeat}}}"}
        run = scores.read(write_run(tmp_path, WALKER, [0], number, name, **config))
        assert check.other_than_theirs(run) == (words and f"Dreamer with another {words}")
    # PlaNet plans over 12 steps in the paper; what it does not have cannot be another.
    for seed, (horizon, words) in enumerate(((12, ""), (15, " with another horizon"))):
        config = PLANET | {"planner": f"{{horizon: {horizon}}}"}
        run = scores.read(write_run(tmp_path, WALKER, [0], seed, "planet", **config))
        assert check.other_than_theirs(run) == f"PlaNet{words}"
    toy = scores.read(write_run(tmp_path, "toy_reach", [0], 0, name, behavior="{horizon: 5}"))
    assert check.other_than_theirs(toy) == ""


def test_the_run_that_a_sweep_shares_with_other_items_is_a_part_of_its_line(tmp_path):
    for horizon, value in ((5, 100), (15, 200), (25, 300)):
        name = "dreamer" if horizon == 15 else f"dreamer-h{horizon}"
        write_run(tmp_path, WALKER, [0, value], name=name, behavior=f"{{horizon: {horizon}}}")
    found, _ = rows_of("fig4", tmp_path)
    line = {(row.method, row.x): row.value for row in ours(found)}
    assert line == {("Dreamer", 5): 100, ("Dreamer", 15): 200, ("Dreamer", 25): 300}
    # Another set-up beside it, and one more run of the shared setting: nothing is averaged.
    write_run(tmp_path, WALKER, [0, 900], name="mine", behavior="{horizon: 15}")
    write_run(tmp_path, WALKER, [0, 500], name="dreamer-h15", behavior="{horizon: 15}")
    found, _ = rows_of("fig4", tmp_path)
    assert {(row.method, row.x): row.value for row in ours(found)} == {
        ("Dreamer (dreamer)", 5): 100,
        ("Dreamer (dreamer)", 15): 200,
        ("Dreamer (dreamer)", 25): 300,
        ("Dreamer (mine)", 15): 900,
        ("Dreamer (dreamer-h15)", 15): 500,
    }


def test_settings_are_compared_after_as_many_steps(tmp_path):
    write_run(
        tmp_path, WALKER, [0, 100, 900], name="dreamer", env="{action_repeat: 2}", steps=25_000
    )
    write_run(tmp_path, WALKER, [0, 300], name="dreamer-r4", env="{action_repeat: 4}", steps=15_000)
    found, remarks = rows_of("fig12", tmp_path)
    assert {row.x: row.value for row in ours(found)} == {2: 100, 4: 300}
    line = f"{WALKER}, dreamer, seed 0: shown as it was at 15000 of 25000 steps, where others end"
    assert remarks == [line]
    # So is one that is still under way to an end of its own, further on.
    write_run(
        tmp_path, WALKER, [0, 50, 900], name="dreamer-r8", env="{action_repeat: 8}", steps=99_000
    )
    found, remarks = rows_of("fig12", tmp_path)
    assert {row.x: row.value for row in ours(found)} == {2: 100, 4: 300, 8: 50}
    assert f"{WALKER}, dreamer-r8, seed 0: shown as it was at 15000 of 99000 steps" in remarks[1]
    # Methods of other lengths stand in the table as they are, and that is said.
    write_run(tmp_path, WALKER, [0, 300], name="planet", steps=15_000, **PLANET)
    found, remarks = rows_of("table", tmp_path)
    assert {row.method: row.value for row in ours(found)} == {"Dreamer": 900, "PlaNet": 300}
    assert {"Dreamer: after 25000 steps", "PlaNet: after 15000 steps"} < set(remarks)


def test_action_repeats_are_those_of_the_task_where_the_configuration_says_auto(tmp_path):
    write_run(tmp_path, WALKER, [0, 1], name="a", env="{action_repeat: auto}")
    write_run(tmp_path, WALKER, [0, 2], name="b", env="{action_repeat: 4}")
    write_run(tmp_path, WALKER, [0, 3], name="c", env="{action_repeat: many}")
    found, remarks = rows_of("fig12", tmp_path)
    assert {(row.x, row.value) for row in ours(found)} == {(2, 1), (4, 2)}
    assert remarks == [f"{WALKER}, c: nothing tells its action repeat"]


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


def test_configurations_of_one_name_are_not_averaged_either(tmp_path):
    for task in (WALKER, "dmc_cup_catch"):
        write_run(tmp_path, task, [0, 100], 0, "control", behavior="{entropy_limit: -1.0}")
    write_run(tmp_path, WALKER, [0, 300], 1, "control", behavior="{entropy_limit: -1.0}")
    write_run(tmp_path, WALKER, [0, 900], 2, "control", behavior="{entropy_limit: -3.0}")
    for item in ("table", "fig7"):
        found, remarks = rows_of(item, tmp_path)
        assert {(row.task, row.method): (row.value, row.seeds) for row in ours(found)} == {
            (WALKER, "Dreamer (control, entropy_limit -1)"): (200, 2),
            (WALKER, "Dreamer (control, entropy_limit -3)"): (900, 1),
            ("dmc_cup_catch", "Dreamer (control, entropy_limit -1)"): (100, 1),
        }
        (line,) = remarks
        assert line.startswith(f"{WALKER}, control: ") and "behavior.entropy_limit" in line


def test_a_run_from_vectors_does_not_displace_one_from_pixels(tmp_path):
    pixels, vectors = "{observation: auto}", "{observation: vector}"
    write_run(tmp_path, WALKER, [0, 100], 0, "mine", env=pixels, steps=90_000)
    write_run(tmp_path, WALKER, [0, 900], 1, "mine", env=vectors, steps=15_000)
    found, _ = rows_of("table", tmp_path)
    assert {row.method: row.value for row in ours(found)} == {
        "Dreamer (mine, observation image)": 100,
        "Dreamer (mine, observation vector)": 900,
    }


def test_seeds_with_other_lengths_or_keys_without_effect_are_of_one_set(tmp_path):
    """Also those of older versions, which did not know keys that came later."""
    new = {"devices": 2, "xla": "false", "precision": "float32", "evaluate": "{episodes: 10}"}
    old = {"steps": 15_000, "xla": "false", "precision": "auto", "evaluate": "{episodes: 3}"}
    behavior = "{horizon: 15, start_every: 1, entropy_limit: 10}"
    write_run(tmp_path, WALKER, [0, 100], 0, behavior="{horizon: 15}", **old)
    write_run(tmp_path, WALKER, [0, 300], 1, behavior=behavior, steps=15_000, **new)
    write_run(tmp_path, WALKER, [0, 0, 500], 2, behavior=behavior, steps=25_000, **new)
    found, remarks = rows_of("table", tmp_path)
    assert [(row.method, row.value, row.seeds) for row in ours(found)] == [("Dreamer", 400 / 3, 3)]
    # The longer one as it was when the others ended.
    line = f"{WALKER}, ours, seed 2: shown as it was at 15000 of 25000 steps, where others end"
    assert remarks == [line]


def test_what_older_versions_wrote_down_without_using_it_separates_no_seeds(tmp_path):
    for seed, every in enumerate((1000, 200)):
        write_run(tmp_path, WALKER, [0, 100], seed, "a3c", agent="a3c", train=f"{{every: {every}}}")
    for seed, every in enumerate((1000, 200)):
        write_run(tmp_path, WALKER, [0, 100], seed, "mine", train=f"{{every: {every}}}")
    found, _ = rows_of("table", tmp_path)
    seeds = {row.method: row.seeds for row in ours(found)}
    assert seeds.pop("A3C") == 2 and list(seeds.values()) == [1, 1]


def test_what_an_older_version_did_is_another_configuration(tmp_path):
    write_run(tmp_path, WALKER, [0, 100], 0, behavior="{horizon: 15}")
    write_run(tmp_path, WALKER, [0, 300], 1, behavior="{horizon: 15, start_every: 5}")
    found, _ = rows_of("table", tmp_path)
    assert {row.method for row in ours(found)} == {
        "Dreamer (ours, start_every 1)",
        "Dreamer (ours, start_every 5)",
    }


def test_labels_of_many_differences_are_short_and_differ(tmp_path):
    keys = ("deter", "stoch", "hidden", "cnn_depth", "vector_layers")
    for seed, values in enumerate([(1, 1, 1, 1, 1), (2, 2, 2, 2, 2), (2, 2, 2, 2, 3)]):
        pairs = zip(keys, values, strict=True)
        model = f"{{{', '.join(f'{key}: {value}' for key, value in pairs)}}}"
        write_run(tmp_path, WALKER, [0, 100 * seed], seed, model=model)
    found, remarks = rows_of("table", tmp_path)
    assert {row.method: row.value for row in ours(found)} == {
        "Dreamer (ours, deter 1, vector_layers 1)": 0,
        "Dreamer (ours, deter 2, vector_layers 2)": 100,
        "Dreamer (ours, deter 2, vector_layers 3)": 200,
    }
    assert len(remarks) == 1 and all(f"model.{key}" in remarks[0] for key in keys)


def test_what_is_left_out_is_said(tmp_path):
    write_run(tmp_path, WALKER, [0, 100], name="dreamer")
    write_run(tmp_path, WALKER, [0, 100], name="contrast", model="{objective: contrastive}")
    write_run(tmp_path, "gym_CartPole-v1", [0, 100], name="dreamer")
    found, remarks = rows_of("fig7", tmp_path)
    assert {row.method for row in ours(found)} == {"Dreamer"}
    assert sorted(remarks) == [
        "dmc_walker_walk, contrast: not a method of fig7",
        "gym_CartPole-v1: not a task of fig7, 1 run left out",
    ]
    with pytest.raises(UserError, match="nothing to draw for fig9"):
        item_figures.write("fig9", [tmp_path / WALKER / "contrast"], tmp_path / "out")


def test_discrete_control_is_of_atari_games_alone(tmp_path):
    for task in ("gym_Pendulum-v1", "toy_reach", "dmc_cartpole_swingup"):
        for seed in (0, 1):
            write_run(tmp_path / "else", task, [0, 100], seed)
    with pytest.raises(UserError, match="nothing to draw for fig9: .*toy_reach: not tasks of fig9"):
        item_figures.write("fig9", [tmp_path / "else"], tmp_path / "out")
    write_run(tmp_path / "pong", "atari_pong", [0, 100])
    runs, _ = scores.find([tmp_path / "else", tmp_path / "pong"])
    found, remarks = item_rows.rows("fig9", runs, 10_000)
    assert {row.task for row in found} == {"atari_pong"}
    assert remarks == [
        "dmc_cartpole_swingup, gym_Pendulum-v1, toy_reach: not tasks of fig9, 6 runs left out"
    ]


def test_the_table_is_of_the_papers_tasks(tmp_path):
    write_run(tmp_path, "dmc_humanoid_walk", [0, 100])
    write_run(tmp_path, "gym_Pendulum-v1", [0, 100])
    with pytest.raises(UserError, match="nothing to draw for table: .*not tasks of table"):
        item_figures.write("table", [tmp_path], tmp_path / "out")
    # What the item itself makes at its smallest scale.
    write_run(tmp_path, "toy_reach", [0, 100])
    found, _ = rows_of("table", tmp_path)
    assert {row.task for row in found} == {"toy_reach"}
    write_run(tmp_path, WALKER, [0, 100])
    found, remarks = rows_of("table", tmp_path)
    assert {row.task for row in found} == {WALKER}
    assert remarks == [
        "dmc_humanoid_walk, gym_Pendulum-v1, toy_reach: not tasks of table, 3 runs left out"
    ]


def test_auto_is_the_same_as_what_it_means(tmp_path):
    meant = "{observation: image, action_repeat: 2, time_limit: 1000}"
    auto = "{observation: auto, action_repeat: auto, time_limit: auto}"
    write_run(tmp_path, WALKER, [0, 100], 0, "mine", env=auto)
    write_run(tmp_path, WALKER, [0, 300], 1, "mine", env=meant)
    found, remarks = rows_of("table", tmp_path)
    assert [(row.method, row.value, row.seeds) for row in ours(found)] == [("Dreamer", 200, 2)]
    assert remarks == []
    # Of others' environments only they themselves know what they observe, and how long.
    write_run(tmp_path, "gym_CartPole-v1", [0, 100], 0, "mine", env=auto)
    write_run(tmp_path, "gym_CartPole-v1", [0, 300], 1, "mine", env=meant)
    runs = [run for run in scores.find([tmp_path])[0] if run.task.startswith("gym")]
    assert len(item_runs.apart(runs)[0]) == 2


def test_what_is_cut_is_not_averaged_over_its_beginning(tmp_path):
    """The bin is as wide as fits what counts, not what was run."""
    for name, steps in (("dreamer", 3_005_000), ("dreamer-h5", 45_000), ("dreamer-h10", 3_005_000)):
        horizon = name.partition("-h")[2] or 15
        values = [0, 10, 20, 30, 40, *[900] * 20]
        behavior = f"{{horizon: {horizon}}}"
        values = values[:5] if steps < 1e6 else values
        end = None if steps < 1e6 else steps
        write_run(tmp_path, WALKER, values, 0, name, end=end, behavior=behavior, steps=steps)
    runs, _ = scores.find([tmp_path])
    width = item_runs.fitting_width(runs)
    found, _ = item_rows.rows("fig4", runs, width)
    assert width == 10_000 and {row.value for row in ours(found)} == {40}
    # Another set-up's length changes nothing.
    write_run(tmp_path, WALKER, [0, 5], 0, "mine", behavior="{horizon: 15}", steps=15_000)
    found, _ = item_rows.rows("fig4", scores.find([tmp_path])[0], width)
    values = {(row.method, row.x): row.value for row in ours(found)}
    assert values["Dreamer (dreamer)", 15] == 40 and values["Dreamer (mine)", 15] == 5


def test_final_returns_stay_what_they_are_when_other_runs_begin(tmp_path):
    write_run(tmp_path, WALKER, [900] * 300, 0, "dreamer", steps=2_995_000)
    assert item_runs.final_width(scores.find([tmp_path])[0]) == 100_000
    for seed in range(4):
        write_run(tmp_path, WALKER, [5], seed, "planet", steps=5e6, agent="planet")
    runs = scores.find([tmp_path])[0]
    assert item_runs.final_width(runs) == 100_000 > item_runs.fitting_width(runs)
    assert item_runs.final_width(runs[1:]) == item_runs.fitting_width(runs[1:]) < 10_000


def test_evaluations_of_other_actions_are_not_averaged(tmp_path):
    for seed, action in enumerate(("mode", "mode", "mean")):
        keys = {"evaluate": f"{{action: {action}}}", "behavior": "{horizon: 15}"}
        write_run(tmp_path, WALKER, [100], seed, "mine", **keys)
    found, remarks = item_runs.apart(scores.find([tmp_path])[0])
    assert {label: len(runs) for (_, label), runs in found.items()} == {
        "mine, action mode": 2,
        "mine, action mean": 1,
    }
    assert "they differ in evaluate.action" in remarks[0]
