"""Files that are whole or not there."""

import contextlib
import os
from pathlib import Path

SUFFIX = ".tmp"


@contextlib.contextmanager
def writing(path):
    """Opens a temporary file that takes the name `path` when the block ends without an error.

    The data is on the disk before the name is. After an error nothing is left.

    Raises:
        OSError: the disk is full or the folder not writable.
    """
    path = Path(path)
    temporary = path.with_name(path.name + SUFFIX)
    try:
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write(path, data):
    """Writes bytes to a file, whole or not at all; see `writing`."""
    with writing(path) as file:
        file.write(data)


def remove_unfinished(folder):
    """Removes what writers left that were killed; no other process may be writing there."""
    for temporary in Path(folder).glob("*" + SUFFIX):
        temporary.unlink()


def _sync_folder(folder):
    """Makes the new name durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
