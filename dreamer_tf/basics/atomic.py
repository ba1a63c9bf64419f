"""Files that are either whole or not there, whatever happens while they are written.

A file is written under a temporary name in its own folder, brought to the disk and renamed. The
writer holds a lock on the temporary file, so that another process that tidies the folder can tell
a file being written from one that a killed process left.
"""

import contextlib
import errno
import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

TEMPORARY = ".tmp"
# What file systems answer that cannot bring a folder to the disk or cannot lock.
UNSUPPORTED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EBADF, errno.ENOLCK)


@contextlib.contextmanager
def writing(path: str | Path) -> Iterator[BinaryIO]:
    """Gives a binary file that becomes `path` when the block ends without an exception.

    An exception, a full disk included, removes the temporary file and leaves what was at `path`
    before.

    Raises:
        OSError: the file cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(path.name + TEMPORARY)
    with open(_open_locked(temporary), "wb") as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            _discard(file)
            raise
    sync_folder(path.parent)


def write(path: str | Path, data: bytes) -> None:
    """Writes a whole file of bytes; raises OSError, and leaves nothing, where that fails."""
    with writing(path) as file:
        file.write(data)


def remove_leftovers(folder: str | Path, pattern: re.Pattern[str]) -> None:
    """Removes temporary files that nobody is writing any more.

    Args:
        folder: where to look; it may be missing.
        pattern: compiled regular expression of the names that the files would have got.
    """
    folder = Path(folder)
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        name = path.name.removesuffix(TEMPORARY)
        if name != path.name and pattern.fullmatch(name) and path.is_file():
            _remove_unless_locked(path)


def _remove_unless_locked(path):
    # What cannot be locked or removed stays: it harms nobody.
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)


def _open_locked(path):
    """Returns a descriptor of the empty, locked file `path`."""
    while True:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            with _tolerating_unsupported():
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Someone may have removed or renamed the file before it was locked.
            if _is_same(descriptor, path):
                os.ftruncate(descriptor, 0)
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _is_same(descriptor, path):
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except FileNotFoundError:
        return False


def _discard(file):
    """Closes a file whose buffer may not be writable any more, and is not wanted either."""
    with contextlib.suppress(OSError):
        file.close()


def sync_folder(folder: str | Path) -> None:
    """Brings the names in a folder to the disk, where its file system can do that."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with _tolerating_unsupported():
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _tolerating_unsupported():
    try:
        yield
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
