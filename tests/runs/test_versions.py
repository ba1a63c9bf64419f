"""Runs of older versions go on: missing keys and fields, formats, and a whole run in format 2."""

import dataclasses
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from agents_for_tests import tiny_spec
from programs_for_tests import run_program, run_python
from runs_for_tests import ROOT, final_arrays, metrics

from dreamer_tf.basics.errors import UserError
from dreamer_tf.config import catalog
from dreamer_tf.config.files import from_yaml, load_config, to_yaml
from dreamer_tf.config.schema import schema, used_keys
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.runs import checkpoint, resume, saved_agent, versions
from dreamer_tf.runs.checkpoint import Checkpoint

OLD = ROOT / "tests" / "data" / "run_format_2"


def program(name, *words):
    return run_program(f"dreamer_tf.{name}", *words)


def saved(state):
    return Checkpoint({"agent/w": np.zeros(2)}, state, Path("0000000001-00000001.npz"))


def test_every_row_is_of_a_key_that_exists_and_may_have_that_value():
    assert versions.KEYS.keys() <= schema().keys()
    for key, value in versions.KEYS.items():
        agent = next(name for name in catalog.AGENTS if key in used_keys(name))
        load_config([], [("agent", agent), (key, str(value))])
    assert versions.SPEC_FIELDS.keys() <= {field.name for field in dataclasses.fields(EnvSpec)}


def test_a_key_that_an_older_version_lacked_is_filled_and_no_other(tmp_path):
    path = tmp_path / "config.yaml"
    config = load_config([], [("evaluate.action", "mean")])
    text = to_yaml(config).replace("  action: mean\n", "").replace("agent: dreamer\n", "")
    path.write_text(text)
    assert saved_agent.load_config(tmp_path).evaluate.action == "mode"
    with pytest.raises(UserError, match="lacks the key agent"):
        from_yaml(path)
    path.write_text(text.replace("steps: 5000000\n", ""))
    with pytest.raises(UserError, match="lacks the key steps"):
        saved_agent.load_config(tmp_path)
    path.write_text(text + "unheard_of: 1\n")
    with pytest.raises(UserError, match="unheard_of"):
        saved_agent.load_config(tmp_path)


def test_environments_are_compared_field_by_field():
    spec = tiny_spec()
    state = {"spec": spec.to_json()}
    resume.check_environment(saved(state), spec)
    other = dataclasses.replace(spec, action_size=3, time_limit=50)
    with pytest.raises(UserError) as error:
        resume.check_environment(saved(state), other)
    text = str(error.value)
    assert "action_size is 2 in the checkpoint, 3 now; time_limit is 100" in text
    assert "discrete" not in text and "\n" not in text


def test_a_field_that_an_older_version_lacked_is_filled_and_no_other(monkeypatch):
    spec = tiny_spec()
    values = json.loads(spec.to_json())
    del values["terminates"]
    state = {"spec": json.dumps(values)}
    with pytest.raises(UserError, match="terminates"):
        resume.check_environment(saved(state), spec)
    monkeypatch.setitem(versions.SPEC_FIELDS, "terminates", False)
    resume.check_environment(saved(state), spec)
    with pytest.raises(UserError, match="terminates is False in the checkpoint, True now"):
        resume.check_environment(saved(state), dataclasses.replace(spec, terminates=True))
    newer = {"spec": json.dumps({**json.loads(spec.to_json()), "gravity": 9.8})}
    with pytest.raises(UserError, match="gravity"):
        resume.check_environment(saved(newer), spec)


def test_formats_are_converted_step_by_step(monkeypatch):
    def step(name):
        def convert(old):
            seen.append(old.state["format"])
            return dataclasses.replace(old, arrays={**old.arrays, name: np.ones(1)})

        return convert

    seen = []
    monkeypatch.setattr(versions, "FORMAT", 5)
    monkeypatch.setattr(versions, "STEPS", {3: step("third"), 4: step("fourth")})
    before = saved({"format": 3, "counters": {"step": 7}})
    after = versions.to_current(before)
    assert seen == [3, 4] and after.state == {"format": 5, "counters": {"step": 7}}
    assert set(after.arrays) == {"agent/w", "third", "fourth"} and before.state["format"] == 3
    assert resume.counters(before.state).step == 7, "known before the arrays are read"
    assert versions.to_current(saved({"format": 5})).state == {"format": 5}
    assert versions.to_current(None) is None


