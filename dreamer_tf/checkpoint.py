"""Checkpoint files: arrays and counters in one `.npz`, whole or not there.

Loading executes nothing, and the checksums of the zip format tell damage.
"""

import json
import re
import zipfile
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamer_tf import atomic
from dreamer_tf.errors import UserError

STATE = "state.json"
NAME = re.compile(r"(\d{10,})-(\d{8,})\.npz", re.ASCII)
# What numpy and zipfile raise on truncated, overwritten and foreign files.
DAMAGE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    MemoryError,
    RuntimeError,
    zipfile.BadZipFile,
    zlib.error,
)


class Checkpoint(NamedTuple):
    """arrays: {name: array}; state: what JSON can hold; path: where it was read."""

    arrays: dict
    state: dict
    path: Path


def save(directory, arrays, state, *, update, step, keep):
    """Writes `{step}-{update}.npz` and then removes all but the newest `keep`.

    Args:
        directory: folder of a run's checkpoints.
        arrays: {name: array}, structured arrays included.
        state: counters and the like; floats survive exactly.
        update: gradient updates made.
        step: environment steps made.
        keep: at least 1.

    Returns:
        The file's path.

    Raises:
        OSError: it could not be written; the older ones are all there.
        ValueError: an array holds Python objects, or the state what JSON cannot hold.
    """
    path = Path(directory) / f"{step:010d}-{update:08d}.npz"
    text = json.dumps(state, allow_nan=False)
    with atomic.writing(path) as file:
        members = {STATE: np.frombuffer(text.encode(), np.uint8), **arrays}
        np.savez(file, allow_pickle=False, **members)
    for old in _newest_first(directory)[keep:]:
        old.unlink()
    return path


def load(path):
    """Returns the `Checkpoint` in a file.

    Raises:
        UserError: it is damaged or not a checkpoint.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        state = json.loads(arrays.pop(STATE).tobytes())
    except DAMAGE as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} is damaged or no checkpoint ({reason})", status=1) from None
    return Checkpoint(arrays, state, Path(path))


def load_newest(directory, warn):
    """Returns the newest readable `Checkpoint`, None where there is no file.

    Args:
        directory: folder of a run's checkpoints.
        warn: called with one line about each file that is skipped.

    Raises:
        UserError: there are files and none is readable.
    """
    files = _newest_first(directory)
    for path in files:
        try:
            return load(path)
        except UserError as error:
            warn(f"{error}; an older one is tried")
    if files:
        raise UserError(
            f"no checkpoint in {directory} is readable: move them away to go on from the episodes "
            "alone, or start over with --fresh",
            status=1,
        )
    return None


def read_state(directory):
    """Returns the newest readable state without the arrays, None where there is none."""
    for path in _newest_first(directory):
        try:
            with np.load(path, allow_pickle=False) as archive:
                return json.loads(archive[STATE].tobytes())
        except DAMAGE:
            continue
    return None


def _newest_first(directory):
    """Returns the files by updates, then steps, whatever their dates."""
    found = []
    for path in Path(directory).iterdir():
        match = NAME.fullmatch(path.name)
        if match:
            step, update = (int(group) for group in match.groups())
            found.append(((update, step), path))
    return [path for _, path in sorted(found, reverse=True)]
