"""Folders that look like a run and hold no agent."""

import re
import shutil

import pytest
from programs_for_tests import run_program
from runs_for_tests import ROOT

from dreamer_tf.basics.errors import UserError
from dreamer_tf.config import files
from dreamer_tf.runs import saved_agent

CURVE = ROOT / "docs" / "runs" / "dmc_walker_stand" / "cpu" / "0"
RUN = ROOT / "tests" / "data" / "run_format_2"


@pytest.mark.parametrize("program", ["evaluate", "dream"])
def test_an_exported_curve_is_told_from_a_run_that_has_just_begun(program):
    found = run_program(f"dreamer_tf.{program}", CURVE)
    assert found.returncode == 2 and found.stderr.count("\n") == 1
    assert found.stderr.startswith(f"error: {CURVE} holds a curve only")
    assert "agents/" in found.stderr and "wait" not in found.stderr


def test_a_curve_without_a_configuration_is_one_all_the_same(tmp_path):
    shutil.copy(CURVE / "curve.csv", tmp_path)
    with pytest.raises(UserError, match="holds a curve only"):
        saved_agent.load_config(tmp_path)


@pytest.mark.parametrize("name", ["metrics.jsonl", "checkpoints"])
def test_a_run_that_has_a_curve_beside_it_waits_for_its_checkpoint(name, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(CURVE, run)
    (run / name).mkdir()
    assert saved_agent.load_config(run).task == "dmc_walker_stand"
    with pytest.raises(UserError, match="holds no checkpoint yet: wait for the first one"):
        saved_agent.load_checkpoint(run, pytest.fail)


def test_an_agent_with_its_curve_is_opened(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(RUN, run)
    shutil.copy(CURVE / "curve.csv", run)
    saved_agent.load_config(run)
    assert saved_agent.load_checkpoint(run, pytest.fail).arrays


@pytest.mark.parametrize(
    ("presets", "changes", "told"),
    [
        (
            ["d4pg"],
            {"d4pg.value_min": 0, "d4pg.discount": 0.9},
            ["d4pg.value_min", "d4pg.dis"],
        ),
        (["a3c"], {"a3c.reward_scale": 0.1}, ["a3c.reward_scale"]),
        (
            [],
            {"behavior.discount": 0.9, "env.action_repeat": 4},
            ["env.action_", "behavior.dis"],
        ),
        ([], {"env.action_repeat": 2, "train.every": 7}, []),
        ([], {"task": "gym_Pendulum-v1"}, ["env.action_repeat is 2 in .*, 1 here"]),
    ],
)
def test_weights_that_mean_something_else_are_told(presets, changes, told, tmp_path):
    (tmp_path / "config.yaml").write_text(files.to_yaml(files.load_config(presets)))
    settings = files.load_config(presets, [(key, str(value)) for key, value in changes.items()])
    found = saved_agent.other_meanings(tmp_path, settings)
    assert len(found) == len(told)
    for text, expected in zip(found, told, strict=True):
        assert re.match(expected, text) and "its weights mean something else" in text


@pytest.mark.parametrize("named", [None, True, "__main__:make"])
def test_what_only_a_script_has_is_opened_there(named):
    config = files.load_config(["vectors"], [("task", "__main__:make")])
    with pytest.raises(UserError, match=r"made from Python.* dreamer_tf.load\('a/run', env=...\)$"):
        saved_agent.check_trust("a/run", config, named, "give --task")
