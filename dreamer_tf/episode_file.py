"""One episode in one file: `{index:06d}-{length}.npy`, an array of records.

The format is numpy's own, so `numpy.load` opens it. Nothing in a file is ever executed: headers
are parsed as literals, and files of Python objects are refused.
"""

import os
import re

import numpy as np

from dreamer_tf import atomic

NAME = re.compile(r"(\d{6,})-(\d+)\.npy", re.ASCII)


class DamagedFile(Exception):
    """A file is not the episode that its name promises; the message says why."""


class EpisodeFile:
    """A file of `length` records.

    Args:
        path: its path; the name gives index and length.
        dtype: the records' structured dtype.

    Raises:
        DamagedFile: name, header, size or the flags at both ends are wrong.
    """

    def __init__(self, path, dtype):
        match = NAME.fullmatch(path.name)
        if match is None:
            raise DamagedFile("it is not named like an episode")
        self.path = path
        self.dtype = dtype
        self.index, self.length = (int(group) for group in match.groups())
        with self._open() as file:
            self.offset = self._check_header(file)
        first, last = self.read(0, 1), self.read(self.length - 1, 1)
        # Looked at as bytes: in a damaged file a flag can be neither 0 nor 1.
        flags = first["is_first"].view(np.uint8)[0], last["is_last"].view(np.uint8)[0]
        if flags != (1, 1):
            raise DamagedFile("its first and last records are not an episode's")

    def read(self, start, count):
        """Returns `count` records from `start`."""
        records = np.empty(count, self.dtype)
        self.read_into(records, start)
        return records

    def read_into(self, records, start):
        """Fills a contiguous array of records from position `start`.

        Raises:
            DamagedFile: the file is gone or shorter than it was.
        """
        position = self.offset + start * self.dtype.itemsize
        buffer = memoryview(records).cast("B")
        with self._open() as file:
            done = 0
            while done < len(buffer):
                count = os.preadv(file.fileno(), [buffer[done:]], position + done)
                if count == 0:
                    raise DamagedFile("it is shorter than it was")
                done += count

    def _open(self):
        try:
            return open(self.path, "rb", buffering=0)
        except OSError as error:
            raise DamagedFile(error.strerror) from None

    def _check_header(self, file):
        """Returns the position of the first record."""
        try:
            version = np.lib.format.read_magic(file)
            read = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, fortran_order, dtype = read(file)
        except (ValueError, KeyError, OSError) as error:
            raise DamagedFile(f"its header is not numpy's ({error})") from None
        if dtype != self.dtype:
            raise DamagedFile("its records have other fields")
        if shape != (self.length,) or fortran_order or self.length < 1:
            raise DamagedFile(f"it holds {shape} records, not {self.length}")
        offset = file.tell()
        size = offset + self.length * dtype.itemsize
        found = os.fstat(file.fileno()).st_size
        if found != size:
            raise DamagedFile(f"it has {found} bytes, not {size}")
        return offset


def write(folder, index, records):
    """Writes an episode, whole or not at all; returns its `EpisodeFile`."""
    path = folder / f"{index:06d}-{len(records)}.npy"
    with atomic.writing(path) as file:
        np.lib.format.write_array(file, records, version=(1, 0), allow_pickle=False)
    return EpisodeFile(path, records.dtype)
