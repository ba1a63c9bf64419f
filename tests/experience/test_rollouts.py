"""Rollouts against a plain history of everything that real workers made."""

import os
import shutil
import signal

import numpy as np
import pytest

from dreamer_tf.envs.process.remote import RemoteEnv
from dreamer_tf.experience.collector import Collector
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sources import Rollouts, make_source

TASKS = {"toy_reach": 2, "environments_for_tests:Walk": 2}


def starter(task, time_limit):
    description = {"task": task, "observation": "auto", "action_repeat": 1, "render": "paper"}
    description["time_limit"] = time_limit
    return lambda: RemoteEnv(description, timeout=20)


class Collection:
    """A collector, its rollouts, and the plain history: a list of records of each environment."""

    def __init__(self, folder, task="toy_reach", count=2, length=4, time_limit=7, capacity=None):
        folder.mkdir(exist_ok=True)
        start = starter(task, time_limit)
        workers = [start() for _ in range(count)]
        self.warnings = []
        dtype = workers[0].spec.record_dtype
        self.episodes = Episodes(folder, dtype, self.warnings.append, count, capacity)
        self.collector = Collector(start, workers, 3, {}, self.episodes, self.warnings.append)
        self.source = make_source(Rollouts(length), self.episodes, 0)
        self.history = [[] for _ in range(count)]

    def step(self):
        ticks = self.collector.ticks

        def act(observation, is_first, state):
            random = np.random.default_rng(ticks)
            if self.collector.workers[0].spec.discrete:
                return np.eye(2, dtype=np.float32)[random.integers(2, size=len(is_first))], state
            return random.uniform(-1, 1, (len(is_first), 2)).astype(np.float32), state

        self.collector.step(act)
        self.source.observe(self.collector.rows)
        for environment, record in self.collector.rows:
            self.history[environment].append(record)

    def serve(self):
        assert self.source.ready()
        with self.source.batches(0, 5) as batches:
            (batch,) = batches
        return batch


@pytest.fixture
def collect(tmp_path):
    made = []

    def make(*arguments, folder=None, **keywords):
        folder = folder or tmp_path / str(len(made))
        made.append(Collection(folder, *arguments, **keywords))
        return made[-1]

    yield make
    for each in made:
        each.collector.close()


def assert_newest(batch, collection, length):
    for environment, records in enumerate(collection.history):
        expected = np.stack(records[-length - 1 :])
        for name in collection.episodes.dtype.names:
            assert batch[name].flags.c_contiguous
            np.testing.assert_array_equal(batch[name][environment], expected[name])


@pytest.mark.parametrize("task", TASKS)
def test_every_length_ticks_the_newest_records_are_served_once(collect, task):
    """Walk's episodes end at different times; toy_reach's are as short as seven steps."""
    collection, served = collect(task, count=3), []
    for tick in range(1, 40):
        collection.step()
        if collection.source.ready():
            batch = collection.serve()
            assert_newest(batch, collection, 4)
            served.append((tick, batch))
            assert not collection.source.ready()
            with collection.source.batches(0, 5) as batches:
                assert next(batches, None) is None
    assert [tick for tick, _ in served] == list(range(4, 40, 4))
    resets = 0
    for (_, before), (_, after) in zip(served, served[1:], strict=False):
        for environment in range(3):
            first = after["is_first"][environment].sum()
            resets += first
            if not first:
                for name, array in after.items():
                    overlap = array[environment, 0], before[name][environment, -1]
                    np.testing.assert_array_equal(*overlap)
    assert resets > 3


def test_a_batch_that_is_not_taken_is_replaced_by_a_newer_one(collect):
    collection = collect()
    for _ in range(6):
        collection.step()
    with collection.source.batches(0, 1):
        pass
    assert_newest(collection.serve(), collection, 4)
    for _ in range(3):
        collection.step()
        assert not collection.source.ready()


def test_an_environment_whose_worker_failed_begins_anew(collect):
    collection = collect(count=2, length=4, time_limit=50)
    for _ in range(6):
        collection.step()
    os.kill(collection.collector.workers[1].pid, signal.SIGKILL)
    collection.step()
    assert len(collection.warnings) == 1 and not collection.source.ready()
    collection.history[1].clear()
    for _ in range(3):
        collection.step()
        assert not collection.source.ready()
    collection.step()  # A reset and four steps.
    assert_newest(collection.serve(), collection, 4)
    assert collection.history[1][0]["is_first"], "nothing of the lost episode was served"


@pytest.mark.parametrize("ticks", [2, 7, 8, 13, 14, 21, 26])
@pytest.mark.parametrize("task", TASKS)
def test_records_are_read_back_exactly(collect, tmp_path, ticks, task):
    """With the least capacity, saved often, so that all files go that may."""
    collection = collect(task, count=3, capacity=1)
    for _ in range(ticks):
        collection.step()
        if collection.source.ready():
            collection.serve()
        state = collection.source.state()
        collection.episodes.store()
        collection.episodes.delete_dropped()
    assert all(array.nbytes < 100 for array in state.values()), "no records"
    files = len(list(collection.episodes.directory.glob("*.npy")))
    folder = tmp_path / "copy"
    shutil.copytree(collection.episodes.directory, folder)
    other = collect(task, count=3, capacity=1, folder=folder)
    for growing in other.episodes.take_left_over():
        other.episodes.continue_with(growing)
    other.collector.restore(collection.collector.numbers, collection.collector.ticks, {})
    other.source.restore(state)
    assert not other.warnings
    assert {k: v.tolist() for k, v in other.source.state().items()} == {
        k: v.tolist() for k, v in state.items()
    }
    for _ in range(9):
        collection.step(), other.step()
        assert collection.source.ready() == other.source.ready()
        if other.source.ready():
            expected, found = collection.serve(), other.serve()
            for name, array in expected.items():
                np.testing.assert_array_equal(found[name], array)
    assert files <= 3 * 5, "few are kept beyond the capacity"


def test_steps_that_the_checkpoint_does_not_know_have_environments_begin_anew(collect, tmp_path):
    collection = collect(count=2)
    for _ in range(6):
        collection.step()
    state = collection.source.state()
    collection.step()
    folder = tmp_path / "copy"
    shutil.copytree(collection.episodes.directory, folder)
    other = collect(count=2, folder=folder)
    assert len(other.episodes) == 2, "their first episodes have ended meanwhile"
    other.source.restore(state)
    for _ in range(3):
        other.step()
        assert not other.source.ready()
    other.step()
    assert_newest(other.serve(), other, 4)


def test_an_environment_whose_records_cannot_be_read_back_begins_anew(collect, tmp_path):
    collection = collect(count=2)
    for _ in range(8):
        collection.step()
    state = collection.source.state()
    collection.episodes.store()
    folder = tmp_path / "copy"
    shutil.copytree(collection.episodes.directory, folder)
    other = collect(count=2, folder=folder)
    damaged = folder / f"{7 * 2 + 1:06d}-8.npy"
    damaged.write_bytes(b"noise" * 100)
    for growing in other.episodes.take_left_over():
        other.episodes.continue_with(growing)
    other.collector.restore(collection.collector.numbers, collection.collector.ticks, {})
    other.source.restore(state)
    assert len(other.warnings) == 1 and damaged.name in other.warnings[0]
    assert not other.source.ready()
    for _ in range(5):
        other.step()
    other.history[0] = [*collection.history[0], *other.history[0]]
    assert_newest(other.serve(), other, 4)
