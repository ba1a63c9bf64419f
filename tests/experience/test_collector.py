"""Collecting with real workers: alignment, several environments, failures, restoring."""

import errno
import os
import shutil
import signal
import subprocess
import tracemalloc

import numpy as np
import pytest
from episodes_for_tests import draw

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.process.remote import RemoteEnv, WorkerError
from dreamer_tf.experience.collector import FAILURES_IN_A_ROW, Collector, Underway
from dreamer_tf.experience.episodes import Episodes

ECHO = "environments_for_tests:ActionEcho"


def starter(task, time_limit=10):
    description = {"task": task, "action_repeat": 1, "time_limit": time_limit, "render": "paper"}
    return lambda: RemoteEnv(description, timeout=20)


@pytest.fixture
def make(tmp_path):
    """Makes collectors that are closed afterwards, with folders of episodes of their own."""
    made = []

    def make(task=ECHO, count=1, warn=pytest.fail, seed=0, folder=None, stretch=None, **keywords):
        start = starter(task, **keywords)
        workers = [start() for _ in range(count)]
        folder = folder or tmp_path / f"episodes{len(made)}"
        folder.mkdir(exist_ok=True)
        episodes = Episodes(folder, workers[0].spec.record_dtype, warn, count)
        episodes.stretch = stretch or episodes.stretch
        state = {"steps": np.zeros((count, 1), np.float32)}
        made.append(Collector(start, workers, seed, state, episodes, warn))
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


def records_of(collector, finished):
    return [collector.episodes.read(each.index) for each in finished]


def go_on(collector, make, **keywords):
    """Returns a collector in the state of another one, as after a stop, and its own folder."""
    collector.episodes.store()
    folder = collector.episodes.directory.with_name("copy")
    shutil.copytree(collector.episodes.directory, folder)
    other = make(folder=folder, count=len(collector), **keywords)
    for growing in other.episodes.take_left_over():
        other.episodes.continue_with(growing)
    state = {name: value.copy() for name, value in collector.policy_state.items()}
    return other, (list(collector.numbers), collector.ticks, state)


def test_action_image_and_reward_of_a_step_belong_together(make):
    """The environment's reward is its last action, and its image shows it."""
    collector = make()
    collect(collector, 3)
    batch = draw(collector.episodes, 0, 20, 6)
    actions = batch["action"][..., 0]
    np.testing.assert_allclose(batch["reward"], np.where(batch["is_first"], 0, actions), atol=1e-6)
    starts = batch["is_first"]
    assert (actions[starts] == 0).all() and starts.any()
    shown = batch["image"].reshape(20, 6, -1).astype(int)
    assert (shown.max(-1) == shown.min(-1)).all(), "the image is one shade"
    order = np.argsort(actions[~starts])
    assert (np.diff(shown[~starts][order, 0]) >= 0).all(), "and the shade is the action's"
    assert len(np.unique(shown[~starts][:, 0])) > 5


def test_returns_and_lengths_are_those_of_the_records(make):
    collector = make(count=2)
    for episode in collect(collector, 4):
        records = collector.episodes.read(episode.index)
        assert episode.length == len(records) - 1 == 10
        assert episode.total == float(records["reward"].sum(dtype=np.float64))


def test_an_episode_of_any_length_needs_no_more_memory():
    dtype = np.dtype([("image", np.uint8, (64, 64, 3)), ("reward", np.float32)])
    content = np.ones((), dtype).tobytes()
    underway = Underway()
    tracemalloc.start()
    for _ in range(2000):  # As they come from a worker: views of bytes of their own.
        underway.add(np.frombuffer(bytearray(content), dtype).reshape(()))
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert underway.steps == 1999 and underway.total == 2000.0
    assert used < 10 * len(content)


def test_rows_are_what_the_environments_made(make):
    collector, policy, rows = make(count=2, time_limit=3), Policy(1), []
    finished = []
    for _ in range(7):
        finished += collector.step(policy)
        rows += collector.rows
    for i in range(2):
        mine = [record for environment, record in rows if environment == i]
        firsts = [bool(record["is_first"]) for record in mine]
        assert firsts == [True, *[False] * 3] * 2 + [True, False]
        stored = np.concatenate(records_of(collector, [e for e in finished if e.index % 2 == i]))
        np.testing.assert_array_equal(np.stack(mine[: len(stored)]), stored)


def test_environments_have_their_own_seeds_and_indices_tell_the_order_of_ends(make):
    collector = make("toy_reach", count=3)
    episodes = collect(collector, 6)
    # Ten steps an episode: index = steps of every environment * 3 + environment.
    assert [each.index for each in episodes] == [30, 31, 32, 60, 61, 62]
    stored = records_of(collector, episodes)
    first_images = {records["image"][0].tobytes() for records in stored}
    assert len(first_images) == 6
    again = make("toy_reach", count=3)
    for records, repeated in zip(stored, records_of(again, collect(again, 6)), strict=True):
        np.testing.assert_array_equal(records, repeated)
    other = make("toy_reach", count=3, seed=1)
    first = records_of(other, collect(other, 3))[0]
    assert first["image"][0].tobytes() not in first_images


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
    assert "the 4 steps of its unfinished episode are dropped" in warnings[0]
    # The fifth step is lost in environment 1; its next episode begins with the sixth.
    assert [each.index for each in episodes] == [10 * 2, 15 * 2 + 1, 20 * 2, 25 * 2 + 1]
    kept = sum(each.length for each in episodes)
    under_way = sum(each.steps for each in collector.underway if each is not None)
    assert collector.steps == kept + under_way + 4, "the lost episode had made four steps"
    for records in records_of(collector, episodes):
        assert len(records) == 11 and records["is_first"][0] and records["is_last"][-1]


