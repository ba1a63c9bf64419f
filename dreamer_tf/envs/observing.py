"""Shows an agent the image, the vectors or both of any Gymnasium environment."""

import math
from typing import Any, SupportsFloat

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike
from PIL import Image

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.builtin import BuiltinEnv
from dreamer_tf.envs.repeat import optional
from dreamer_tf.envs.tasks import PAPERS_SIZE

# More numbers than this are no vector for a perceptron but, most likely, a mistaken image.
LONGEST_VECTOR = 2048
# What has fewer pixels a side is a board or a table of numbers, not an image.
SMALLEST = 16


class Observing(gymnasium.Wrapper, gymnasium.utils.RecordConstructorArgs):
    """Observes {"image": uint8 [S, S, 3]}, vectors float32 [n] under their names, or both.

    An image of another size, or a grey one, is resized. Where the environment observes none, its
    rendered frame is taken. Any other space that Gymnasium can flatten becomes a vector; one that
    is not part of a Dict is called `vector`. What is no number, as text, is left out.

    Args:
        env: the environment.
        choice: "image", "vector", "both", or "auto" for what the environment observes itself.
        image_size: pixels a side of the image, S.

    Attributes:
        notes: texts about what is left out, or taken for something else than its name says.

    Raises:
        UserError: the environment does not have what is chosen, or not in a usable form.
    """

    def __init__(self, env: gymnasium.Env, choice: str, image_size: int = PAPERS_SIZE):
        gymnasium.utils.RecordConstructorArgs.__init__(self, choice=choice, image_size=image_size)
        gymnasium.Wrapper.__init__(self, env)
        own = env.observation_space
        self._lone = not isinstance(own, spaces.Dict)
        parts = {"vector": own} if self._lone else dict(own.spaces)
        images = [name for name, space in parts.items() if _is_image(space)]
        others, self.notes = _usable(parts, images, choice)
        if choice == "auto":
            wanted = ({"image"} if images else set()) | ({"vector"} if others else set())
        else:
            wanted = {"image", "vector"} if choice == "both" else {choice}
        # What it is called here -> what it is called there, and its space.
        self._vectors = {}
        if "vector" in wanted:
            self._vectors = {_shown(name): (name, parts[name]) for name in others}
            if len(self._vectors) < len(others):
                raise UserError(
                    f"the observations {', '.join(map(repr, others))}: two of them would be called "
                    "the same here, since a vector 'image' becomes 'image_numbers'; rename one"
                )
            if not self._vectors:
                raise UserError(f"--env.observation {choice}: the environment observes no vector")
        self._image = _choose_image(images) if "image" in wanted else None
        self._shape = (image_size, image_size, 3)
        self._resized = self._image is not None and parts[self._image].shape != self._shape
        self._framed = "image" in wanted and self._image is None
        if self._framed and env.render_mode != "rgb_array":
            raise UserError(
                f"--env.observation {choice}: the environment observes no image and renders none "
                f"(its render_mode is {env.render_mode}, not rgb_array)"
            )
        found = {shown: _flat_space(*source) for shown, source in self._vectors.items()}
        if "image" in wanted:
            found["image"] = spaces.Box(0, 255, self._shape, np.uint8)
        if not found:
            raise UserError(
                "the observation space holds nothing to learn from; it needs an image or a vector"
            )
        self.observation_space = spaces.Dict(found)
        self._rendering = True

    @property
    def rendering(self) -> bool:
        """Whether images are made; when False they are zero, and nothing else changes."""
        return self._rendering

    @rendering.setter
    def rendering(self, value: bool) -> None:
        self._rendering = value
        # Somebody else's environment may have something of that name.
        if isinstance(self.env.unwrapped, BuiltinEnv):
            self.env.unwrapped.rendering = value

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
        """Starts an episode; see `gymnasium.Env.reset`."""
        observation, info = self.env.reset(seed=seed, **optional(options=options))
        return self._observe(observation), info

    def step(
        self, action: Any
    ) -> tuple[dict[str, np.ndarray], SupportsFloat, bool, bool, dict[str, Any]]:
        """Acts; see `gymnasium.Env.step`."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return self._observe(observation), reward, terminated, truncated, info

    def _observe(self, observation):
        parts = {"vector": observation} if self._lone else observation
        images = [] if self._image is None else [self._image]
        for name in [*(name for name, _ in self._vectors.values()), *images]:
            if name not in parts:
                raise UserError(f"the observation has no {name!r}, which observation_space names")
        found = {
            shown: np.asarray(spaces.flatten(space, parts[name]), np.float32)
            for shown, (name, space) in self._vectors.items()
        }
        if "image" in self.observation_space.spaces:
            empty = np.zeros(self._shape, np.uint8)
            found["image"] = self._picture(parts) if self._rendering else empty
        return found

    def _picture(self, parts):
        if self._framed:
            return resize(self.env.render(), self._shape[:2])
        image = parts[self._image]
        return resize(image, self._shape[:2]) if self._resized else image


def resize(image: ArrayLike, size: tuple[int, int]) -> np.ndarray:
    """Returns uint8 [size[1], size[0], 3] of an image [H, W], [H, W, 1] or [H, W, 3].

    Raises:
        ValueError: it is no such image.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or not _has_image_shape(image.shape):
        raise ValueError(f"an image is uint8 (H, W, 3), not {image.dtype}{image.shape}")
    picture = Image.fromarray(image.squeeze(2) if image.shape[2:] == (1,) else image)
    return np.asarray(picture.convert("RGB").resize(size, Image.Resampling.BILINEAR))


