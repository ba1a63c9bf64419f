"""Time of batches and resident memory of a run's experience, by number of episodes.

Run as a program (`memory.py EPISODES`) it measures in a process that holds nothing else,
and prints one line of JSON.
"""

import gc
import json
import os
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks import processes

BATCH, SEQUENCE, SAMPLES, WARM = 50, 50, 40, 10
WINDOWS = (256, 2, 5)  # Batch, before, after.
LENGTH = 501  # Records of an episode of 1000 steps with an action repeat of 2.


def measure(counts: Iterable[int]) -> list[dict[str, float]]:
    """Returns a row for each number of episodes."""
    rows = []
    for count in counts:
        words = [sys.executable, __file__, str(count)]
        rows.append(json.loads(processes.output(words)))
    for row in rows:
        row["to first"] = row["memory"] / rows[0]["memory"]
    return rows


def _program(count):
    from benchmarks import timing
    from dreamer_tf.experience.episodes import Episodes
    from dreamer_tf.experience.sequences import SequenceSampler
    from dreamer_tf.experience.sources import Windows, make_source

    dtype = np.dtype(
        [("image", "|u1", (64, 64, 3)), ("action", "<f4", (6,)), ("reward", "<f4")]
        + [(name, "?") for name in ("is_first", "is_last", "is_terminal")]
    )
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), dtype, count)
        episodes = Episodes(folder, dtype, print)
        source = SequenceSampler(episodes, seed=0)
        for update in range(WARM):
            source.sample(update, BATCH, SEQUENCE)
        numbers = iter(range(WARM, WARM + SAMPLES))
        sample = {"sample": lambda: source.sample(next(numbers), BATCH, SEQUENCE)}
        seconds = timing.alternate(sample, SAMPLES)["sample"]
        gc.collect()
        row = {"episodes": count, "agent steps": episodes.steps, "memory": _resident()}
        row |= timing.best_and_median(seconds)
        windows = make_source(Windows(*WINDOWS, priority=1.0), episodes, seed=0)
        numbers = iter(range(SAMPLES))
        seconds = timing.alternate({"": lambda: _draw(windows, next(numbers))}, SAMPLES)[""]
        print(json.dumps(row | {"windows": min(seconds)}))


def _draw(source, update):
    """Draws and reads a batch that nothing was made ahead of."""
    with source.batches(update, 1) as batches:
        next(batches)
    source.feedback(update, np.ones(WINDOWS[0]))


def _write(folder, dtype, count):
    """Writes one episode and gives it many names: nobody can tell, the disk is spared."""
    from dreamer_tf.experience import episode_file

    random = np.random.default_rng(0)
    records = np.zeros(LENGTH, dtype)
    records["image"] = random.integers(0, 256, records["image"].shape, dtype=np.uint8)
    records["is_first"][0] = records["is_last"][-1] = True
    # One environment's: each ends LENGTH - 1 steps after the one before.
    ends = [(number + 1) * (LENGTH - 1) for number in range(count)]
    first = folder / episode_file.write(folder, ends[0], records).name
    for index in ends[1:]:
        os.link(first, folder / episode_file.Episode(index, LENGTH, 0).name)


def _resident():
    """Returns the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    _program(int(sys.argv[1]))
