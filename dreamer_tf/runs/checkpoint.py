"""Everything that an exact resume needs, in one file that is whole or not there.

`{step:010d}-{update:08d}.npz` is an ordinary uncompressed NumPy archive of arrays under their path
names. Two members of bytes hold JSON: `state`, and `names`, the list of all arrays, by which a file
that lacks one is recognised. Loading checks every member's checksum and never unpickles.
"""

import contextlib
import io
import json
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError

NAME = re.compile(r"([0-9]{10,})-([0-9]{8,})\.npz")
STATE = "state"
NAMES = "names"
MEMBERS = {STATE: dict, NAMES: list}


@dataclass(frozen=True)
class Checkpoint:
    """What a file holds: path name -> array, the JSON state, and the file's own path."""

    arrays: dict
    state: dict
    path: Path


def save(
    directory: str | Path,
    arrays: Mapping[str, np.ndarray | np.generic],
    state: dict[str, Any],
    *,
    update: int,
    step: int,
    keep: int,
) -> Path:
    """Writes a checkpoint, then removes the older ones that are not needed any more.

    The newest `keep` readable ones stay, the new one among them. Nothing is removed before the new
    file is safe on the disk. One of the same update and step is replaced.

    Args:
        directory: folder of the checkpoints; it must exist.
        arrays: path name -> array. Structured arrays are allowed, objects are not.
        state: what JSON can hold; numbers must be finite.
        update: gradient updates so far.
        step: environment steps so far.
        keep: how many to keep, at least 2.

    Returns:
        The file's path.

    Raises:
        ValueError, TypeError: something cannot be stored exactly; nothing is written.
        OSError: the file cannot be written; the earlier ones are untouched.
    """
    if keep < 2:
        raise ValueError(f"keep must be at least 2, not {keep}")
    if arrays.keys() & MEMBERS.keys():
        raise ValueError(f"arrays cannot be called {STATE} or {NAMES}")
    arrays = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in arrays.items():
        _check_storable(name, array)
    # The small ones first, where the state is found without reading the rest.
    members = {STATE: _to_bytes(state), NAMES: _to_bytes(list(arrays)), **arrays}
    path = Path(directory) / f"{step:010d}-{update:08d}.npz"
    with atomic.writing(path) as file, zipfile.ZipFile(file, "w") as archive:
        for name, array in members.items():
            with archive.open(zipfile.ZipInfo(f"{name}.npy"), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    _remove_old(path, keep)
    return path


def load_newest(directory: str | Path, warn: Callable[[str], None]) -> Checkpoint | None:
    """Returns the newest readable checkpoint of a folder, None if it holds none at all.

    Newest means the most updates, then the most steps, by the files' names. Unreadable files are
    left alone, with a warning. Temporary files of a killed run are removed.

    Args:
        directory: the folder; it may be missing.
        warn: function that takes one line of text.

    Raises:
        UserError: there are checkpoints and none can be read.
    """
    atomic.remove_leftovers(directory, NAME)
    paths = _newest_first(directory)
    for path in paths:
        try:
            return _read(path)
        except _Unreadable as error:
            warn(f"skipped {path}: {error}")
    if paths:
        raise _none_readable(directory, paths)
    return None


def _none_readable(directory, paths):
    return UserError(
        f"none of the {len(paths)} checkpoints in {directory} can be read: put back a copy of one, "
        "or delete them to begin again",
        status=1,
    )


def load(path: str | Path) -> Checkpoint:
    """Returns the checkpoint of a file.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return _read(Path(path))
    except _Unreadable as error:
        raise UserError(
            f"{path} is no readable checkpoint ({error}): give another one", status=1
        ) from None


def read_state(directory: str | Path) -> dict[str, Any] | None:
    """Returns the JSON state of the newest checkpoint where it can be read, or None.

    The arrays are looked for but not read, so that this is quick; damage inside them goes unseen.
    """
    for path in _newest_first(directory):
        try:
            with _opened(path) as archive:
                return _read_json(archive, STATE)
        except _Unreadable:
            continue
    return None


def stored_state(directory: str | Path) -> dict[str, Any] | None:
    """Returns what `read_state` does, None only where there is no checkpoint at all.

    Raises:
        UserError: there are checkpoints and none can be read.
    """
    state = read_state(directory)
    if state is None and (paths := _newest_first(directory)):
        raise _none_readable(directory, paths)
    return state


class _Unreadable(Exception):
    """The reason why a file is no checkpoint."""


def _newest_first(directory):
    folder = Path(directory)
    if not folder.is_dir():
        return []
    paths = [path for path in folder.iterdir() if NAME.fullmatch(path.name)]
    return sorted(paths, key=_place, reverse=True)


def _place(path):
    """Returns (update, step) of a checkpoint's name."""
    step, update = NAME.fullmatch(path.name).groups()
    return int(update), int(step)


def _remove_old(newest, keep):
    """Removes all that is older than `newest` but the first keep - 1 readable ones.

    Files beyond `newest` are there when the run went back behind damaged ones. They must neither
    be counted, or they would have the good ones removed, nor are they this run's to delete.
    """
    kept = 1
    for path in _newest_first(newest.parent):
        if _place(path) >= _place(newest):
            continue
        if kept < keep and _is_readable(path):
            kept += 1
        else:
            path.unlink(missing_ok=True)


def _is_readable(path):
    try:
        with _opened(path) as archive:
            for name in (STATE, *_read_json(archive, NAMES)):
                _read_array(archive, name)
    except _Unreadable:
        return False
    return True


def _read(path):
    with _opened(path) as archive:
        names = _read_json(archive, NAMES)
        arrays = {name: _read_array(archive, name) for name in names}
        return Checkpoint(arrays, _read_json(archive, STATE), path)


@contextlib.contextmanager
def _opened(path):
    """Gives a file's `ZipFile` with all its members; whatever goes wrong becomes `_Unreadable`."""
    try:
        if not path.is_file():
            raise _Unreadable("there is no such file")
        with zipfile.ZipFile(path) as archive:
            _check_complete(archive)
            yield archive
    except _Unreadable:
        raise
    # The parsers meet arbitrary bytes here and do not say all that they may raise for them.
    except Exception as error:
        text = " ".join(str(error).split())[:200]
        raise _Unreadable(text or type(error).__name__) from None


def _check_complete(archive):
    """Raises _Unreadable unless the members are those that the file itself lists."""
    stored = archive.namelist()
    names = {name.removesuffix(".npy") for name in stored}
    for required in MEMBERS:
        if required not in names:
            raise _Unreadable(f"it lacks {required}")
    expected = {*MEMBERS, *_read_json(archive, NAMES)}
    if names != expected or len(stored) != len(expected):
        different = min(names ^ expected, default="a member")
        raise _Unreadable(f"its members are not those it lists: {different}")


def _read_array(archive, name):
    # The whole member first: its checksum is checked before anything is made of the bytes.
    data = io.BytesIO(archive.read(f"{name}.npy"))
    # A header holds the names of all observations; it is no longer than the member.
    array = np.lib.format.read_array(
        data, allow_pickle=False, max_header_size=len(data.getbuffer())
    )
    if data.read(1):
        raise _Unreadable(f"{name} has too many bytes")
    return array


def _read_json(archive, name):
    value = json.loads(_read_array(archive, name).tobytes())
    kind = MEMBERS[name]
    if not isinstance(value, kind):
        raise _Unreadable(f"{name} is no JSON {kind.__name__}")
    return value


def _to_bytes(value):
    """Returns JSON as a uint8 array; every float comes back exactly."""
    return np.frombuffer(json.dumps(value, allow_nan=False).encode(), np.uint8)


def _check_storable(name, array):
    """Raises TypeError for types that the file format would change, such as bfloat16."""
    described = np.lib.format.dtype_to_descr(array.dtype)
    if array.dtype.hasobject or np.lib.format.descr_to_dtype(described) != array.dtype:
        raise TypeError(f"{name} is of type {array.dtype}, which a checkpoint cannot hold")
