"""The experience of a run: episodes on disk, sequences drawn from them.

The episodes stay on the disk and the operating system's page cache is the memory they take. Which
sequences an update gets is a function of the run's seed, the update's number and the known
episodes, so nothing but the files has to be saved.
"""

import bisect
import errno
import os
import threading
from pathlib import Path

import numpy as np

from dreamer_tf.basics import atomic, seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.experience import episode_file
from dreamer_tf.experience.episode_file import DamagedFile
from dreamer_tf.experience.prefetch import Prefetch

PREFETCHED_BATCHES = 2
# Lacks of this process, which say nothing about the file.
LACKS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)


class Replay:
    """The episodes of a folder, one file each (see `episode_file`).

    On construction the folder is searched: files that are not whole episodes of such records are
    left alone, with a warning that names them. Temporary files of a killed run are removed.

    Args:
        directory: the folder; it must exist.
        record_dtype: packed structured dtype of a record, with bool fields `is_first`, `is_last`.
        seed: the run's seed.
        warn: function that takes one line of text. The prefetch thread calls it, too.
        capacity: agent steps to keep, None for all. Beyond it the oldest episodes are dropped:
            the known ones are the newest by index that together fit, and at least one.
        floor: the attribute's value in an earlier session.

    Attributes:
        floor: largest index that was ever dropped; nothing up to it comes back.
    """

    def __init__(self, directory, record_dtype, seed, warn, capacity=None, floor=-1):
        self._capacity = float("inf") if capacity is None else capacity
        self.floor = floor
        self._known = []  # Ordered by index.
        self._steps = 0
        # Dropped since the last checkpoint, and before it.
        self._dropped, self._condemned = [], []
        self._directory = Path(directory)
        self._dtype = np.dtype(record_dtype)
        self._seed = seed
        self._warn = warn
        self._lock = threading.Lock()
        atomic.remove_leftovers(self._directory, episode_file.NAME)
        found = sorted(self._search())
        self._indices = {episode.index for episode in found}
        for episode in found:
            self._learn_of(episode)

    def __len__(self):
        """The number of known episodes."""
        return len(self._known)

    @property
    def episodes(self):
        """(index, length) of the known episodes, ordered by index.

        The length is the number of records, the reset's included.
        """
        return tuple((episode.index, episode.length) for episode in list(self._known))

    @property
    def steps(self):
        """Agent steps in the known episodes; a reset is none."""
        return self._steps

    @property
    def lengths(self):
        """{index: length} of all episodes whose files are there, dropped ones included."""
        return {each.index: each.length for each in self._present()}

    def add(self, index, records):
        """Writes a finished episode and makes it known.

        Args:
            index: number of the episode, unique in the run.
            records: its records, shape [length].

        Raises:
            ValueError: the records are not a whole episode of this replay, or the index is taken.
            OSError: it cannot be written; nothing is left of it and the replay is unchanged.
        """
        records = np.asarray(records)
        if records.dtype != self._dtype:
            raise ValueError(f"records of {records.dtype} do not fit a replay of {self._dtype}")
        if index in self._indices:
            raise ValueError(f"there is an episode {index} already")
        episode = episode_file.write(self._directory, index, records)
        self._indices.add(index)
        self._learn_of(episode)

    def delete_dropped(self):
        """Deletes the files of episodes that were dropped before the last call.

        To be called after each checkpoint. Steps newer than a checkpoint are counted by their
        files, and the newest checkpoint may turn out damaged, so that files stay until two of
        them count their steps. No batch needs the files: what `batches` draws from was known when
        it began, and nothing is dropped before the next `add`.
        """
        for episode in self._condemned:
            (self._directory / episode.name).unlink(missing_ok=True)
            self._indices.discard(episode.index)
        self._dropped, self._condemned = [], self._dropped

    def delete_all(self):
        """Deletes the files of all episodes; none is known any more."""
        episode_file.remove_all(self._directory)
        with self._lock:
            self._known, self._dropped, self._condemned = [], [], []
            self._indices, self._steps = set(), 0

    def read(self, index):
        """Returns all records of an episode whose file is there, shape [length].

        Raises:
            KeyError: no episode has this index.
            UserError: the file is damaged or missing; the episode is no longer known then.
        """
        for episode in self._present():
            if episode.index == index:
                break
        else:
            raise KeyError(index)
        records = np.empty(episode.length, self._dtype)
        try:
            episode_file.read_into(records, self._directory, episode, 0)
        except (DamagedFile, OSError) as error:
            self._forget(episode, error)
            path = self._directory / episode.name
            raise UserError(f"{path} cannot be read: move it away", status=1) from None
        return records

    def sample(self, update, batch_size, length):
        """Returns the batch of one update.

        An episode is drawn uniformly, then the start of the sequence uniformly among those that
        leave room for it, so that every step, the last one included, can be drawn. An episode
        shorter than the sequence is taken whole and followed by the beginning of another one,
        whose first record has `is_first`.

        Args:
            update: number of the update.
            batch_size: number of sequences, B.
            length: records in a sequence, L.

        Returns:
            Field name -> contiguous array of shape [B, L, ...] in the field's own type.

        Raises:
            UserError: no readable episode is left.
        """
        return self._sample(list(self._known), update, batch_size, length)

    def batches(self, first_update, count, batch_size, length):
        """Returns an iterator over the batches of `count` updates, made ahead in a thread.

        They are those that `sample` returns with the episodes known now. Use it as a context
        manager: leaving it ends the thread.
        """
        # Taken here, not in the thread: episodes added from now on belong to later calls.
        known = list(self._known)
        updates = range(first_update, first_update + count)
        return Prefetch(
            (self._sample(known, update, batch_size, length) for update in updates),
            PREFETCHED_BATCHES,
        )

    def _search(self):
        """Returns the whole episodes of the folder."""
        episodes = {}
        with os.scandir(self._directory) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            path = self._directory / name
            try:
                episode = episode_file.examine(path, self._dtype)
                if episode.index in episodes:
                    raise DamagedFile(f"{episodes[episode.index].name} has the same index")
                episodes[episode.index] = episode
            except (DamagedFile, OSError) as error:
                self._warn_of(path, error)
        return episodes.values()

    def _present(self):
        return [*self._condemned, *self._dropped, *self._known]

    def _learn_of(self, episode):
        """Makes an episode known and drops the oldest ones beyond the capacity."""
        with self._lock:
            if episode.index <= self.floor:
                self._dropped.append(episode)
                return
            bisect.insort(self._known, episode)
            self._steps += episode.length - 1
            while self._steps > self._capacity and len(self._known) > 1:
                oldest = self._known.pop(0)
                self._steps -= oldest.length - 1
                self.floor = oldest.index
                self._dropped.append(oldest)

    def _forget(self, episode, error):
        self._warn_of(self._directory / episode.name, error)
        with self._lock:
            if episode in self._known:
                self._known.remove(episode)
                self._steps -= episode.length - 1
            # A damaged file is nobody's to delete.
            self._dropped = [each for each in self._dropped if each != episode]
            self._condemned = [each for each in self._condemned if each != episode]

    def _warn_of(self, path, error):
        reason = getattr(error, "strerror", None) or episode_file.one_line(error)
        self._warn(f"skipped {path}: {reason}")

    def _sample(self, known, update, batch_size, length):
        """Returns a batch drawn from the list `known`; unreadable episodes are taken out of it."""
        random = seeding.generator(self._seed, "replay", update)
        # Small enough to stay in the processor's cache, so splitting it into fields is cheap.
        sequence = np.empty(length, self._dtype)
        batch = {
            name: np.empty((batch_size, *sequence[name].shape), sequence[name].dtype)
            for name in self._dtype.names
        }
        for row in range(batch_size):
            self._draw(known, random, sequence)
            for name, array in batch.items():
                array[row] = sequence[name]
        return batch

    def _draw(self, known, random, sequence):
        """Fills `sequence` with records of one episode, or of several short ones."""
        filled = 0
        while filled < len(sequence):
            if not known:
                raise UserError(
                    f"{self._directory} holds no episodes to learn from: "
                    "collect some first (train.prefill)",
                    status=1,
                )
            episode = known[random.integers(len(known))]
            starts = 1 if filled else max(1, episode.length - len(sequence) + 1)
            start = int(random.integers(starts))
            part = sequence[filled : filled + episode.length]
            try:
                episode_file.read_into(part, self._directory, episode, start)
            except (DamagedFile, OSError) as error:
                if getattr(error, "errno", None) in LACKS:
                    raise
                known.remove(episode)
                self._forget(episode, error)
            else:
                filled += len(part)
