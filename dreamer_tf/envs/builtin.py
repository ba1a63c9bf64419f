"""What the built-in environments share: action repeat, time limit, seeds, image and vector."""

import abc
from typing import Any

import gymnasium
import numpy as np

from dreamer_tf.envs.tasks import PAPERS_SIZE


def numbers(size: int) -> gymnasium.spaces.Box:
    """Returns the action space of `size` numbers in [-1, 1]."""
    return gymnasium.spaces.Box(-1.0, 1.0, (size,), np.float32)


class BuiltinEnv(gymnasium.Env, abc.ABC):
    """Base of environments observed as image, vector or both.

    Actions are numbers in [-1, 1] (`numbers(size)`) or choices, a `Discrete`. A subclass gives
    `_begin(seed)`, `_advance(action) -> (reward, terminated)` for one environment step,
    `_draw(size) -> uint8 [size, size, 3]` and `_measure() -> float [n]`.

    Attributes:
        rendering: when False, images in observations are zero and nothing is drawn. Nothing else
            changes, so that known actions can be replayed fast.
        terminates: whether the task itself can end an episode.
        limited: whether the time limit is the task's own or was asked for.
        action_repeat: environment steps per call of `step`.
        time_limit: environment steps after which an episode is truncated.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
    terminates = False
    limited = True
    notes = ()

    def __init__(
        self,
        observation: str,
        vector_size: int,
        action_space: gymnasium.spaces.Box | gymnasium.spaces.Discrete,
        action_repeat: int,
        time_limit: int,
        render_size: int = 240,
        image_size: int = PAPERS_SIZE,
    ):
        if action_repeat < 1 or time_limit < 1:
            raise ValueError("action_repeat and time_limit must be at least 1")
        self.render_mode = "rgb_array"
        spaces = {
            "image": gymnasium.spaces.Box(0, 255, (image_size, image_size, 3), np.uint8),
            "vector": gymnasium.spaces.Box(-np.inf, np.inf, (vector_size,), np.float32),
        }
        names = ("image", "vector") if observation == "both" else (observation,)
        self.observation_space = gymnasium.spaces.Dict({name: spaces[name] for name in names})
        self.action_space = action_space
        self.action_repeat = action_repeat
        self.time_limit = time_limit
        self.rendering = True
        self._render_size = render_size
        self._elapsed = 0
        self._over = True

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Starts an episode that is a function of `seed` alone, whatever happened before.

        Without a seed one is drawn from the generator of the last seeded reset.
        """
        super().reset(seed=seed)
        self._begin(int(self.np_random.integers(2**31)) if seed is None else seed)
        self._elapsed = 0
        self._over = False
        return self._observation(), {}

    def step(
        self, action: np.ndarray | int | np.integer
    ) -> tuple[dict[str, np.ndarray], float, bool, bool, dict[str, Any]]:
        """Repeats the action until `action_repeat` or the end and sums the rewards.

        Raises:
            RuntimeError: the episode is over or was never started.
        """
        if self._over:
            raise RuntimeError("the episode is over: call reset before step")
        if isinstance(self.action_space, gymnasium.spaces.Box):
            action = np.clip(np.asarray(action, np.float64), -1.0, 1.0)
        total, terminated, truncated = 0.0, False, False
        for _ in range(self.action_repeat):
            reward, terminated = self._advance(action)
            total += reward
            self._elapsed += 1
            truncated = self._elapsed >= self.time_limit
            if terminated or truncated:
                break
        self._over = terminated or truncated
        return self._observation(), float(total), terminated, truncated and not terminated, {}

    def render(self) -> np.ndarray:
        """Returns the present state as a uint8 image of `render_size` pixels a side."""
        return self._draw(self._render_size)

    def _observation(self):
        found = {}
        if "image" in self.observation_space.spaces:
            shape = self.observation_space["image"].shape
            found["image"] = self._draw(shape[0]) if self.rendering else np.zeros(shape, "u1")
        if "vector" in self.observation_space.spaces:
            found["vector"] = np.asarray(self._measure(), np.float32)
        return found

    @abc.abstractmethod
    def _begin(self, seed):
        """Puts the task at the start of the episode of a seed."""

    @abc.abstractmethod
    def _advance(self, action):
        """Makes one environment step; returns (reward, terminated)."""

    @abc.abstractmethod
    def _draw(self, size):
        """Returns the present state as uint8 [size, size, 3]."""

    @abc.abstractmethod
    def _measure(self):
        """Returns the present state as float [vector_size]."""
