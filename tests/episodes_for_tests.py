"""Episodes whose records tell where they are from, and what the tests of files share."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.basics import seeding
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sequences import SequenceSource
from dreamer_tf.experience.sources import Sequences

ROOT = Path(__file__).parent.parent
RECORD = np.dtype(
    [
        ("image", np.uint8, (4, 4, 3)),
        ("action", np.float32, (2,)),
        ("reward", np.float32),
        ("is_first", bool),
        ("is_last", bool),
        ("is_terminal", bool),
    ]
)
SEED = 7


def make_records(index, length, dtype=RECORD):
    """Records that tell where they are from: the action is (index, position)."""
    numbers = seeding.generator(0, "test records", index)
    records = np.zeros(length, dtype)
    records["image"] = numbers.integers(0, 256, records["image"].shape)
    records["action"][:, 0] = index
    records["action"][:, 1] = np.arange(length)
    records["reward"] = numbers.normal(size=length)
    records["is_first"][0] = records["is_last"][-1] = True
    records["is_terminal"][-1] = index % 2
    return records


def make_episodes(folder, lengths):
    episodes = Episodes(folder, RECORD, pytest.fail)
    for index, length in enumerate(lengths):
        episodes.add(index, make_records(index, length))
    return episodes


def draw(episodes, update, batch_size, length, seed=SEED, balance=False):
    wanted = Sequences(batch_size, length, balance)
    return SequenceSource(wanted, episodes, seed).sample(update, batch_size, length)


def prefetched(episodes, first_update, count, batch_size, length, seed=SEED, balance=False):
    source = SequenceSource(Sequences(batch_size, length, balance), episodes, seed)
    return source.batches(first_update, count)


def places(batch):
    """Returns (episode index, position) of every record of a batch, shape [B, L, 2]."""
    return batch["action"].astype(int)


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left)


def unmarked(name, position, value):
    """Returns an episode with a wrong flag."""
    records = make_records(3, 20)
    records[name][position] = value
    return records


def saved(array):
    """Returns the bytes that `numpy.save` writes."""
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def run_on_small_disk(program, folder):
    """Returns what a program prints whose first argument is a folder with room for 1 MiB."""
    mount = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", folder, sys.executable, program]
    try:
        subprocess.run(["unshare", "-rm", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    return result.stdout
