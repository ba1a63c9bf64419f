"""Environments with odd spaces, named by tests as `spaces_for_tests:<class>`."""

import gymnasium
import numpy as np
from environments_for_tests import IMAGE, ActionEcho
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Sequence, Space, Text


class Camera(ActionEcho):
    """Its only image has another size and name, and comes with numbers of several kinds."""

    observation_space = Dict(
        camera=Box(0, 255, (96, 128, 3), np.uint8),
        counts=Box(0, 9, (2, 2), np.int64),
        gear=Discrete(3),
        speed=Box(-9, 9, (2,), np.float64),
    )

    def _observation(self, action):
        picture = np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)
        numbers = {"counts": np.array([[1, 2], [3, 4]]), "gear": 1, "speed": np.array([0.5, -2.0])}
        return {"camera": picture, **numbers}


class Grey(ActionEcho):
    """A lone grey image."""

    observation_space = Box(0, 255, (128, 64), np.uint8)

    def _observation(self, action):
        return np.repeat(np.arange(128, dtype=np.uint8)[:, None], 64, 1)


class Speaking(ActionEcho):
    observation_space = Dict(image=IMAGE, words=Text(9))


class Growing(ActionEcho):
    observation_space = Dict(image=IMAGE, list=Sequence(Box(-1, 1, (1,), np.float32)))


class FloatImage(ActionEcho):
    observation_space = Dict(image=Box(0, 1, (64, 64, 3), np.float32))


class Mosaic(ActionEcho):
    observation_space = Dict(mosaic=Box(0, 1, (64, 64, 3), np.float32))


class Table(ActionEcho):
    observation_space = Dict(table=Box(0, 1, (96, 128), np.float32))


class ChannelFirst(ActionEcho):
    observation_space = Dict(image=Box(0, 255, (3, 48, 64), np.uint8), speed=Box(-1, 1, (2,)))


class Stacked(ActionEcho):
    observation_space = Dict(image=Box(0, 255, (64, 64, 4), np.uint8))


class StackedFirst(ActionEcho):
    observation_space = Dict(image=Box(0, 255, (4, 64, 64, 3), np.uint8))


class Nested(ActionEcho):
    observation_space = Dict(camera=Dict(left=IMAGE), speed=Box(-1, 1, (2,), np.float32))


class OnlyText(ActionEcho):
    observation_space = Dict(words=Text(9))


class Mission(Space):
    """A space of a library's own, which knows only what it must."""


class Grid(ActionEcho):
    """As MiniGrid: the image is a table of 7 x 7 cells, the mission a space of its own."""

    observation_space = Dict(
        direction=Discrete(4), image=Box(0, 255, (7, 7, 3), np.uint8), mission=Mission()
    )

    def _observation(self, action):
        cells = np.arange(147, dtype=np.uint8).reshape(7, 7, 3)
        return {"direction": 2, "image": cells, "mission": "go"}


class Blind(ActionEcho):
    observation_space = Dict()


class TwoImages(ActionEcho):
    observation_space = Dict(image=IMAGE, wrist=IMAGE)


class WrongSize(Camera):
    """Its picture has a channel more than it says."""

    def step(self, action):
        observation, *rest = super().step(action)
        return {**observation, "camera": np.zeros((16, 16, 4), np.uint8)}, *rest


class Infinite(Camera):
    def step(self, action):
        observation, *rest = super().step(action)
        return {**observation, "speed": np.array([0.5, np.inf])}, *rest


class Reserved(ActionEcho):
    observation_space = Dict(image=IMAGE, reward=Box(0, 1, (1,), np.float32))


class Namesakes(ActionEcho):
    """A vector has the name that a vector called image gets."""

    observation_space = Dict(
        image=Box(-1, 1, (4,), np.float32), image_numbers=Box(-1, 1, (3,), np.float32)
    )


class Unbounded(ActionEcho):
    action_space = Box(-np.inf, np.inf, (2,), np.float32)


class Huge(ActionEcho):
    action_space = Box(-np.finfo(np.float64).max, np.finfo(np.float64).max, (2,), np.float64)


class Astronomical(ActionEcho):
    action_space = Discrete(10**9)


class Many(gymnasium.Env):
    """Two hundred vectors, some with names in other scripts."""

    names = [*(f"sensor-{i:03d}/joint's" for i in range(200)), "θ", "位置"]
    observation_space = Dict({name: Box(-1, 1, (1,), np.float32) for name in names})
    action_space = Box(-1.0, 1.0, (1,), np.float32)
    time_limit = 40

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observation(), {}

    def step(self, action):
        return self._observation(), 1.0, False, False, {}

    def _observation(self):
        return {name: self.np_random.uniform(size=1).astype("f4") for name in self.names}


class Nameless(ActionEcho):
    observation_space = Dict({"": Box(-1, 1, (1,), np.float32)})


class SeveralChoices(ActionEcho):
    action_space = MultiDiscrete([2, 3])
