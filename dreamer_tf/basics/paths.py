"""Paths as a person types them."""

from pathlib import Path

from dreamer_tf.basics.errors import UserError


def expanded(path, option):
    """Returns the path with a home folder for `~`, which a shell leaves in `--logdir=~/runs`.

    Args:
        path: as the user typed it.
        option: what the user typed it after, such as `--out`.

    Raises:
        UserError: it is the home folder of somebody who is not known here.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UserError(f"{option} {path}: whose home folder is that? Write it in full") from None
