"""Experience on disk and random sequences of it.

Time step t of an episode holds the action that LED to observation t, observation t, and the reward
received on arriving; the first step has a zero action and a zero reward:

    step        0          1          2
    image       o_0        o_1        o_2
    action      0          a_0->o_1   a_1->o_2
    reward      0          r_1        r_2

The page cache is the memory: sequences are read by position, no file stays open or mapped.
"""

import contextlib
import queue
import threading
from pathlib import Path

import numpy as np

from dreamer_tf import atomic, episode_file, seeding
from dreamer_tf.episode_file import DamagedFile, EpisodeFile
from dreamer_tf.errors import UserError

PREFETCHED_BATCHES = 2


class Replay:
    """Episodes in a folder.

    Args:
        directory: the folder; scanned once. Damaged and foreign files are skipped with a warning.
        record_dtype: structured dtype of a time step.
        seed: the run's seed; which sequences an update sees is a function of it.
        warn: called with one line about each file that is not used.
    """

    def __init__(self, directory, record_dtype, seed, warn):
        self.directory = Path(directory)
        self.dtype = record_dtype
        self.seed = seed
        self.warn = warn
        self._files = {}
        atomic.remove_unfinished(self.directory)
        for path in sorted(self.directory.iterdir()):
            try:
                self._know(EpisodeFile(path, record_dtype))
            except DamagedFile as error:
                warn(f"{path} is skipped: {error}")

    @property
    def episodes(self):
        """{index: length} of the known episodes; length counts records, the reset's included."""
        return {index: file.length for index, file in sorted(self._files.items())}

    def __len__(self):
        return len(self._files)

    def _know(self, file):
        if file.index in self._files:
            raise DamagedFile(f"{self._files[file.index].path.name} has the same number")
        self._files[file.index] = file

    def add(self, index, records):
        """Stores a finished episode.

        Args:
            index: its number, episode number * environments + environment.
            records: structured array [length].

        Raises:
            OSError: it could not be written; nothing is left of it.
        """
        self._know(episode_file.write(self.directory, index, records))

    def read(self, index):
        """Returns all records of an episode."""
        file = self._files[index]
        return file.read(0, file.length)

    def sample(self, update, batch_size, length):
        """Returns the batch of an update, {field: [batch_size, length, ...]}.

        A sequence's episode is uniform over the known ones, its start uniform over all places
        from which `length` records follow, so that the last step is drawn like any other. An
        episode shorter than that is taken whole and followed by the start of another one.

        Raises:
            UserError: there is no episode.
        """
        return self._sample(dict(self._files), update, batch_size, length)

    def _sample(self, files, update, batch_size, length):
        random = seeding.generator(self.seed, "replay", update)
        batch = np.empty((batch_size, length), self.dtype)
        for sequence in batch:
            filled = 0
            while filled < length:
                filled += self._fill(files, random, sequence[filled:], whole=filled == 0)
        return {name: np.ascontiguousarray(batch[name]) for name in self.dtype.names}

    def _fill(self, files, random, records, whole):
        """Fills the beginning of `records` from a random episode; returns how many."""
        while True:
            if not files:
                raise UserError(f"no usable episode is left in {self.directory}", status=1)
            # The order of the dictionary depends on history, that of the numbers does not.
            file = files[sorted(files)[random.integers(len(files))]]
            count = min(file.length, len(records))
            start = random.integers(file.length - count + 1) if whole else 0
            try:
                file.read_into(records[:count], start)
                return count
            except DamagedFile as error:
                del files[file.index]
                if self._files.pop(file.index, None) is not None:
                    self.warn(f"{file.path} is no longer used: {error}")

    @contextlib.contextmanager
    def batches(self, first_update, count, batch_size, length):
        """Yields an iterator over the batches of consecutive updates, read ahead in a thread.

        The batches are those of `sample` with the episodes known now.
        """
        ready = queue.Queue(PREFETCHED_BATCHES)
        stop = threading.Event()
        files = dict(self._files)
        updates = range(first_update, first_update + count)

        def read_ahead():
            for update in updates:
                try:
                    item = self._sample(files, update, batch_size, length)
                except BaseException as error:
                    item = error
                while not stop.is_set():
                    with contextlib.suppress(queue.Full):
                        ready.put(item, timeout=0.1)
                        break
                if stop.is_set() or isinstance(item, BaseException):
                    return

        thread = threading.Thread(target=read_ahead, name="replay")
        thread.start()
        try:
            yield _take(ready, count)
        finally:
            stop.set()
            thread.join()


def _take(ready, count):
    for _ in range(count):
        item = ready.get()
        if isinstance(item, BaseException):
            raise item
        yield item
