"""A run whose updates two devices share: resume, the number of devices, and what it leaves."""

import signal

import numpy as np
import pytest
from runs_for_tests import (
    assert_same_run,
    final_arrays,
    interrupt,
    metrics,
    run_path,
    start,
    train,
)

import dreamer_tf

ONE = ["--train.batch_size", "4", "--train.overlap", "true"]
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


def test_it_resumes_exactly_and_goes_on_with_one_device(shared, tmp_path):
    process = start(tmp_path, *TWO)
    assert interrupt(process, run_path(tmp_path), lambda lines: lines >= 8, signal.SIGINT) == 0
    assert train(tmp_path, *TWO).returncode == 0
    assert_same_run(run_path(tmp_path), shared)
    result = train(tmp_path, *ONE, "--steps", "800", "--extend")
    assert result.returncode == 0, result.stderr
    assert "devices is 1, before it was 2" in result.stdout
    state, _ = final_arrays(run_path(tmp_path))
    assert state["counters"]["step"] == 800


def test_it_learns_what_one_device_learns(shared, tmp_path):
    assert train(tmp_path, *ONE).returncode == 0
    pairs = list(zip(learned(shared), learned(run_path(tmp_path)), strict=True))
    for name in ("model_loss", "value_loss", "model_grad_norm", "actor_grad_norm"):
        # Ten updates each. What differs in the last digits changes the later ones more and more.
        np.testing.assert_allclose(pairs[0][0][name], pairs[0][1][name], rtol=1e-3, err_msg=name)
    assert pairs[-1][0]["model_loss"] < pairs[0][0]["model_loss"]


def test_its_agent_acts_on_one_device(shared):
    player = dreamer_tf.load(shared)
    assert player.config.devices == 2
    action, _ = player.act(np.zeros((64, 64, 3), np.uint8))
    assert action.shape == (player.spec.action_size,)
    assert np.abs(action).max() <= 1
