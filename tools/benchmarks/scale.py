"""What a run's steps cost with few and with very many episodes behind it.

Each number of episodes is measured in a process of its own (`scale.py EPISODES`), which prints one
line of JSON. The episodes are names of one tiny file, as the disk is not what is asked about.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from benchmarks import processes

LENGTH = 21  # Records of an episode.
ENVIRONMENTS = 4
ROUNDS = 200
TITLES = {
    "open": "once: open",
    "begin": "once: windows' first look",
    "step": "step of an episode",
    "finish": "end of an episode",
    "sources": "what may be drawn",
    "sequences": "block of sequences, 1 update",
    "windows": "block of windows, 1 update",
    "save": "save",
}
# A file system may hold fewer names of one file than this.
NAMES_OF_A_FILE = 30_000


def measure(counts: Iterable[int]) -> list[dict[str, str | float]]:
    """Returns a row for each thing: seconds by number of finished episodes, the last to the first.

    Things that happen once a start come first; they take longer the more episodes there are.
    """
    found = {}
    for count in counts:
        words = [sys.executable, __file__, str(count)]
        found[f"{count:,}"] = json.loads(processes.output(words))
    few, *_, many = found.values()
    return [
        {
            "thing": TITLES[name],
            **{count: each[name] for count, each in found.items()},
            "ratio": many[name] / few[name],
        }
        for name in TITLES
    ]


def _program(count):
    from dreamer_tf.experience.episodes import Episodes
    from dreamer_tf.experience.sources import Sequences, Windows, make_source

    dtype = np.dtype(
        [("vector", "<f4", (4,)), ("action", "<f4", (2,)), ("reward", "<f4")]
        + [(name, "?") for name in ("is_first", "is_last", "is_terminal")]
    )
    with tempfile.TemporaryDirectory() as folder:
        _write(Path(folder), dtype, count)
        begin = time.perf_counter()
        episodes = Episodes(folder, dtype, print, ENVIRONMENTS, capacity=(LENGTH - 1) * count)
        row = {"open": time.perf_counter() - begin}
        sequences = make_source(Sequences(16, 10), episodes, 0)
        windows = make_source(Windows(16, 2, 3, priority=1.0), episodes, 0)
        begin = time.perf_counter()
        windows.ready()
        row["begin"] = time.perf_counter() - begin
        print(json.dumps(row | _measure(episodes, dtype, count, sequences, windows)))


def _measure(episodes, dtype, count, sequences, windows):
    """Returns the median seconds of each thing that is measured."""
    seconds = {name: [] for name in TITLES if name not in ("open", "begin")}

    def timed(name, action, *arguments):
        begin = time.perf_counter()
        action(*arguments)
        seconds[name].append(time.perf_counter() - begin)

    def make_one(number):
        environment, begin = _place(count + -count % ENVIRONMENTS + number)
        records = _episode(dtype)
        episodes.begin(environment, number, begin)
        for record in records[:-1]:
            timed("step", episodes.append, environment, record)
        episodes.append(environment, records[-1])
        # One more than there is room for: the oldest is dropped.
        timed("finish", episodes.finish, environment)

    def save():
        episodes.store()
        episodes.delete_dropped()

    for number in range(ROUNDS):
        make_one(number)
        timed("sources", episodes.sources)
        for name, source in (("sequences", sequences), ("windows", windows)):
            timed(name, _block, source, number)
        timed("save", save)
    return {name: float(np.median(each)) for name, each in seconds.items()}


def _block(source, update):
    """A block of one update, what it reads included."""
    with source.batches(update, 1) as batches:
        next(batches)
    source.feedback(update, np.ones(16))


def _episode(dtype):
    records = np.zeros(LENGTH, dtype)
    records["is_first"][0] = records["is_last"][-1] = True
    return records


def _place(number):
    """Returns (environment, tick at which it begins) of the run's episode of a number."""
    return number % ENVIRONMENTS, number // ENVIRONMENTS * (LENGTH - 1)


def _write(folder, dtype, count):
    """Makes the first `count` episodes of a run."""
    from dreamer_tf.experience import episode_file

    source = None
    for number in range(count):
        environment, begin = _place(number)
        index = (begin + LENGTH - 1) * ENVIRONMENTS + environment
        if number % NAMES_OF_A_FILE == 0:
            source = folder / episode_file.write(folder, index, _episode(dtype)).name
        else:
            os.link(source, folder / episode_file.Episode(index, LENGTH, 0).name)


if __name__ == "__main__":
    _program(int(sys.argv[1]))
