"""Games of the Atari 2600, set up as in the paper's discrete control (appendix C).

The simulator is the Arcade Learning Environment with its sticky actions: every frame takes the
action of the frame before with a probability of a quarter.
"""

import functools

import ale_py
import numpy as np
from gymnasium.spaces import Discrete

from dreamer_tf.basics import seeding
from dreamer_tf.envs.builtin import BuiltinEnv
from dreamer_tf.envs.tasks import ATARI, GAME_LIMIT, PAPERS_SIZE

STICKINESS = 0.25
NO_OPS = 30
MEMORY = 128  # Bytes of the console, which a game's whole state is in.


class Atari(BuiltinEnv):
    """One game. Actions are the choices that do something in it; rewards are its score's changes.

    The image is the maximum of the last two frames, since many games draw some things in every
    other frame only, resized. An episode begins with 1 to 30 frames without an action,
    as its seed says; they count neither as steps nor for the time limit.

    Args:
        task: `atari_<game>`.
        observation: "image", "vector" (the console's memory, divided by 255) or "both".
        action_repeat: frames that an action lasts.
        time_limit: frames of an episode.
        life_loss: whether the loss of a life terminates the episode. The next one is another
            game all the same: an episode must be a function of its seed and its actions.
        render_size: pixels a side of `render()`.
        image_size: pixels a side of the observed image.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 30}
    terminates = True

    def __init__(
        self,
        task: str,
        observation: str = "image",
        action_repeat: int = 4,
        time_limit: int = GAME_LIMIT,
        life_loss: bool = False,
        render_size: int = 240,
        image_size: int = PAPERS_SIZE,
    ):
        # Otherwise it introduces itself on stderr.
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self._game = ale_py.AtariEnv(
            task.removeprefix(ATARI), frameskip=1, repeat_action_probability=STICKINESS
        )
        self._life_loss = life_loss
        self._lives = 0
        self._frames = ()  # The last two, uint8 [210, 160, 3].
        actions = Discrete(int(self._game.action_space.n))
        super().__init__(
            observation, MEMORY, actions, action_repeat, time_limit, render_size, image_size
        )

    def _begin(self, seed):
        frame, info = self._game.reset(seed=seed)
        self._frames, self._lives = (frame, frame), info["lives"]
        for _ in range(int(seeding.generator(seed, "no-ops").integers(1, NO_OPS + 1))):
            self._advance(0)

    def _advance(self, action):
        frame, reward, over, _, info = self._game.step(action)
        self._frames = (self._frames[1], frame)
        lost = info["lives"] < self._lives
        self._lives = info["lives"]
        return float(reward), bool(over or (lost and self._life_loss))

    def _draw(self, size):
        return resize_by_area(np.maximum(*self._frames), size)

    def _measure(self):
        return self._game.ale.getRAM() / 255.0


def resize_by_area(image: np.ndarray, size: int) -> np.ndarray:
    """Returns an image, uint8 [H, W, 3], as uint8 [size, size, 3].

    Every pixel is the mean of the part of the image that it covers, rounded.
    """
    rows = _blend(image.astype(np.float32), *_shares(image.shape[0], size))
    columns = _blend(rows.swapaxes(0, 1), *_shares(image.shape[1], size))
    return np.rint(columns.swapaxes(0, 1)).astype(np.uint8)


def _blend(image, positions, weights):
    """Returns [n, W, 3]: sums of rows of [H, W, 3] at positions [n, K], times weights [n, K].

    Few rows share in a sum. The matrix product that it is would start BLAS's threads on all cores.
    """
    terms = zip(positions.T, weights.T, strict=True)
    return sum(weight[:, None, None] * image[position] for position, weight in terms)


@functools.cache
def _shares(length, size):
    """Returns which of `length` pixels each of `size` covers, int [size, K], and their shares."""
    edges = np.arange(size + 1) * (length / size)
    pixels = np.arange(length)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    covered = np.maximum(covered, 0.0)
    positions = np.argsort(-covered, axis=1, kind="stable")[:, : (covered > 0).sum(1).max()]
    shares = np.take_along_axis(covered, positions, 1) * (size / length)
    return positions, shares.astype(np.float32)
