"""Environments made by a user's own function: named `package.module:factory`, or given as such."""

import functools
import importlib
import re
from collections.abc import Callable
from typing import Any

import gymnasium

from dreamer_tf.basics.errors import UserError


def make_from_factory(
    task: str, factory: Callable[[], gymnasium.Env] | None = None
) -> gymnasium.Env:
    """Returns what a factory makes, called without arguments.

    Args:
        task: its name.
        factory: the function itself, None to import it by the name.

    Raises:
        UserError: there is no such module or function, or it returns something else than a
            `gymnasium.Env`.
    """
    env = (factory or _find(task))()
    if not isinstance(env, gymnasium.Env):
        kind = type(env).__name__
        raise UserError(f"task '{task}' returned a {kind}; it must return a gymnasium.Env")
    return env


def named(
    given: gymnasium.Env | Callable[[], gymnasium.Env],
) -> tuple[str, Callable[[], gymnasium.Env]]:
    """Returns (task, factory) of an environment or of a function that makes one.

    A copy of an environment takes its place for training, another one for evaluations.

    Args:
        given: `gymnasium.Env`, or a function or class without arguments.

    Raises:
        UserError: it is neither.
    """
    if isinstance(given, gymnasium.Env):
        place, factory = type(given.unwrapped), Returning(given)
    elif callable(given):
        place = factory = given
        while isinstance(place, functools.partial):
            place = place.func
    else:
        raise UserError(
            f"{given!r} is no environment: give a task's name, a gymnasium.Env, or a function "
            "that makes one"
        )
    module = getattr(place, "__module__", None) or "__main__"
    name = getattr(place, "__qualname__", type(place).__qualname__)
    return f"{_plain(module)}:{_plain(name)}", factory


def packed(factory: Callable[[], gymnasium.Env]) -> bytes:
    """Returns a factory as bytes for a worker, which may be defined anywhere, as in a notebook.

    Raises:
        UserError: what it holds cannot leave this process.
    """
    import cloudpickle

    try:
        return cloudpickle.dumps(factory)
    except Exception as error:  # Whatever its parts raise.
        raise UserError(
            f"the environment cannot be brought to a process of its own ({error}): give a "
            "function that makes it"
        ) from None


class Returning:
    """A function that returns a value."""

    def __init__(self, value: Any):
        self.value = value

    def __call__(self) -> Any:
        """Returns it."""
        return self.value


def _plain(name):
    """Returns a dotted name as `package.module:factory` may have it: of `f.<locals>.g`, `f.g`."""
    parts = (re.sub(r"\W", "", part) for part in name.split("."))
    return ".".join(part for part in parts if part and part != "locals")


def _find(task):
    module_name, _, path = task.partition(":")
    try:
        found = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        # A module that exists and lacks one of its own imports is not a misspelt task.
        if not f"{module_name}.".startswith(f"{error.name}."):
            raise
        raise UserError(f"task '{task}': there is no module '{error.name}'") from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise UserError(f"task '{task}': '{module_name}' has no '{path}'")
        found = getattr(found, name)
    if not callable(found):
        raise UserError(f"task '{task}': '{path}' cannot be called; name a function or class")
    return found