@pytest.mark.parametrize(
    "state, words",
    [({"format": 1}, "format 1"), ({}, "format None"), ({"format": 99}, "99, newer than this")],
)
def test_formats_that_cannot_be_converted_are_refused(state, words):
    for read in (lambda: versions.to_current(saved(state)), lambda: resume.counters(state)):
        with pytest.raises(UserError, match=words) as error:
            read()
        assert "\n" not in str(error.value)


@pytest.fixture
def old_run(tmp_path):
    """A copy of the run in format 2, interrupted in the middle of two episodes."""
    path = tmp_path / "gym_CartPole-v1" / "small" / "0"
    shutil.copytree(OLD, path)
    return path


def test_loading_a_player_leaves_the_callers_tensorflow_as_it_is(old_run):
    code = (
        "import sys, dreamer_tf, tensorflow as tf\n"
        "player = dreamer_tf.load(sys.argv[1])\n"
        "print(tf.random.normal([2]).shape, player.config.task)\n"
    )
    assert "(2,) " in run_python(code, old_run)


def test_a_run_in_format_2_is_evaluated(old_run, tmp_path):
    found = {}
    for words in ([], ["--action", "mean"]):
        out = tmp_path / "out.json"
        result = program("evaluate", old_run, "--episodes", "2", "--json", out, *words)
        assert result.returncode == 0, result.stderr
        summary = json.loads(out.read_text())
        assert f"the policy's {summary['action']}" in result.stdout
        found[summary["action"]] = summary["returns"]
    # Of discrete actions both are the likeliest.
    assert set(found) == {"mode", "mean"} and found["mode"] == found["mean"]
    assert summary["step"] == 328 and len(summary["returns"]) == 2


def test_a_run_in_format_2_goes_on(old_run, tmp_path):
    before = checkpoint.load_newest(OLD / "checkpoints", pytest.fail)
    unfinished = {i: before.arrays[f"unfinished/{i}"] for i in (0, 1)}
    # By its own configuration: what presets say may change with the version.
    words = ["--logdir", tmp_path, "--configs", OLD / "config.yaml", "--name", "small"]
    words += ["--steps", "640"]
    refused = program("train", *words)
    assert refused.returncode == 2 and "steps is 600 there, 640 here" in refused.stderr
    assert "agent is" not in refused.stderr and "action is" not in refused.stderr
    result = program("train", *words, "--extend")
    assert result.returncode == 0 and "is complete" in result.stdout, result.stderr
    assert "resumed    at step 328, update 26" in result.stdout
    earlier = metrics(OLD)
    assert metrics(old_run)[: len(earlier)] == earlier
    for i, records in unfinished.items():
        # It is the first of this environment that ends after the 164 steps that each has made.
        paths = sorted((old_run / "episodes").glob("*.npy"))
        ends = {int(path.name.partition("-")[0]): path for path in paths}
        path = min((end, path) for end, path in ends.items() if end > 328 and end % 2 == i)[1]
        whole = np.load(path)
        assert len(whole) > len(records)
        np.testing.assert_array_equal(whole[: len(records)], records)
    state, arrays = final_arrays(old_run)
    # 4 at first, then 2 after every 20 steps beyond the prefill of 100.
    assert state["counters"]["step"] == 640 and state["counters"]["update"] == 4 + 2 * 27
    assert state["format"] == versions.FORMAT
    assert (arrays["agent/updates"], before.arrays["agent/updates"]) == (58, 26)
    assert from_yaml(old_run / "config.yaml").agent == "dreamer"
