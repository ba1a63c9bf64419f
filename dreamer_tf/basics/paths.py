"""Paths as a person types them."""

import os
from pathlib import Path

from dreamer_tf.basics.errors import UserError


def expanded(path: str | os.PathLike[str], option: str) -> Path:
    """Returns the path with a home folder for `~`, which a shell leaves in `--logdir=~/runs`.

    Args:
        path: as the user typed it.
        option: what the user typed it after, such as `--out`.

    Raises:
        UserError: it is no path, or the home folder of somebody who is not known here.
    """
    if not isinstance(path, (str, os.PathLike)):
        raise UserError(f"{option} {path!r}: give the path of a folder or file")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{option} {path}: whose home folder is that? Write it in full") from None
