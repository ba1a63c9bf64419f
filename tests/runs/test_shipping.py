"""Agents to give away: what is in them, and that they act like the run that they are from."""

import json
import shutil

import numpy as np
import pytest
from programs_for_tests import run_program
from runs_for_tests import ROOT, fingerprint

from dreamer_tf.basics.errors import UserError
from dreamer_tf.runs import checkpoint, saved_agent, shipping, versions
from dreamer_tf.runs.shipping import ship

RUN = ROOT / "tests" / "data" / "run_format_2"


def program(module, *words):
    result = run_program(module, *words)
    assert "Traceback" not in result.stderr, result.stderr
    return result


def test_a_shipped_agent_holds_weights_and_where_they_are_from(tmp_path):
    size = ship(RUN, tmp_path / "agent", half=True, warn=pytest.fail)
    files = [path for path in (tmp_path / "agent").rglob("*") if path.is_file()]
    assert size == sum(path.stat().st_size for path in files)
    (saved,) = [path for path in files if path.suffix == ".npz"]
    shipped = checkpoint.load(saved)
    whole = versions.to_current(checkpoint.load_newest(RUN / "checkpoints", pytest.fail))
    weights = saved_agent.weight_arrays(whole)
    assert set(shipped.arrays) == {f"agent/{path}" for path in weights}
    for path, array in weights.items():
        stored = shipped.arrays[f"agent/{path}"]
        assert stored.dtype == (np.float16 if array.ndim > 1 else array.dtype)
        np.testing.assert_allclose(stored, array, rtol=1e-3, atol=1e-6)
    assert shipped.state["counters"]["step"] == whole.state["counters"]["step"]
    (session,) = json.loads((tmp_path / "agent" / "meta.json").read_text())["sessions"]
    assert "versions" in session and "command" not in session


def test_it_is_whole_or_not_there_and_half_precision_stays(tmp_path, monkeypatch):
    out, warned = tmp_path / "new" / "agent", []
    with monkeypatch.context() as patch:
        patch.setattr(shipping, "to_yaml", lambda config: 1 / 0)  # When the weights are written.
        with pytest.raises(ZeroDivisionError):
            ship(RUN, out, half=True, warn=pytest.fail)
    assert list(out.parent.iterdir()) == []
    ship(RUN, out, half=True, warn=pytest.fail)
    assert list(out.parent.iterdir()) == [out]
    ship(out, tmp_path / "again", half=False, warn=warned.append)
    assert len(warned) == 1 and "half precision already" in warned[0]


def test_evaluating_it_repeats_the_run_and_training_begins_with_it(tmp_path):
    made = program("tools.ship", RUN, "--out", tmp_path / "agent", "--full")
    assert made.returncode == 0 and f"evaluate {tmp_path / 'agent'}" in made.stdout
    returns = []
    for folder in (RUN, tmp_path / "agent"):
        copy = tmp_path / f"of {folder.name}"
        shutil.copytree(folder, copy)
        words = ["--episodes", "2", "--json", tmp_path / "found.json"]
        assert program("dreamer_tf.evaluate", copy, *words).returncode == 0
        returns.append(json.loads((tmp_path / "found.json").read_text())["returns"])
    assert returns[0] == returns[1]
    words = ["--configs", RUN / "config.yaml", "--name", "small", "--init_from", tmp_path / "agent"]
    words += ["--steps", "130", "--logdir", tmp_path / "runs"]
    trained = program("dreamer_tf.train", *words)
    assert trained.returncode == 0 and "weights    from" in trained.stdout, trained.stderr


def test_it_cannot_be_trained_on_in_its_own_folder(tmp_path):
    folder = tmp_path / "gym_CartPole-v1" / "given" / "0"
    made = program("tools.ship", RUN, "--out", folder)
    assert made.returncode == 0, made.stderr
    before = fingerprint(folder)
    words = ["--configs", RUN / "config.yaml", "--name", "given", "--logdir", tmp_path]
    for more in (["--dry_run"], ["--steps", "9000", "--extend"]):
        result = program("dreamer_tf.train", *words, *more)
        assert result.returncode == 2 and result.stderr.count("\n") == 1, result.stderr
        assert "is an agent that was shipped" in result.stderr and "--init_from" in result.stderr
    assert fingerprint(folder) == before


def test_nothing_is_overwritten_and_a_wrong_folder_is_one_line(tmp_path):
    (tmp_path / "agent").mkdir()
    with pytest.raises(UserError, match="exists already"):
        ship(RUN, tmp_path / "agent", half=True, warn=pytest.fail)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        refused = program("tools.ship", RUN, "--out", place)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1
        assert refused.stderr.startswith(f"error: --out {place}")
    refused = program("tools.ship", tmp_path, "--out", tmp_path / "other")
    assert refused.returncode == 2 and "is not a run" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1 and not (tmp_path / "other").exists()


def test_a_weight_that_half_precision_cannot_hold_is_said(tmp_path):
    copy = tmp_path / "run"
    shutil.copytree(RUN, copy)
    saved = checkpoint.load_newest(copy / "checkpoints", pytest.fail)
    kernel = next(name for name in saved.arrays if name.endswith("actor/h0/kernel"))
    arrays = {**saved.arrays, kernel: saved.arrays[kernel] + 1e6}
    counters = saved.state["counters"]
    place = {"update": counters["update"] + 1, "step": counters["step"] + 1}
    checkpoint.save(copy / "checkpoints", arrays, saved.state, keep=2, **place)
    with pytest.raises(UserError, match="--full"):
        ship(copy, tmp_path / "agent", half=True, warn=pytest.fail)
    assert not (tmp_path / "agent").exists()
