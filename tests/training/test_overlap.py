"""Collecting while learning: what is learned from when, and that an interrupted run is the same."""

import os
import signal
import time

import numpy as np
import pytest
from runs_for_tests import (
    BRIEF,
    SMALL,
    WALK,
    assert_same_run,
    final_arrays,
    fingerprint,
    interrupt,
    metrics,
    run_path,
    start,
    train,
    wait_for,
)

from dreamer_tf.agents.acting import Acting

OVERLAP = ["--train.overlap", "true"]
WALK_RUN = "environments_for_tests-Walk"


# Updates take longer than the steps beside them, so that a stop comes amid a block.
ONE = [*BRIEF, "--train.updates", "150"]
# A Dreamer with three environments, whose episodes are short and terminate.
SEVERAL = [*SMALL, *WALK]


def uninterrupted(logdir, task, small):
    """Returns (words, folder) of a whole run."""
    result = train(logdir, *OVERLAP, small=small)
    assert result.returncode == 0, result.stderr + result.stdout
    return [*small, *OVERLAP], run_path(logdir, task=task)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return uninterrupted(tmp_path_factory.mktemp("one"), "toy_reach", ONE)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return uninterrupted(tmp_path_factory.mktemp("several"), WALK_RUN, SEVERAL)


def test_updates_and_evaluations_come_when_they_do_without(one, tmp_path):
    _, run = one
    assert train(tmp_path, small=ONE).returncode == 0
    without = metrics(run_path(tmp_path, task=run.parts[-3]))
    with_overlap = metrics(run)

    def counted(lines, name):
        return [(line["step"], line["update"]) for line in lines if name in line]

    assert counted(with_overlap, "critic_loss") == counted(without, "critic_loss")
    found, expected = counted(with_overlap, "test/return"), counted(without, "test/return")
    # An evaluation waits for the steps that are made beside the updates, a block's at most.
    assert len(found) == len(expected)
    assert all(0 <= late[0] - due[0] < 100 for late, due in zip(found, expected, strict=True))
    # The last one is that of the agent that the run ends with.
    assert found[-1] == expected[-1] and found[-1][1] == with_overlap[-1]["update"]
    # The first block learns from the same; what comes after it was collected by an older policy.
    first = [
        next(line for line in each if "critic_loss" in line) for each in (with_overlap, without)
    ]
    assert first[0] == first[1]
    losses = [
        [line["critic_loss"] for line in each if "critic_loss" in line]
        for each in (with_overlap, without)
    ]
    assert losses[0] != losses[1]


@pytest.mark.parametrize("kind", ["one", "several"])
def test_interrupted_anywhere_it_ends_like_an_uninterrupted_run(kind, tmp_path, request):
    """Also amid a block, whose steps beside it are made again with the policy that was saved."""
    words, expected = request.getfixturevalue(kind)
    run = run_path(tmp_path, task=expected.parts[-3])
    amid = 0
    for number in (signal.SIGINT, signal.SIGTERM):
        count = 8 + (len(metrics(run)) if run.exists() else 0)
        process = start(tmp_path, small=words)
        # A block has just ended; a moment later the next one is under way.
        ready = lambda n, count=count: n >= count and time.sleep(0.1) is None  # noqa: E731
        assert interrupt(process, run, ready, number) == 0
        _, arrays = final_arrays(run)
        amid += any(name.startswith("acting/") for name in arrays)
    assert train(tmp_path, small=words).returncode == 0
    assert_same_run(run, expected)
    assert amid or kind == "several", "no stop came amid a block"


def test_a_stop_does_not_wait_for_slow_environments(tmp_path):
    """Three updates take less than a step or two; beside them are 250 steps of 5 ms and more."""
    words = [*OVERLAP, "--task", "environments_for_tests:Slow"]
    words += ["--train.every", "250", "--train.updates", "3", "--evaluate.every", "1000"]
    assert train(tmp_path / "whole", *words, small=BRIEF).returncode == 0
    whole, run = (
        run_path(tmp_path / n, task="environments_for_tests-Slow") for n in ("whole", "b")
    )
    process = start(tmp_path / "b", *words, small=BRIEF)
    # Eleven lines: nine episodes, the updates after the prefill, an evaluation. A block begins.
    ready = lambda count: count >= 11 and time.sleep(0.4) is None  # noqa: E731
    assert interrupt(process, run, ready, signal.SIGTERM) == 0
    state, arrays = final_arrays(run)
    # The block is under way still, and none of the steps beside it has been made.
    assert state["counters"]["step"] == 450 and 10 <= state["counters"]["update"] <= 12
    assert any(name.startswith("acting/") for name in arrays)
    assert train(tmp_path / "b", *words, small=BRIEF).returncode == 0
    assert_same_run(run, whole)


def test_killed_it_goes_on_with_every_episode_that_was_experience(tmp_path):
    run = run_path(tmp_path)
    process = start(tmp_path, *OVERLAP, small=BRIEF)
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(metrics(run)) > 12)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = {n: v for n, v in fingerprint(run / "episodes").items() if n.endswith(".npy")}
    assert train(tmp_path, *OVERLAP, small=BRIEF).returncode == 0
    after = fingerprint(run / "episodes")
    assert before and before.items() <= after.items()
    assert max(line["step"] for line in metrics(run)) == 700


def test_an_agent_that_learns_at_once_has_nothing_to_overlap(tmp_path):
    result = train(tmp_path, "--agent", "a3c", *OVERLAP, small=[])
    assert result.returncode == 2 and "train.overlap true: the agent a3c" in result.stderr
    assert not list(tmp_path.iterdir())


class Copying:
    """An agent of one weight."""

    def __init__(self, weight):
        self.variables = {"weight": Variable(weight), "optimizer/weight": Variable(weight)}


class Variable:
    def __init__(self, value):
        self.value = np.float32(value)

    def assign(self, other):
        self.value = np.float32(getattr(other, "value", other))

    def numpy(self):
        return self.value


def test_the_acting_policy_is_that_of_the_blocks_start_also_after_a_restart():
    agent, copy = Copying(1), Copying(0)
    acting = Acting(agent, copy)
    acting.refresh()
    agent.variables["weight"].assign(2)
    assert acting.state() == {"weight": 1.0}
    again = Acting(agent, Copying(0))
    again.restore(acting.state())
    again.refresh()  # The block goes on.
    assert again.copy.variables["weight"].value == 1
    again.refresh()  # The next one begins.
    assert again.copy.variables["weight"].value == 2
    assert again.copy.variables["optimizer/weight"].value == 0
