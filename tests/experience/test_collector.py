"""Collecting with real workers: alignment, several environments, failures, restoring."""

import os
import signal

import numpy as np
import pytest

from dreamer_tf.envs.process.remote import RemoteEnv, WorkerError
from dreamer_tf.experience.collector import FAILURES_IN_A_ROW, Collector
from dreamer_tf.experience.replay import Replay

ECHO = "environments_for_tests:ActionEcho"


def starter(task, time_limit=10):
    description = {"task": task, "action_repeat": 1, "time_limit": time_limit, "render": "paper"}
    return lambda: RemoteEnv(description, timeout=20)


@pytest.fixture
def make():
    """Makes collectors that are closed afterwards."""
    made = []

    def make(task=ECHO, count=1, warn=pytest.fail, seed=0, **keywords):
        start = starter(task, **keywords)
        state = {"steps": np.zeros((count, 1), np.float32)}
        made.append(Collector(start, [start() for _ in range(count)], seed, state, warn))
        return made[-1]

    yield make
    for collector in made:
        collector.close()


class Policy:
    """Takes numbered actions and counts the steps of each row's episode in its state."""

    def __init__(self, size):
        self.size = size
        self.calls = 0

    def __call__(self, observation, is_first, state):
        self.calls += 1
        count = len(is_first)
        action = np.full((count, self.size), 0.01 * self.calls, np.float32)
        action += 0.1 * np.arange(count, dtype=np.float32)[:, None]
        steps = np.where(is_first[:, None], 0, state["steps"]) + 1
        return np.clip(action, -1, 1), {"steps": steps}


def collect(collector, episodes, policy=None):
    policy = policy or Policy(collector.workers[0].spec.action_size)
    found = []
    while len(found) < episodes:
        found += collector.step(policy)
    return found


def test_action_image_and_reward_of_a_step_belong_together(make, tmp_path):
    """The environment's reward is its last action, and its image shows it."""
    collector = make()
    replay = Replay(tmp_path, collector.workers[0].spec.record_dtype, 0, pytest.fail)
    for index, records in collect(collector, 3):
        replay.add(index, records)
    batch = replay.sample(0, 20, 6)
    actions = batch["action"][..., 0]
    np.testing.assert_allclose(batch["reward"], np.where(batch["is_first"], 0, actions), atol=1e-6)
    starts = batch["is_first"]
    assert (actions[starts] == 0).all() and starts.any()
    shown = batch["image"].reshape(20, 6, -1).astype(int)
    assert (shown.max(-1) == shown.min(-1)).all(), "the image is one shade"
    order = np.argsort(actions[~starts])
    assert (np.diff(shown[~starts][order, 0]) >= 0).all(), "and the shade is the action's"
    assert len(np.unique(shown[~starts][:, 0])) > 5


def test_environments_have_their_own_seeds_and_indices(make):
    collector = make("toy_reach", count=3)
    episodes = collect(collector, 6)
    assert sorted(index for index, _ in episodes) == list(range(6))
    first_images = {records["image"][0].tobytes() for _, records in episodes}
    assert len(first_images) == 6
    again = make("toy_reach", count=3)
    for (index, records), (other, repeated) in zip(episodes, collect(again, 6), strict=True):
        assert index == other
        np.testing.assert_array_equal(records, repeated)
    other = make("toy_reach", count=3, seed=1)
    assert collect(other, 3)[0][1]["image"][0].tobytes() not in first_images


