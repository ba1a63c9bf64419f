"""An episode's file while the episode is made: records are only ever added at its end.

`unfinished-{environment:04d}-{number:06d}-{begin:09d}.npy.part` has the same header and records as
an episode's file (see `episode_file`), except that its header does not yet say how many there are.
Its size does: a killed process leaves at most a torn last record, which does not count.
"""

import io
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from dreamer_tf.basics import atomic
from dreamer_tf.experience import episode_file
from dreamer_tf.experience.episode_file import DamagedFile, Episode

NAME = re.compile(r"unfinished-([0-9]{4,})-([0-9]{6,})-([0-9]{9,})\.npy\.part")
# Records that are read at once where a whole episode is gone through.
BLOCK = 256


class GrowingFile:
    """The file of an unfinished episode. It is made when the first records are stored.

    Args:
        folder: where the episodes are.
        environment: number of the environment that makes the episode.
        number: how many episodes the environment has begun before this one.
        begin: the tick (steps that every environment has made) at which it began.
        dtype: packed structured dtype of a record.

    Attributes:
        stored: number of records in the file; what was added since waits in memory.
    """

    def __init__(self, folder: Path, environment: int, number: int, begin: int, dtype: np.dtype):
        self.environment = environment
        self.number = number
        self.begin = begin
        self.stored = 0
        self._folder = folder
        self._dtype = dtype
        self._waiting = []
        self._header = episode_file.header(dtype, 0)

    @classmethod
    def open(cls, path: Path, dtype: np.dtype) -> Self:
        """Returns the `GrowingFile` that an earlier process has left; it may hold no record yet.

        Raises:
            DamagedFile: it does not hold such records.
            OSError: it cannot be read.
        """
        numbers = map(int, NAME.fullmatch(path.name).groups())
        found = cls(path.parent, *numbers, dtype)
        with open(path, "rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            found.stored = max(size - len(found._header), 0) // dtype.itemsize
            if found.stored and not found._has_header(file.read(len(found._header))):
                raise DamagedFile("its header is not that of this task's records")
        return found

    def __len__(self):
        """The number of records, stored or waiting."""
        return self.stored + len(self._waiting)

    @property
    def name(self) -> str:
        """The file's name."""
        return f"unfinished-{self.environment:04d}-{self.number:06d}-{self.begin:09d}.npy.part"

    @property
    def path(self) -> Path:
        """The file's path."""
        return self._folder / self.name

    def add(self, record: np.ndarray | np.void) -> None:
        """Adds the next record; it waits in memory until `store`."""
        self._waiting.append(record)

    def store(self, sync: bool = False) -> None:
        """Writes what waits; with `sync` it is brought to the disk.

        Raises:
            OSError: it cannot be written, for example because the disk is full; it goes on waiting.
        """
        data = b"".join(record.tobytes() for record in self._waiting)
        with self._opened() as file:
            if not self.stored:
                file.truncate(0)  # An earlier process may have left something unreadable here.
                write_all(file, self._header)
            file.seek(self._place(self.stored))
            write_all(file, data)
            if sync:
                os.fsync(file.fileno())
        self.stored += len(self._waiting)
        self._waiting = []

    def truncate(self, count: int) -> None:
        """Forgets all records behind the first `count`, which are stored."""
        with self._opened() as file:
            file.truncate(self._place(count))
        self.stored, self._waiting = count, []

    def records(self, start: int = 0) -> Iterator[np.ndarray]:
        """Yields the stored records from a position on, some at a time.

        Raises:
            DamagedFile, OSError: they cannot be read.
        """
        while start < self.stored:
            block = np.empty(min(BLOCK, self.stored - start), self._dtype)
            read_into(block, self._folder, self, start)
            yield block
            start += len(block)

    def is_complete(self) -> bool:
        """Returns whether the last stored record ends the episode."""
        (last,) = self.records(self.stored - 1)
        return bool(last["is_last"][0])

    def finish(self, index: int, cut: bool = False) -> Episode:
        """Makes it the file of a finished episode; returns its `Episode`.

        Args:
            index: the episode's index.
            cut: whether the episode ends here only because nothing will follow: its last record
                gets `is_last`, as by a time limit.

        Raises:
            OSError: the file cannot be written; the episode remains unfinished.
        """
        self.store()
        episode = Episode(index, self.stored, len(self._header))
        with self._opened() as file:
            if cut:
                file.seek(self._place(self.stored - 1) + self._dtype.fields["is_last"][1])
                write_all(file, b"\x01")
            file.seek(0)
            write_all(file, episode_file.header(self._dtype, self.stored))
            file.truncate(self._place(self.stored))  # A torn record of an earlier process.
            os.fsync(file.fileno())
        os.replace(self.path, self._folder / episode.name)
        atomic.sync_folder(self._folder)
        return episode

    def remove(self) -> None:
        """Deletes the file."""
        self.path.unlink(missing_ok=True)

    def _has_header(self, data):
        # A process that was killed while it finished the episode has left the final header.
        lengths = (0, self.stored)
        return any(data == episode_file.header(self._dtype, length) for length in lengths)

    def _place(self, count):
        return len(self._header) + count * self._dtype.itemsize

    def _opened(self):
        # Not kept open: a run may have more environments than it may have open files.
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        return os.fdopen(descriptor, "r+b", buffering=0)


def write_all(file: io.RawIOBase, data: bytes) -> None:
    """Writes all of `data` to an unbuffered file."""
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def read_into(records: np.ndarray, folder: Path, growing: GrowingFile, start: int) -> None:
    """Fills an array with an unfinished episode's stored records from `start` on.

    Raises:
        DamagedFile: the file is shorter than that or its records are not an episode's.
        OSError: it is missing or cannot be read.
    """
    place = growing._place(start)
    episode_file.read_at(records, folder / growing.name, place)
    # Its end may be stored already, but is not known to this check.
    ends = start + len(records) == growing.stored
    checked = records[:-1] if ends else records
    episode_file.check_flags(checked, start, growing.stored + 1)