def _usable(parts, images, choice):
    """Returns ([names of the parts that can be vectors], [what a person should know]).

    Raises:
        UserError: a part is an image in a form that is not understood, and images are wanted.
    """
    usable, notes = [], []
    for name in (name for name in parts if name not in images):
        space = parts[name]
        strange = _strange_image(space)
        if strange and choice != "vector":
            raise UserError(
                f"the observation {name!r} is {strange}; or take --env.observation vector, which "
                "leaves it out"
            )
        if strange:
            notes.append(f"the observation {name!r} is left out: it is {strange}")
        elif not _is_flattenable(space):
            alone = isinstance(space, spaces.Text)
            what = "text among its numbers" if _has_text(space) and not alone else "no numbers"
            notes.append(f"the observation {name!r} is left out: {what} ({_described(space)})")
        else:
            usable.append(name)
            if _shown(name) != name or _is_tiny(space):
                notes.append(
                    f"the observation {name!r} is no image but {_described(space)}: it is taken as "
                    f"a vector, {_shown(name)!r}"
                )
    return usable, notes


def _strange_image(space):
    """Returns what an image is that cannot be taken, and what to do; None for anything else."""
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        kind = type(space).__name__
        parts = space.items() if kind == "Dict" else enumerate(space)
        inner = [name for name, each in parts if _is_image(each) or _strange_image(each)]
        if not inner:
            return None
        return (
            f"a {kind} of its own with the image {inner[0]!r} in it: bring that to the outer Dict"
        )
    if not isinstance(space, spaces.Box) or len(space.shape) not in (2, 3, 4):
        return None
    shape = space.shape
    if space.dtype != np.uint8:
        if not _has_image_shape(shape) or len(shape) == 2:
            return None  # A table of numbers may be anything.
        return f"an image of {space.dtype}, {shape}: make it uint8, from 0 to 255"
    if len(shape) == 3 and shape[0] in (1, 3) and min(shape[1:]) >= SMALLEST:
        last = (*shape[1:], shape[0])
        return f"an image with its channels first, {shape}: move them to the end, {last}"
    if len(shape) == 3 and max(shape[:2]) >= SMALLEST and min(sorted(shape)[1:]) >= SMALLEST:
        return (
            f"a stack of {min(shape)} images, or one of as many channels, {shape}: the agent has a "
            "memory, give it one image (H, W, 3)"
        )
    if len(shape) == 4 and sorted(shape)[-2] >= SMALLEST:
        return f"a stack of images, {shape}: the agent has a memory, give it one image (H, W, 3)"
    return None


def _is_flattenable(space):
    """Tells whether a space has numbers; some libraries' own spaces do not say."""
    try:
        return space.is_np_flattenable and not _has_text(space)
    except NotImplementedError:
        return False


def _has_text(space):
    """Tells whether a space is text or has some in it; Gymnasium would make character codes of it.

    Text alone has no numbers.
    """
    parts = getattr(space, "spaces", ())
    parts = parts.values() if isinstance(parts, dict) else parts
    return isinstance(space, spaces.Text) or any(map(_has_text, parts))


def _shown(name):
    """Returns what a vector is called: `image` is for images."""
    return "image_numbers" if name == "image" else name


def _described(space):
    return " ".join(str(space).split())[:160]


def _is_image(space):
    return (
        isinstance(space, spaces.Box) and space.dtype == np.uint8 and _has_image_shape(space.shape)
    )


def _is_tiny(space):
    """Tells whether a space is an image but for its size."""
    bytes_ = isinstance(space, spaces.Box) and space.dtype == np.uint8
    return bytes_ and len(space.shape) in (2, 3) and min(space.shape[:2]) < SMALLEST


def _has_image_shape(shape):
    """Tells whether a shape is that of an image: (H, W), (H, W, 1) or (H, W, 3), not tiny."""
    channels = shape[2:]
    return len(shape) in (2, 3) and channels in ((), (1,), (3,)) and min(shape[:2]) >= SMALLEST


def _choose_image(names):
    """Returns the name of the image among the observations, None if there is none."""
    if len(names) > 1:
        listed = " and ".join(repr(name) for name in names)
        raise UserError(f"the observations {listed} are images; the agent sees one: leave one out")
    return names[0] if names else None


def _flat_space(name, space):
    """Returns the Box float32 (n,) that a space is flattened to."""
    described, size = _described(space), spaces.flatdim(space)
    if not 0 < size <= LONGEST_VECTOR:
        raise UserError(
            f"the observation {name!r} has {size} numbers, a vector at most {LONGEST_VECTOR} "
            f"({described}); an image is a Box uint8 (H, W, 3)"
        )
    flat = spaces.flatten_space(space)
    if np.issubdtype(flat.dtype, np.floating):
        return spaces.Box(flat.low.astype("f4"), flat.high.astype("f4"), dtype=np.float32)
    return spaces.Box(-math.inf, math.inf, (size,), np.float32)
