"""The real commands, as processes: train, interrupt, kill, resume, evaluate."""

import json
import os
import signal
import time

import numpy as np
import pytest
from programs_for_tests import run_program
from runs_for_tests import (
    BRIEF,
    VIDEOS,
    assert_same_run,
    final_arrays,
    fingerprint,
    interrupt,
    metrics,
    run_path,
    start,
    train,
)
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from dreamer_tf.basics import kernels
from dreamer_tf.runs import checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run: (folder, output)."""
    logdir = tmp_path_factory.mktemp("whole")
    result = train(logdir, *VIDEOS)
    assert result.returncode == 0, result.stderr
    return run_path(logdir), result.stdout


def test_run_layout_and_keys_of_the_official_code(whole):
    run, output = whole
    assert {path.name for path in run.glob("*.jsonl")} == {"metrics.jsonl"}
    assert len(list(run.glob("events.out.tfevents.*"))) == 1
    lines = metrics(run)
    tests = [line for line in lines if "test/return" in line]
    assert [line["step"] for line in tests] == [200, 450, 700]
    episodes = [line for line in lines if "train/return" in line]
    assert [line["step"] for line in episodes] == list(range(50, 701, 50))
    assert all(line["train/length"] == 50 for line in episodes)
    assert [line["episodes"] for line in episodes] == list(range(1, 15))
    updates = [line for line in lines if "model_loss" in line]
    assert [line["update"] for line in updates] == [10, 20, 30, 40, 50, 60]
    assert {"image_loss", "action_ent", "div", "value_grad_norm", "expl_amount"} <= set(updates[0])
    assert [line["agent_step"] for line in updates] == [line["step"] for line in updates]
    assert "parameters encoder" in output and "test return" in output
    meta = json.loads((run / "meta.json").read_text())["sessions"][0]
    assert meta["onednn"] is (os.environ.get(kernels.VARIABLE) == "1")
    assert meta["precision"] == "float32" and meta["versions"]["tensorflow"]


def test_tensorboard_reads_the_official_tags(whole):
    run, _ = whole
    events = EventAccumulator(str(run), size_guidance={"tensors": 0}).Reload()
    tags = set(events.Tags()["tensors"])
    official = {"agent/model_loss", "agent/action_ent", "agent/fps", "sim/episodes"}
    assert official | {"sim/train/return", "sim/test/return", "sim/test/length"} <= tags
    points = events.Tensors("sim/test/return")
    expected = [line for line in metrics(run) if "test/return" in line]
    assert [point.step for point in points] == [line["step"] for line in expected]
    found = [tensor_util.make_ndarray(point.tensor_proto) for point in points]
    np.testing.assert_allclose(found, [line["test/return"] for line in expected], rtol=1e-6)


def test_a_finished_run_says_so_and_changes_nothing(whole):
    run, _ = whole
    before = fingerprint(run)
    result = train(run.parents[2], *VIDEOS)
    assert result.returncode == 0
    assert "complete" in result.stdout
    assert fingerprint(run) == before


def test_another_configuration_is_refused(whole):
    run, _ = whole
    before = fingerprint(run)
    result = train(run.parents[2], "--train.batch_size", "5")
    assert result.returncode == 2
    for word in ("train.batch_size", "8", "5", "--name", "--fresh"):
        assert word in result.stderr
    assert fingerprint(run) == before


def test_interrupted_anywhere_it_ends_like_an_uninterrupted_run(whole, tmp_path):
    """Stopped by SIGTERM and SIGINT in three sessions at two moments; equal bit for bit."""
    expected, _ = whole
    run = run_path(tmp_path)
    moments = [(2, signal.SIGINT), (10, signal.SIGTERM)]
    stopped = []
    for count, number in moments:
        status = interrupt(start(tmp_path), run, lambda n, count=count: n >= count, number)
        assert status == 0
        stopped.append(checkpoint.read_state(run / "checkpoints")["counters"])
    assert len({(each["step"], each["update"]) for each in stopped}) == len(moments)
    assert train(tmp_path).returncode == 0
    assert_same_run(run, expected)


def test_another_precision_can_act_but_not_learn_on(whole, tmp_path):
    logdir = tmp_path / "runs"
    assert train(logdir, "--steps", "250", "--precision", "bfloat16").returncode == 0
    path = run_path(logdir) / "config.yaml"
    path.write_text(path.read_text().replace("bfloat16", "float32"))
    path.write_text(path.read_text().replace("steps: 250", "steps: 260"))
    refused = train(logdir, "--precision", "float32", "--steps", "260")
    assert refused.returncode == 1
    assert "bfloat16" in refused.stderr and "float32" in refused.stderr
    result = run_program("dreamer_tf.evaluate", run_path(logdir), "--episodes", "1")
    assert result.returncode == 0, result.stderr


def test_after_kill_every_finished_episode_is_used(tmp_path):
    run = run_path(tmp_path)
    words = ("--checkpoint.minutes", "0.1")
    process = start(tmp_path, *words, small=BRIEF)
    deadline = time.monotonic() + 120
    while len(list((run / "episodes").glob("*.npy"))) < 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finished = fingerprint(run / "episodes")
    finished = {name: value for name, value in finished.items() if name.endswith(".npy")}
    assert len(finished) >= 8
    result = train(tmp_path, *words, small=BRIEF)
    assert result.returncode == 0, result.stderr
    after = fingerprint(run / "episodes")
    assert {name: after[name] for name in finished} == finished
    assert len(after) == 14
    lines = metrics(run)
    episodes = [line for line in lines if "train/return" in line]
    assert [line["episodes"] for line in episodes] == list(range(1, 15))
    assert [line["step"] for line in episodes] == list(range(50, 701, 50))
    counters = checkpoint.read_state(run / "checkpoints")["counters"]
    assert (counters["step"], counters["update"]) == (700, 60)
    assert not [path for path in run.rglob("*") if ".tmp" in path.name]


def test_other_seed_other_run(whole, tmp_path):
    assert train(tmp_path, "--seed", "1", "--steps", "250").returncode == 0
    expected, _ = whole
    returns = [
        [line["train/return"] for line in metrics(run) if "train/return" in line][:5]
        for run in (expected, run_path(tmp_path, seed=1))
    ]
    assert not set(returns[0]) & set(returns[1])


def test_evaluate_repeats_itself_and_writes_json(whole, tmp_path):
    run, _ = whole
    before = fingerprint(run)
    found = []
    for name in ("first.json", "missing/folder/second.json"):
        words = ["--episodes", "3", "--seed", "100", "--json", tmp_path / name]
        result = run_program("dreamer_tf.evaluate", run, *words)
        assert result.returncode == 0, result.stderr
        found.append(json.loads((tmp_path / name).read_text()))
    assert found[0] == found[1]
    returns = found[0]["returns"]
    assert len(set(returns)) == 3
    np.testing.assert_allclose(found[0]["mean"], np.mean(returns))
    error = np.std(returns, ddof=1) / np.sqrt(3)
    np.testing.assert_allclose(found[0]["standard_error"], error)
    assert f"{found[0]['mean']:.2f}" in result.stdout
    assert fingerprint(run) == before


def test_a_longer_run_is_extended_on_request_only(tmp_path):
    assert train(tmp_path, "--steps", "300", small=BRIEF).returncode == 0
    refused = train(tmp_path, "--steps", "350", small=BRIEF)
    assert refused.returncode == 2 and "--extend" in refused.stderr
    extended = train(tmp_path, "--steps", "350", "--extend", small=BRIEF)
    assert extended.returncode == 0, extended.stderr
    assert metrics(run_path(tmp_path))[-1]["step"] == 350


def test_a_run_that_could_never_learn_ends_with_its_steps_and_may_be_prolonged(tmp_path):
    # Episodes of 200 steps, none of which has ended.
    words = [*BRIEF, "--task", "gym_Pendulum-v1", "--env.time_limit", "auto"]
    result = train(tmp_path, "--steps", "150", "--train.prefill", "100", small=words)
    assert result.returncode == 1
    assert "all 150 steps are made, and no episode has ended" in result.stderr
    run = run_path(tmp_path, task="gym_Pendulum-v1")
    assert final_arrays(run)[0]["counters"]["step"] == 150
    again = train(tmp_path, "--steps", "150", "--train.prefill", "100", small=words)
    assert again.returncode == 1 and "to learn from" in again.stderr
    longer = train(tmp_path, "--steps", "250", "--train.prefill", "100", "--extend", small=words)
    assert longer.returncode == 0, longer.stderr
    counters = final_arrays(run)[0]["counters"]
    assert (counters["step"], counters["update"]) == (250, 20)


def test_a_run_starts_from_another_ones_weights(whole, tmp_path):
    source, _ = whole
    before = fingerprint(source)
    words = ["--init_from", str(source), "--steps", "250", "--seed", "1", "--checkpoint.keep", "99"]
    refused = train(tmp_path, *words, "--model.deter", "16")
    assert refused.returncode == 2 and "model.deter is 32 there and 16 here" in refused.stderr
    assert not list(tmp_path.iterdir())
    result = train(tmp_path, *words, "--behavior.init_std", "2")
    assert result.returncode == 0 and "weights    from" in result.stdout, result.stderr
    told = f"note: behavior.init_std is 5.0 in {source}, 2.0 here: its weights mean something else"
    assert told in result.stdout
    run = run_path(tmp_path, seed=1)
    _, expected = final_arrays(source)
    first = checkpoint.load(run / "checkpoints" / "0000000000-00000000.npz").arrays
    learned = [name for name in expected if name.startswith("agent/")]
    kept = [name for name in learned if np.array_equal(first[name], expected[name])]
    assert [name for name in learned if "optimizer" not in name and name not in kept] == [
        "agent/updates"
    ]
    assert first["agent/updates"] == 0 == first["agent/optimizer/model/000_iteration"]
    sessions = json.loads((run / "meta.json").read_text())["sessions"]
    assert str(source) in sessions[0]["init_from"]
    assert metrics(run)[-1]["update"] > 0
    assert fingerprint(source) == before
