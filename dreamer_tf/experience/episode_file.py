"""One episode in one `.npy` file: its name, its check, writing it and reading a part of it.

`{index:06d}-{length}.npy` holds a one-dimensional array of `length` packed records, the reset's
included; `numpy.load` opens it. The first record alone has `is_first`, the last alone `is_last`.
Nothing here unpickles or otherwise executes what it reads.
"""

import functools
import io
import os
import re
import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamer_tf.basics import atomic

NAME = re.compile(r"([0-9]{6,})-([1-9][0-9]*)\.npy")
# More than headers of usual records need; it bounds what is read of a foreign file.
HEADER_LIMIT = 8192
# Room for a longer number in the header, as NumPy leaves it.
GROWTH = 21
ALIGNMENT = 64


class DamagedFile(ValueError):
    """A file is not what its name says; the message is the reason, without the file's name."""


class Episode(NamedTuple):
    """A known episode: its index, its number of records, the bytes before the first of them."""

    index: int
    length: int
    offset: int

    @property
    def name(self) -> str:
        return f"{self.index:06d}-{self.length}.npy"


def write(folder: Path, index: int, records: np.ndarray) -> Episode:
    """Writes an episode's file atomically; returns its `Episode`.

    Raises:
        ValueError: the records are not one whole episode.
        OSError: the file cannot be written, for example because the disk is full; nothing is left
            of it then.
    """
    records = np.ascontiguousarray(records)
    if records.ndim != 1 or not len(records):
        raise ValueError(f"an episode is one row of records, not an array of {records.shape}")
    try:
        check_flags(records, 0, len(records))
    except DamagedFile as error:
        raise ValueError(f"not one whole episode: {error}") from None
    start = header(records.dtype, len(records))
    episode = Episode(index, len(records), len(start))
    with atomic.writing(folder / episode.name) as file:
        file.write(start)
        file.write(records.view(np.uint8))
    return episode


@functools.lru_cache(1024)
def header(dtype: np.dtype, length: int) -> bytes:
    """Returns what an `.npy` file of `length` records begins with, equally long for any length."""
    described = np.lib.format.dtype_to_descr(dtype)
    content = {"descr": described, "fortran_order": False, "shape": (length,)}
    stream = io.BytesIO()
    try:
        np.lib.format.write_array_header_1_0(stream, content)
    except (UnicodeEncodeError, ValueError):  # Names beyond Latin-1, or very many of them.
        return _wide_header(repr(content), GROWTH - len(str(length)))
    return stream.getvalue()


def _wide_header(text, room):
    """Returns a header of the `.npy` format's version 3.0: UTF-8, up to 4 GiB."""
    start = np.lib.format.magic(3, 0)
    data = text.encode() + b" " * room
    data += b" " * (-(len(start) + 4 + len(data) + 1) % ALIGNMENT) + b"\n"
    return start + struct.pack("<I", len(data)) + data


def examine(path: Path, dtype: np.dtype) -> Episode:
    """Returns the `Episode` of a file after checking all but the inside of its records.

    Args:
        path: the file.
        dtype: structured dtype that the records must have.

    Raises:
        DamagedFile: it is not an episode of such records.
        OSError: it cannot be read.
    """
    match = NAME.fullmatch(path.name)
    if not match:
        raise DamagedFile("its name is not an episode's")
    if not path.is_file():
        raise DamagedFile("it is not a file")
    index, length = int(match[1]), int(match[2])
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        limit = max(HEADER_LIMIT, len(header(dtype, length)))
        offset = _check_header(os.pread(descriptor, limit, 0), dtype, length)
        episode = Episode(index, length, offset)
        if episode.name != path.name:
            raise DamagedFile("its name is not an episode's")
        _check_size(descriptor, offset + length * dtype.itemsize)
        ends = (("is_first", 0), ("is_last", length - 1))
        for name, position in ends:
            flag = offset + position * dtype.itemsize + dtype.fields[name][1]
            if os.pread(descriptor, 1, flag) != b"\x01":
                raise DamagedFile(f"record {position} lacks {name}")
    finally:
        os.close(descriptor)
    return episode


def read_into(records: np.ndarray, folder: Path, episode: Episode, start: int) -> None:
    """Fills an array with an episode's records from `start` on, reading by position.

    Args:
        records: contiguous array of records, no longer than the rest of the episode.
        folder: where the episodes are.
        episode: `Episode`.
        start: position of the first record to read.

    Raises:
        DamagedFile: the file has changed or its records are not an episode's.
        OSError: it is missing or cannot be read.
    """
    dtype = records.dtype
    position = episode.offset + start * dtype.itemsize
    read_at(
        records, folder / episode.name, position, episode.offset + episode.length * dtype.itemsize
    )
    check_flags(records, start, episode.length)


def read_at(records: np.ndarray, path: Path, position: int, size: int | None = None) -> None:
    """Fills an array of records with the bytes of a file from a position on.

    Args:
        records: contiguous array of records.
        path: the file.
        position: of the first byte.
        size: how many bytes the file must have, where that is known.

    Raises:
        DamagedFile: the file has another size or ends too early.
        OSError: it is missing or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if size is not None:
            _check_size(descriptor, size)
        space = memoryview(records.view(np.uint8))
        while space:
            count = os.preadv(descriptor, [space], position)
            if not count:
                raise DamagedFile("it ends too early")
            space, position = space[count:], position + count
    finally:
        os.close(descriptor)


def check_flags(records: np.ndarray, start: int, length: int) -> None:
    """Checks `is_first` and `is_last` of the records from `start` on of an episode of `length`.

    A flag is a byte of 0 or 1, so that noise in place of records is found out as well.

    Raises:
        DamagedFile: a flag is missing or out of place.
    """
    for name, place in (("is_first", -start), ("is_last", length - 1 - start)):
        flags = records[name].view(np.uint8)
        expected = np.zeros(len(records), np.uint8)
        if 0 <= place < len(records):
            expected[place] = 1
        wrong = np.flatnonzero(flags != expected)
        if len(wrong):
            raise DamagedFile(f"record {start + wrong[0]} has a wrong {name}")


def _check_header(data, dtype, length):
    """Returns the size of the header that a file begins with."""
    usual = header(dtype, length)
    if data.startswith(usual):  # Parsing it is slow where there are very many files.
        return len(usual)
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        if version == (1, 0):
            shape, _, stored = np.lib.format.read_array_header_1_0(stream)
        elif version == (2, 0):
            shape, _, stored = np.lib.format.read_array_header_2_0(stream)
        elif version == (3, 0):
            raise DamagedFile("its header is not that of this task's records")
        else:
            raise DamagedFile(f"its format is version {version}")
    except DamagedFile:
        raise
    # NumPy's parser meets arbitrary bytes here and does not say what it raises for them.
    except Exception as error:
        raise DamagedFile(f"it has no NumPy header ({one_line(error)})") from None
    if stored != dtype:
        raise DamagedFile("its records have other fields than this task's")
    if shape != (length,):
        raise DamagedFile(f"it holds an array of shape {shape}, its name says {length} records")
    return stream.tell()


def _check_size(descriptor, expected):
    size = os.fstat(descriptor).st_size
    if size != expected:
        raise DamagedFile(f"it has {size} bytes instead of {expected}")


def one_line(error: BaseException) -> str:
    """Returns an exception's text, short and without line breaks."""
    return " ".join(str(error).split())[:200] or type(error).__name__
