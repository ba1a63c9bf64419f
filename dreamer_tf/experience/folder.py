"""The files of episodes in a folder, finished or not."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dreamer_tf.experience import episode_file, growing_file
from dreamer_tf.experience.episode_file import DamagedFile, Episode
from dreamer_tf.experience.growing_file import GrowingFile


def search(
    folder: Path, record_dtype: np.dtype, warn: Callable[[str], None]
) -> tuple[list[Episode], list[GrowingFile]]:
    """Returns a folder's whole episodes, and the files of unfinished ones.

    Files without a record are removed; those that are not whole episodes of such records are left
    alone, with a warning that names them.
    """
    episodes, left_over = {}, []
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries)
    for name in names:
        path = folder / name
        try:
            if growing_file.NAME.fullmatch(name):
                left_over.append(GrowingFile.open(path, record_dtype))
                continue
            episode = episode_file.examine(path, record_dtype)
            if episode.index in episodes:
                raise DamagedFile(f"{episodes[episode.index].name} has the same index")
            episodes[episode.index] = episode
        except (DamagedFile, OSError) as error:
            warn_of(warn, path, error)
    for growing in left_over:
        if not growing.stored:
            growing.remove()  # A process was killed before it had written a record.
    return list(episodes.values()), [growing for growing in left_over if growing.stored]


def warn_of(warn: Callable[[str], None], path: Path, error: Exception) -> None:
    """Says in one line that a file is not used, and why."""
    reason = getattr(error, "strerror", None) or episode_file.one_line(error)
    warn(f"skipped {path}: {reason}")


def files_of(folder: Path) -> list[Path]:
    """Returns the paths of all episodes in a folder; [] where there is none."""
    kinds = episode_file.NAME, growing_file.NAME
    paths = folder.iterdir() if folder.is_dir() else ()
    return [path for path in paths if any(kind.fullmatch(path.name) for kind in kinds)]


def remove_all(folder: Path) -> int:
    """Deletes the files of all episodes in a folder; returns how many there were."""
    paths = files_of(folder)
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)
