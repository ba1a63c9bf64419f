"""Where a program is to write, looked at before it works for hours. Nothing is made here."""

import os
from pathlib import Path

from dreamer_tf.basics import run_files
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.paths import expanded


def file(path: str | os.PathLike[str], option: str) -> Path:
    """Returns the path, with a home folder for `~`, of a file that can be written.

    Folders that are missing on the way are the caller's to make.

    Args:
        path: as the user typed it.
        option: what the user typed it after, such as `--out`.

    Raises:
        UserError: there is something else than a file, a part of a run, or no file can be there.
    """
    found = expanded(path, option)
    if found.exists() and not found.is_file():
        what = "a folder" if found.is_dir() else "no ordinary file"
        raise UserError(f"{option} {path} is {what}: give the name of a file")
    if found.exists() and _is_of_a_run(found.resolve()):
        raise UserError(
            f"{option} {path} is a part of a run, which would be lost: name another file"
        )
    _check_way(found.parent, path, option)
    return found


def folder(path: str | os.PathLike[str], option: str) -> Path:
    """Returns the same of a folder in which files can be made; it may be missing."""
    found = expanded(path, option)
    if found.exists() and not found.is_dir():
        raise UserError(f"{option} {path} is a file: give a folder")
    if _is_within_a_run(found.resolve()):
        raise UserError(f"{option} {path} is a part of a run: give another folder")
    _check_way(found, path, option)
    return found


def _is_of_a_run(path):
    """Returns whether a run would be damaged if a file of its folder were another one."""
    if _is_within_a_run(path.parent):
        return True
    return run_files.is_own(path.name) and (path.parent / run_files.CONFIG).exists()


def _is_within_a_run(folder):
    """Returns whether a folder is one of those in which a run keeps its files."""
    kept = folder.name in (run_files.CHECKPOINTS, run_files.EPISODES)
    return kept and (folder.parent / run_files.CONFIG).exists()


def _check_way(wanted, path, option):
    """Raises a UserError unless the folder `wanted` is there or can be made, and written in."""
    wanted = wanted.absolute()
    nearest = next(each for each in (wanted, *wanted.parents) if each.exists())
    if not nearest.is_dir():
        raise UserError(f"{option} {path}: {nearest} is a file, so nothing can be in it")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise UserError(f"{option} {path}: {nearest} cannot be written in; give another place")
