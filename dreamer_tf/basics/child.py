"""Starting a program of ours in a process of its own, wherever its folder lies."""

import json
import sys
from collections.abc import Iterable

# PYTHONPATH cannot hold a folder with a colon in its name, and it is the user's.
BOOT = (
    "import json, runpy, sys; sys.path[:0] = json.loads(sys.argv.pop(1)); "
    "runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
)


def python(module: str, folders: Iterable[str], options: Iterable[str] = ()) -> list[str]:
    """Returns the words that run a module as a program; its arguments follow them.

    Args:
        module: dotted name.
        folders: strings that come first in the program's `sys.path`.
        options: of Python itself.
    """
    return [sys.executable, *options, "-c", BOOT, json.dumps(list(folders)), module]


def own_command() -> list[str]:
    """Returns the words that this program was started with, as a person would type them."""
    words = list(sys.orig_argv)
    if BOOT not in words:
        return words
    place = words.index(BOOT)
    return [*words[: place - 1], "-m", *words[place + 2 :]]