def test_a_stretch_that_was_visible_outlives_its_worker(make):
    warnings = []
    collector = make(warn=warnings.append, stretch=3)
    for _ in range(4):
        collector.step(Policy(1))
    assert [each.length for each in collector.episodes.sources()] == [3]
    os.kill(collector.workers[0].pid, signal.SIGKILL)
    ((index, _, length),) = collect(collector, 1)
    assert "its unfinished episode is kept as far as it came" in warnings[0]
    assert collector.episodes.known == ((4, 5), (index, length + 1)) and index == 15
    cut = collector.episodes.read(4)
    assert cut["is_last"][-1] and not cut["is_terminal"][-1]


def test_an_environment_that_keeps_failing_ends_the_run_with_its_own_message(make):
    warnings = []
    collector = make("environments_for_tests:Raising", warn=warnings.append)
    with pytest.raises(WorkerError, match="ValueError"):
        collect(collector, 1)
    assert len(warnings) == FAILURES_IN_A_ROW - 1


def test_where_no_process_can_be_started_any_more_nothing_of_the_others_is_lost(make, monkeypatch):
    said = []
    collector, policy = make(count=2, warn=said.append), Policy(1)
    for _ in range(3):
        collector.step(policy)

    def lacking(*_, **__):
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(subprocess, "Popen", lacking)
    os.kill(collector.workers[0].pid, signal.SIGKILL)
    collector.step(policy)
    assert collector.steps == 3 * 2 + 1 and len(said) == 1
    with pytest.raises(
        UserError, match="no process can be started .*Cannot allocate memory.*--envs"
    ):
        collector.step(policy)


@pytest.mark.parametrize("stretch", [4, None])
def test_restoring_goes_on_exactly_in_the_middle_of_episodes(make, stretch):
    whole, policy = make("toy_reach", count=2, stretch=stretch), Policy(2)
    for _ in range(7):
        whole.step(policy)
    restored, state = go_on(whole, make, task="toy_reach", stretch=stretch)
    restored.restore(*state)
    other = Policy(2)
    other.calls = 7
    for _ in range(15):
        expected, found = whole.step(policy), restored.step(other)
        assert found == expected
        for pair in zip(records_of(whole, expected), records_of(restored, found), strict=True):
            np.testing.assert_array_equal(*pair)
        lengths = [each.length for each in whole.episodes.sources()]
        assert [each.length for each in restored.episodes.sources()] == lengths
    np.testing.assert_array_equal(whole.policy_state["steps"], restored.policy_state["steps"])


def test_a_worker_that_dies_while_restoring_costs_its_episode_only(make):
    warnings = []
    first = make("toy_reach")
    for _ in range(5):
        first.step(Policy(2))
    second, state = go_on(first, make, task="toy_reach", warn=warnings.append)
    _ = second.workers[0].spec
    os.kill(second.workers[0].pid, signal.SIGKILL)
    second.restore(*state)
    assert len(warnings) == 1 and "5 steps" in warnings[0]
    (episode,) = collect(second, 1)
    assert second.numbers == [2] and (episode.index, episode.length) == (15, 10)


def test_an_environment_that_is_no_function_of_its_seed_is_found_out_by_its_vectors(make):
    warnings = []
    first = make("environments_for_tests:Unseeded")
    for _ in range(5):
        first.step(Policy(1))
    task = "environments_for_tests:Unseeded"
    second, state = go_on(first, make, task=task, warn=warnings.append)
    second.restore(*state)
    assert len(warnings) == 1 and "does not repeat" in warnings[0]
    assert second.replaced == 1  # A checkpoint is due: it would have the episode under way.


def test_the_last_failure_loses_nothing_of_the_other_environments(make):
    """Environment 0 fails for good in the step in which environment 1 ends its episode."""
    warnings = []
    collector = make(count=2, warn=warnings.append, time_limit=3)
    policy = Policy(1)
    collector.failures[0] = FAILURES_IN_A_ROW - 1
    for _ in range(2):
        assert collector.step(policy) == []
    os.kill(collector.workers[0].pid, signal.SIGKILL)
    (episode,) = collector.step(policy)
    assert episode.index == 3 * 2 + 1 and episode.length == 3 and collector.steps == 5
    assert not any(collector.underway) and collector.numbers == [1, 1]
    with pytest.raises(WorkerError, match="SIGKILL"):
        collector.step(policy)


def test_an_episode_that_does_not_repeat_itself_is_given_up(make):
    warnings = []
    first = make("toy_reach")
    for _ in range(5):
        first.step(Policy(2))
    second, state = go_on(first, make, task="toy_reach", warn=warnings.append)
    (path,) = second.episodes.directory.glob("*.part")
    content = bytearray(path.read_bytes())
    dtype = second.episodes.dtype
    place = len(content) - 2 * dtype.itemsize + dtype.fields["reward"][1]
    content[place : place + 4] = np.float32(0.25).tobytes()
    path.write_bytes(content)
    second.restore(*state)
    assert len(warnings) == 1 and "does not repeat" in warnings[0] and "5 steps" in warnings[0]
    assert second.numbers == [1] and not any(second.underway) and not list(path.parent.iterdir())