def test_a_killed_worker_is_replaced_alone(make):
    warnings = []
    collector = make(count=2, warn=warnings.append)
    policy = Policy(1)
    for _ in range(4):
        collector.step(policy)
    survivor = collector.workers[0].pid
    os.kill(collector.workers[1].pid, signal.SIGKILL)
    episodes = collect(collector, 4, policy)
    assert collector.workers[0].pid == survivor
    assert len(warnings) == 1 and "environment 1" in warnings[0] and "SIGKILL" in warnings[0]
    # Episode 0 of environment 1, index 1, is the one that was lost.
    assert sorted(index for index, _ in episodes) == [0, 2, 3, 5]
    kept = sum(len(records) - 1 for _, records in episodes)
    under_way = sum(len(records) - 1 for records in collector.unfinished().values())
    assert collector.steps == kept + under_way + 4, "the lost episode had made four steps"
    for _, records in episodes:
        assert len(records) == 11 and records["is_first"][0] and records["is_last"][-1]


def test_an_environment_that_keeps_failing_ends_the_run_with_its_own_message(make):
    warnings = []
    collector = make("environments_for_tests:Raising", warn=warnings.append)
    with pytest.raises(WorkerError, match="ValueError"):
        collect(collector, 1)
    assert len(warnings) == FAILURES_IN_A_ROW - 1


def test_restoring_goes_on_exactly_in_the_middle_of_episodes(make):
    whole, policy = make("toy_reach", count=2), Policy(2)
    for _ in range(7):
        whole.step(policy)
    numbers, unfinished = list(whole.numbers), whole.unfinished()
    state = {name: value.copy() for name, value in whole.policy_state.items()}
    expected = collect(whole, 4, policy)
    restored, policy = make("toy_reach", count=2), Policy(2)
    policy.calls = 7
    restored.restore(numbers, unfinished, state)
    found = collect(restored, 4, policy)
    for (index, records), (other, again) in zip(expected, found, strict=True):
        assert index == other
        np.testing.assert_array_equal(records, again)
    np.testing.assert_array_equal(whole.policy_state["steps"], restored.policy_state["steps"])


def test_a_worker_that_dies_while_restoring_costs_its_episode_only(make):
    warnings = []
    first, policy = make("toy_reach"), Policy(2)
    for _ in range(5):
        first.step(policy)
    second = make("toy_reach", warn=warnings.append)
    _ = second.workers[0].spec
    os.kill(second.workers[0].pid, signal.SIGKILL)
    second.restore([0], first.unfinished(), first.policy_state)
    assert len(warnings) == 1 and "5 steps" in warnings[0]
    ((index, records),) = collect(second, 1)
    assert index == 1 and len(records) == 11


def test_an_environment_that_is_no_function_of_its_seed_is_found_out_by_its_vectors(make):
    warnings = []
    first, policy = make("environments_for_tests:Unseeded"), Policy(1)
    for _ in range(5):
        first.step(policy)
    second = make("environments_for_tests:Unseeded", warn=warnings.append)
    second.restore([0], first.unfinished(), first.policy_state)
    assert len(warnings) == 1 and "does not repeat" in warnings[0]


def test_the_last_failure_loses_nothing_of_the_other_environments(make):
    """Environment 0 fails for good in the step in which environment 1 ends its episode."""
    warnings = []
    collector = make(count=2, warn=warnings.append, time_limit=3)
    policy = Policy(1)
    collector.failures[0] = FAILURES_IN_A_ROW - 1
    for _ in range(2):
        assert collector.step(policy) == []
    os.kill(collector.workers[0].pid, signal.SIGKILL)
    ((index, records),) = collector.step(policy)
    assert index == 1 and len(records) == 4 and collector.steps == 5
    assert not collector.unfinished() and collector.numbers == [1, 1]
    with pytest.raises(WorkerError, match="SIGKILL"):
        collector.step(policy)


def test_an_episode_that_does_not_repeat_itself_is_dropped(make):
    warnings = []
    first, policy = make("toy_reach"), Policy(2)
    for _ in range(5):
        first.step(policy)
    unfinished = first.unfinished()
    unfinished[0]["reward"][3] += 0.1
    second = make("toy_reach", warn=warnings.append)
    second.restore([0], unfinished, first.policy_state)
    assert len(warnings) == 1 and "does not repeat" in warnings[0]
    assert second.numbers == [1] and not second.unfinished()
