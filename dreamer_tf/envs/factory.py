"""Environments made by a user's own function, named as `package.module:factory`."""

import importlib

import gymnasium

from dreamer_tf.basics.errors import UserError


def make_from_factory(task):
    """Returns what the factory makes, called without arguments.

    Raises:
        UserError: there is no such module or function, or it returns something else than a
            `gymnasium.Env`.
    """
    env = _find(task)()
    if not isinstance(env, gymnasium.Env):
        kind = type(env).__name__
        raise UserError(f"task '{task}' returned a {kind}; it must return a gymnasium.Env")
    return env


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
