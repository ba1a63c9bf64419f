"""Turns an environment into a source of records: actions in, one record per time step out."""

from collections.abc import Iterator

import gymnasium
import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.spec import EnvSpec


class RecordingEnv:
    """Steps a `gymnasium.Env` and writes down what a replay needs.

    Args:
        env: an environment of `make_env`; its `rendering` attribute is used by `replay`.
        spec: its EnvSpec.
    """

    def __init__(self, env: gymnasium.Env, spec: EnvSpec):
        self._env = env
        self._spec = spec

    def reset(self, seed: int) -> np.ndarray:
        """Starts the episode of a seed; returns its first record: zero action and reward."""
        observation, _ = self._env.reset(seed=seed)
        record = self._record(observation, np.zeros(self._spec.action_size), 0.0)
        record["is_first"] = True
        return record

    def step(self, action: np.ndarray) -> np.ndarray:
        """Acts and returns the record of the time step that the action led to.

        Args:
            action: float32 [A]; the largest entry counts if the environment is discrete,
                otherwise [-1, 1] spans the bounds of its action space.

        Raises:
            ValueError: the action, observation or reward is not what the spec says.
        """
        performed, recorded = self._convert(action)
        observation, reward, terminated, truncated, _ = self._env.step(performed)
        record = self._record(observation, recorded, reward)
        record["is_last"] = terminated or truncated
        record["is_terminal"] = terminated
        return record

    def replay(self, seed: int, actions: np.ndarray) -> Iterator[np.ndarray]:
        """Yields T + 1 records, without images, of an episode replayed; it can then go on.

        Args:
            seed: the episode's seed.
            actions: float32 [T, A]. Rewards after an early end are NaN, which equal nothing.
        """
        self._set_rendering(False)
        try:
            record = self.reset(seed)
            yield self._blind(record)
            for action in actions:
                if record["is_last"]:
                    record["reward"] = np.nan
                else:
                    record = self.step(action)
                yield self._blind(record)
        finally:
            self._set_rendering(True)

    def render(self) -> np.ndarray:
        """Returns the present state as uint8 [H, W, 3] at a readable size.

        Raises:
            UserError: the environment renders nothing.
            ValueError: what it renders is no image.
        """
        if self._env.render_mode != "rgb_array":
            mode = self._env.render_mode
            raise UserError(f"the environment renders no frames: render_mode {mode}, not rgb_array")
        image = np.asarray(self._env.render())
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ValueError(f"a rendered frame is {image.dtype}{image.shape}, not uint8 (H, W, 3)")
        return np.ascontiguousarray(image)

    def close(self) -> None:
        """Closes the environment."""
        self._env.close()

    def _blind(self, record):
        found = np.zeros((), self._spec.blind_dtype)
        for name in found.dtype.names:
            found[name] = record[name]
        return found

    def _set_rendering(self, value):
        self._env.set_wrapper_attr("rendering", value, force=False)

    def _convert(self, action):
        """Returns the action as the environment wants it and as it is recorded."""
        if action.shape != (self._spec.action_size,) or not np.isfinite(action).all():
            raise ValueError(f"action {action} is not {self._spec.action_size} finite numbers")
        space, clipped = self._env.action_space, self._spec.performed(action)
        if self._spec.discrete:
            return int(np.argmax(clipped)) + int(space.start), clipped
        low, high = space.low.astype(np.float64), space.high.astype(np.float64)
        performed = (high + low) / 2 + (high - low) / 2 * clipped
        return np.clip(performed.astype(space.dtype), space.low, space.high), clipped

    def _record(self, observation, action, reward):
        record = np.zeros((), self._spec.record_dtype)
        for name, (shape, dtype) in self._spec.observations.items():
            value = np.asarray(observation[name])
            if value.shape != shape or (dtype == "|u1" and value.dtype != np.uint8):
                raise ValueError(f"observation '{name}' is {value.dtype}{value.shape}, not {shape}")
            if not np.isfinite(value).all():
                raise ValueError(f"observation '{name}' is not finite: {value}")
            record[name] = value
        record["action"] = action
        with np.errstate(over="ignore"):  # What is beyond float32 is found below.
            record["reward"] = reward
        if not np.isfinite(record["reward"]):
            raise ValueError(f"the reward is {reward}")
        return record
