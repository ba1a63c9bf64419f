"""A built-in task that is learnt in minutes and needs no physics or OpenGL."""

import numpy as np

from dreamer_tf.envs.builtin import BuiltinEnv, numbers
from dreamer_tf.envs.tasks import PAPERS_SIZE

BACKGROUND = (24, 24, 40)
TARGET_COLOUR = (60, 220, 90)
POINT_COLOUR = (240, 80, 60)
TARGET_RADIUS = 14 / 64
POINT_RADIUS = 9 / 64
EPISODE_STEPS = 100
STRIDE = 0.1


class ToyReach(BuiltinEnv):
    """A point in the unit square is to be moved onto a target at a random place.

    The action is the displacement in units of 0.1 per environment step. The reward of a step is
    exp(-3 * distance to the target), in (0, 1]. An episode lasts min(100, time_limit)
    environment steps and never terminates. The vector is the position of the point, then that of
    the target.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}

    def __init__(
        self,
        observation: str = "image",
        action_repeat: int = 2,
        time_limit: int = EPISODE_STEPS,
        render_size: int = 240,
        image_size: int = PAPERS_SIZE,
    ):
        limit = min(EPISODE_STEPS, time_limit)
        super().__init__(observation, 4, numbers(2), action_repeat, limit, render_size, image_size)
        self._point = np.full(2, 0.5)
        self._target = np.full(2, 0.5)

    @property
    def point(self) -> np.ndarray:
        """Position of the point, float [2] in the unit square (x, y)."""
        return self._point.copy()

    @property
    def target(self) -> np.ndarray:
        """Position of the target, float [2] in the unit square (x, y)."""
        return self._target.copy()

    def _begin(self, seed):
        random = np.random.default_rng(seed)
        self._point = random.uniform(size=2)
        self._target = random.uniform(size=2)

    def _advance(self, action):
        self._point = np.clip(self._point + STRIDE * action, 0.0, 1.0)
        return float(np.exp(-3.0 * np.linalg.norm(self._point - self._target))), False

    def _draw(self, size):
        image = np.empty((size, size, 3), np.uint8)
        image[:] = BACKGROUND
        # The point lies on top and is smaller, so that the target shows as a ring around it.
        _draw_disc(image, self._target, TARGET_RADIUS, TARGET_COLOUR)
        _draw_disc(image, self._point, POINT_RADIUS, POINT_COLOUR)
        return image

    def _measure(self):
        return np.concatenate([self._point, self._target])


def _draw_disc(image, position, radius, colour):
    """Paints a disc; `position` in the unit square, `radius` as a share of the image's side."""
    size = image.shape[0]
    margin = TARGET_RADIUS + 1 / 64
    x, y = size * (margin + (1 - 2 * margin) * position)
    pixels = np.arange(size) + 0.5
    inside = (pixels[None, :] - x) ** 2 + (pixels[:, None] - y) ** 2 <= (size * radius) ** 2
    image[inside] = colour
