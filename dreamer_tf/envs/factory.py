"""Environments made by a user's own function, named as `package.module:factory`."""

import importlib

import gymnasium

from dreamer_tf.errors import UserError


def make_from_factory(task, action_repeat, time_limit):
    """Calls the factory without arguments and adds action repeat and time limit.

    Raises:
        UserError: there is no such module or function, or it returns something else than a
            `gymnasium.Env`.
    """
    env = _find(task)()
    if not isinstance(env, gymnasium.Env):
        kind = type(env).__name__
        raise UserError(f"task '{task}' returned a {kind}; it must return a gymnasium.Env")
    return RepeatAndLimit(env, action_repeat, time_limit)


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


class RepeatAndLimit(gymnasium.Wrapper):
    """Repeats actions, sums rewards and truncates after a number of environment steps."""

    def __init__(self, env, action_repeat, time_limit):
        super().__init__(env)
        self.action_repeat = action_repeat
        self.time_limit = time_limit
        self._elapsed = 0

    def reset(self, *, seed=None, options=None):
        """Starts an episode; see `gymnasium.Env.reset`."""
        self._elapsed = 0
        return self.env.reset(seed=seed, options=options)

    def step(self, action):
        """Steps `action_repeat` times or up to the end; the reward is the sum."""
        total = 0.0
        for _ in range(self.action_repeat):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            self._elapsed += 1
            truncated = bool(truncated) or self._elapsed >= self.time_limit
            if terminated or truncated:
                break
        return observation, total, bool(terminated), truncated and not terminated, info
