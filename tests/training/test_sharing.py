"""A run whose updates two devices share: resume, the number of devices, and what it leaves."""

import json
import os
import signal
import socket

import numpy as np
import pytest
from runs_for_tests import (
    assert_same_run,
    final_arrays,
    metrics,
    run_path,
    start,
    train,
    wait_for,
)

import dreamer_tf
from dreamer_tf.basics import cluster
from dreamer_tf.basics.errors import UserError

ONE = ["--env.observation", "vector", "--train.batch_size", "4", "--train.overlap", "true"]
TWO = ["--devices", "2", *ONE]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """The folder of a whole run on two devices."""
    logdir = tmp_path_factory.mktemp("shared")
    result = train(logdir, *TWO)
    assert result.returncode == 0, result.stderr
    assert "CPU in 2 parts" in result.stdout
    return run_path(logdir)


def learned(run):
    """Returns the metrics of the blocks of updates."""
    return [line for line in metrics(run) if "model_loss" in line]


def team(logdir):
    """Starts the two processes of a run; returns them, the first one first."""
    with socket.socket() as one, socket.socket() as two:
        for each in (one, two):
            each.bind(("localhost", 0))
        addresses = [f"localhost:{each.getsockname()[1]}" for each in (one, two)]
    return [
        start(
            logdir,
            *TWO,
            TF_CONFIG=json.dumps(
                {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": number}}
            ),
        )
        for number in (0, 1)
    ]


def test_two_processes_stop_lose_one_of_them_and_end_in_the_same_run(shared, tmp_path):
    run = run_path(tmp_path)
    first, second = team(tmp_path)
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(learned(run)) >= 1)
    for each in (second, first):
        os.killpg(each.pid, signal.SIGTERM)
    assert "continues the run" in first.communicate(timeout=120)[0]
    assert "and so does this one" in second.communicate(timeout=120)[0]
    assert first.returncode == second.returncode == 0

    first, second = team(tmp_path)
    wait_for(lambda: len(learned(run)) >= 3)
    os.killpg(second.pid, signal.SIGKILL)
    output, _ = first.communicate(timeout=120)
    assert first.returncode == 1
    assert "error: another process of this run has ended: start all of them again" in output
    assert "Traceback" not in output
    second.communicate()
    # What is left is a run like any other, which one process brings to its end ...
    assert train(tmp_path, *TWO).returncode == 0
    assert_same_run(run, shared)
    # ... and one device carries on.
    result = train(tmp_path, *ONE, "--steps", "800", "--extend")
    assert result.returncode == 0, result.stderr
    assert "devices is 1, before it was 2" in result.stdout
    assert final_arrays(run)[0]["counters"]["step"] == 800


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("{", "names no process of this run"),
        ('{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 1}}', "names no"),
        ('{"cluster": {"worker": "a:1"}, "task": {"type": "worker", "index": 0}}', "names no"),
        ('{"cluster": {"chief": ["a:1"]}, "task": {"type": "chief", "index": 0}}', "names no"),
        (
            '{"cluster": {"worker": ["a:1", "b:1", "c:1"]}, '
            '"task": {"type": "worker", "index": 1}}',
            "no divisor",
        ),
    ],
)
def test_a_team_that_cannot_be_is_told_in_one_line(given, said, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", given)
    with pytest.raises(UserError, match=said) as caught:
        cluster.place(4)
    assert "\n" not in str(caught.value)
    assert cluster.place(1).alone  # It may be meant for other programs.
    assert "--devices N" in cluster.notes(1, True)[0] and cluster.notes(4, True) == []
    assert "its own" in cluster.notes(1, False)[0] and "--devices" not in cluster.notes(1, False)[0]
    monkeypatch.delenv("TF_CONFIG")
    assert cluster.notes(1, True) == []


def test_it_learns_what_one_device_learns(shared, tmp_path):
    result = train(tmp_path, *ONE, TF_CONFIG="{}")  # Meant for another program, or forgotten.
    assert result.returncode == 0, result.stderr
    assert result.stdout.count("note: TF_CONFIG is set but not used") == 1
    pairs = list(zip(learned(shared), learned(run_path(tmp_path)), strict=True))
    for name in ("model_loss", "value_loss", "model_grad_norm", "actor_grad_norm"):
        # Ten updates each. What differs in the last digits changes the later ones more and more.
        np.testing.assert_allclose(pairs[0][0][name], pairs[0][1][name], rtol=1e-3, err_msg=name)
    assert pairs[-1][0]["model_loss"] < pairs[0][0]["model_loss"]


def test_its_agent_acts_on_one_device(shared):
    player = dreamer_tf.load(shared)
    assert player.config.devices == 2
    action, _ = player.act(np.zeros(player.spec.vector_size, np.float32))
    assert action.shape == (player.spec.action_size,)
    assert np.abs(action).max() <= 1
