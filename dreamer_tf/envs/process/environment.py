"""An environment to step by hand, from Python."""

import numbers
from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.given import as_array
from dreamer_tf.envs.process.remote import RemoteEnv


class Environment:
    """An environment to step by hand; also a context manager that ends its process.

    Records are single time steps with the fields of `EnvSpec.record_dtype`.

    Args:
        worker: its `RemoteEnv`.
        frames: whether the worker was started to render.
    """

    def __init__(self, worker: RemoteEnv, frames: bool = True):
        self.worker = worker
        self._frames = frames
        self._lacking = "no episode has begun"

    def reset(self, seed: int | np.integer = 0) -> np.ndarray:
        """Starts the episode of a seed in [0, 2**32); returns its first record."""
        if not (isinstance(seed, numbers.Integral) and 0 <= seed < 2**32):
            raise UserError(f"a seed is a whole number from 0 to 2**32 - 1, not {seed!r}")
        self.worker.send_reset(int(seed))
        return self.receive()

    def step(self, action: ArrayLike) -> np.ndarray:
        """Takes an action float32 [A]; returns the next record.

        Raises:
            UserError: it is no action of this environment, or no episode is under way.
        """
        self.send_step(action)
        return self.receive()

    def send_step(self, action: ArrayLike) -> None:
        """Begins a step, see `step`; `receive` waits for its record."""
        if self._lacking:
            raise UserError(f"{self._lacking}: call reset before step")
        action = as_array("an action", action, (self.worker.spec.action_size,), np.float32)
        self.worker.send_step(action)

    def receive(self) -> np.ndarray:
        """Returns the record of the step begun last."""
        record = self.worker.receive()
        self._lacking = "the episode is over" if record["is_last"] else ""
        return record

    @property
    def can_render(self) -> bool:
        """Whether `render` gives frames."""
        return self._frames and self.worker.can_render

    def render(self) -> np.ndarray:
        """Returns the present state as uint8 [H, W, 3] at a readable size.

        Raises:
            UserError: nothing can be rendered; the environment goes on.
        """
        if not self.can_render:
            raise UserError("this environment renders no frames here: ask its can_render first")
        return self.worker.render()

    def close(self) -> None:
        """Ends the process."""
        self.worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        self.close()
