"""Action repeat and time limit for environments that bring neither, or only their own limit."""

import numbers
from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.wrappers import TimeLimit

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.tasks import PAPERS_LIMIT

# What an environment returns, see `gymnasium.Env`.
RESULT = ("observation", "info")
STEP_RESULT = ("observation", "reward", "terminated", "truncated", "info")


class RepeatAndLimit(gymnasium.Wrapper, gymnasium.utils.RecordConstructorArgs):
    """Repeats actions, sums rewards and truncates after a number of environment steps.

    Args:
        env: the environment.
        action_repeat: environment steps per action.
        time_limit: environment steps of an episode.
        terminates: whether the task itself can end an episode; by default what the environment's
            own attribute says, or else True.
    """

    limited = True
    """Whether the time limit is the environment's own or was asked for."""

    def __init__(
        self,
        env: gymnasium.Env,
        action_repeat: int,
        time_limit: int,
        terminates: bool | None = None,
    ):
        gymnasium.utils.RecordConstructorArgs.__init__(
            self, action_repeat=action_repeat, time_limit=time_limit, terminates=terminates
        )
        gymnasium.Wrapper.__init__(self, env)
        self.action_repeat = action_repeat
        self.time_limit = time_limit
        if terminates is None:
            known = env.has_wrapper_attr("terminates")
            terminates = bool(env.get_wrapper_attr("terminates")) if known else True
        self.terminates = terminates
        self._elapsed = 0

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Starts an episode; see `gymnasium.Env.reset`."""
        self._elapsed = 0
        return whole(self.env.reset(seed=seed, **optional(options=options)), "reset", RESULT)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps `action_repeat` times or up to the end; the reward is the sum."""
        total = 0.0
        for _ in range(self.action_repeat):
            found = whole(self.env.step(action), "step", STEP_RESULT)
            observation, reward, terminated, truncated, info = found
            total += np.asarray(reward, np.float64).item()
            self._elapsed += 1
            truncated = bool(truncated) or self._elapsed >= self.time_limit
            if terminated and not self.terminates:
                raise ValueError("the environment says terminates = False, but it terminated")
            if terminated or truncated:
                break
        return observation, total, bool(terminated), truncated and not terminated, info


def whole(returned: Any, method: str, wanted: Sequence[str]) -> tuple[Any, ...]:
    """Returns what an environment's method returned.

    Args:
        returned: by the method.
        method: its name.
        wanted: what its parts are.

    Raises:
        UserError: it is not as many parts, as in the days of Gym.
    """
    if isinstance(returned, tuple | list) and len(returned) == len(wanted):
        return tuple(returned)
    what = f"{len(returned)} values" if isinstance(returned, tuple) else type(returned).__name__
    raise UserError(f"{method}() of the environment must return {', '.join(wanted)}, not {what}")


def optional(**arguments: Any) -> dict[str, Any]:
    """Returns the arguments that are not None: not every environment has those."""
    return {name: value for name, value in arguments.items() if value is not None}


def effective_limit(own: int | None, wished: int | str) -> int:
    """Returns the time limit of an environment's episodes, in environment steps.

    Args:
        own: the environment's own limit, or None.
        wished: the configured one, or "auto" for its own, and the paper's where it has none.
    """
    if own is not None and (wished == "auto" or own <= wished):
        return own
    return PAPERS_LIMIT if wished == "auto" else wished


def own_limit(env: gymnasium.Env) -> int | None:
    """Returns the environment's own time limit in environment steps, None if it says none.

    Raises:
        UserError: its attribute `time_limit` is no number of steps.
    """
    if env.spec is not None and env.spec.max_episode_steps is not None:
        return env.spec.max_episode_steps
    # An environment without a registered name, limited as Gymnasium does it.
    limits = [each._max_episode_steps for each in _wrappers(env) if isinstance(each, TimeLimit)]
    if limits:
        return min(limits)
    if not env.has_wrapper_attr("time_limit"):
        return None
    limit = env.get_wrapper_attr("time_limit")
    if not isinstance(limit, numbers.Integral) or limit < 1:
        raise UserError(f"the environment's time_limit is {limit!r}; give a whole number of steps")
    return int(limit)


def _wrappers(env):
    """Yields an environment's wrappers, the outermost first."""
    while isinstance(env, gymnasium.Wrapper):
        yield env
        env = env.env
