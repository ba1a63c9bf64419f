"""Sequences against the episodes on disk; damage; reading ahead."""

import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.errors import UserError
from dreamer_tf.replay import Replay

DTYPE = EnvSpec({"image": ((64, 64, 3), "|u1")}, 2, False, 1, 100, False).record_dtype


def episode(length, index=0):
    """An episode whose rewards name its index and steps: index * 1000 + step."""
    records = np.zeros(length, DTYPE)
    records["reward"] = index * 1000 + np.arange(length)
    records["image"] = (np.arange(length) % 256)[:, None, None, None]
    records["action"] = np.arange(2 * length).reshape(length, 2)
    records["is_first"][0] = records["is_last"][-1] = True
    return records


def filled(folder, lengths, seed=0, warn=pytest.fail):
    replay = Replay(folder, DTYPE, seed, warn)
    for index, length in enumerate(lengths):
        replay.add(index, episode(length, index))
    return replay


@settings(deadline=None, max_examples=20)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=4),
    length=st.integers(1, 9),
    seed=st.integers(0, 99),
)
def test_every_sequence_is_made_of_runs_of_stored_records(tmp_path_factory, lengths, length, seed):
    replay = filled(tmp_path_factory.mktemp("replay"), lengths, seed)
    batch = replay.sample(seed, 5, length)
    stored = {index: replay.read(index) for index in replay.episodes}
    assert batch["image"].shape == (5, length, 64, 64, 3)
    assert batch["image"].dtype == np.uint8
    for row in range(5):
        for column in range(length):
            index, step = divmod(int(batch["reward"][row, column]), 1000)
            for name in DTYPE.names:
                np.testing.assert_array_equal(
                    batch[name][row, column], stored[index][name][step], err_msg=name
                )
            if column:
                before = divmod(int(batch["reward"][row, column - 1]), 1000)
                follows = (index, step) == (before[0], before[1] + 1)
                restarts = step == 0 and before[1] == lengths[before[0]] - 1
                assert follows or restarts
        first = int(batch["reward"][row, 0])
        if lengths[first // 1000] < length:
            assert first % 1000 == 0, "a short episode is taken whole"


def test_first_and_last_steps_are_drawn_like_any_other(tmp_path):
    replay = filled(tmp_path, [10])
    starts = Counter()
    for update in range(150):
        starts.update(replay.sample(update, 20, 4)["reward"][:, 0].astype(int).tolist())
    assert set(starts) == set(range(7))
    expected = 3000 / 7
    assert sum((count - expected) ** 2 / expected for count in starts.values()) < 22.5  # p 0.001


def test_episodes_are_drawn_uniformly_whatever_their_length(tmp_path):
    replay = filled(tmp_path, [50, 5, 20])
    drawn = Counter()
    for update in range(150):
        drawn.update((replay.sample(update, 20, 5)["reward"][:, 0] // 1000).astype(int).tolist())
    assert sum((drawn[index] - 1000) ** 2 / 1000 for index in range(3)) < 13.8  # p 0.001


def test_a_batch_is_a_function_of_seed_update_and_episodes(tmp_path):
    replay = filled(tmp_path, [30, 20, 40])
    batch = replay.sample(3, 8, 10)
    again = Replay(tmp_path, DTYPE, 0, pytest.fail)
    other = Replay(tmp_path, DTYPE, 1, pytest.fail)
    for name in DTYPE.names:
        np.testing.assert_array_equal(batch[name], again.sample(3, 8, 10)[name])
    assert not np.array_equal(batch["reward"], replay.sample(4, 8, 10)["reward"])
    assert not np.array_equal(batch["reward"], other.sample(3, 8, 10)["reward"])


def test_reading_ahead_gives_the_same_batches_and_leaves_no_thread(tmp_path):
    replay = filled(tmp_path, [30, 20])
    with replay.batches(7, 5, 4, 10) as batches:
        # An episode that arrives meanwhile is not known to this block.
        replay.add(2, episode(30, 2))
        found = list(batches)
    before = Replay(tmp_path, DTYPE, 0, pytest.fail)
    del before._files[2]
    assert len(found) == 5
    for number, batch in enumerate(found):
        expected = before.sample(7 + number, 4, 10)
        np.testing.assert_array_equal(batch["reward"], expected["reward"])
    with replay.batches(0, 1000, 4, 10) as batches:
        next(batches)
    assert not [thread for thread in threading.enumerate() if thread.name == "replay"]


def test_an_error_while_reading_ahead_reaches_the_consumer(tmp_path):
    replay = Replay(tmp_path, DTYPE, 0, pytest.fail)
    with pytest.raises(UserError, match="no usable episode"), replay.batches(0, 3, 2, 5) as batches:
        next(batches)


class Bomb:
    """Unpickling it makes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def damage(path, kind, proof):
    data = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[:-1])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(len(data)))
    elif kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb(proof)))
    elif kind == "object array":
        np.save(path, np.array([Bomb(proof)], object), allow_pickle=True)
    elif kind == "other fields":
        np.save(path, np.zeros(20, [("image", "u1"), ("reward", "f4")]))
    elif kind == "other length":
        np.save(path, episode(19))
    elif kind == "no episode":
        np.save(path, np.zeros(20, DTYPE))
    elif kind == "folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    "kind",
    ["truncated", "empty", "noise", "pickle", "object array", "other fields", "other length"]
    + ["no episode", "folder"],
)
def test_damaged_files_are_named_and_never_executed(tmp_path, kind):
    folder, proof = tmp_path / "episodes", tmp_path / "executed"
    folder.mkdir()
    filled(folder, [20, 20])
    damage(folder / "000001-20.npy", kind, proof)
    (folder / "notes.txt").write_text("not an episode")
    warnings = []
    replay = Replay(folder, DTYPE, 0, warnings.append)
    assert replay.episodes == {0: 20}
    assert len(warnings) == 2
    assert "000001-20.npy" in warnings[0] and "notes.txt" in warnings[1]
    assert (replay.sample(0, 4, 10)["reward"] < 1000).all()
    assert not proof.exists()


def test_a_file_damaged_while_running_is_left_out(tmp_path):
    warnings = []
    replay = filled(tmp_path, [20, 20], warn=warnings.append)
    (tmp_path / "000001-20.npy").unlink()
    assert (replay.sample(0, 8, 10)["reward"] < 1000).all()
    assert len(warnings) == 1 and "000001-20.npy" in warnings[0]
    (tmp_path / "000000-20.npy").write_bytes(b"")
    with pytest.raises(UserError, match="no usable episode"):
        replay.sample(1, 8, 10)


WRITER = """
import sys
sys.path[:0] = {paths!r}
from test_replay import DTYPE, episode
from dreamer_tf.replay import Replay
replay = Replay({folder!r}, DTYPE, 0, print)
print("ready", flush=True)
index = max(replay.episodes, default=-1) + 1
while True:
    replay.add(index, episode(50))
    index += 1
"""


def test_a_writer_killed_at_any_moment_leaves_whole_episodes_only(tmp_path):
    tests = Path(__file__).parent
    program = WRITER.format(paths=[str(tests), str(tests.parent)], folder=str(tmp_path))
    for number in range(4):
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.05 + 0.013 * number)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        replay = Replay(tmp_path, DTYPE, 0, pytest.fail)
        assert list(replay.episodes) == list(range(len(replay)))
        assert not list(tmp_path.glob("*.tmp"))
    assert len(replay) > 4


def test_scanning_many_files_is_quick(tmp_path, capsys):
    records = episode(3)
    filled(tmp_path, [3])
    source = (tmp_path / "000000-3.npy").read_bytes()
    for index in range(1, 2000):
        (tmp_path / f"{index:06d}-3.npy").write_bytes(source)
    begin = time.monotonic()
    replay = Replay(tmp_path, DTYPE, 0, pytest.fail)
    with capsys.disabled():
        print(f" [2000 episodes scanned in {time.monotonic() - begin:.2f} s]", end="")
    assert replay.episodes == {index: len(records) for index in range(2000)}
