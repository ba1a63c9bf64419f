"""Odd environments, named by tests as `environments_for_tests:<class>`."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gymnasium
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete

ROOT = Path(__file__).resolve().parent.parent
IMAGE = Box(0, 255, (64, 64, 3), np.uint8)


def shade(action):
    """Grey level that stands for an action."""
    return round(float(action) * 100) + 128


class ActionEcho(gymnasium.Env):
    """The reward is the last action, the image shows it."""

    observation_space = Dict(image=IMAGE)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self._observation(0.0), {}

    def step(self, action):
        return self._observation(action[0]), float(action[0]), False, False, {}

    def _observation(self, action):
        return {"image": np.full((64, 64, 3), shade(action), np.uint8)}


class Endless(ActionEcho):
    """Says that it never terminates."""

    terminates = False


class Hopeless(ActionEcho):
    """Ends its worker at every reset."""

    def reset(self, *, seed=None, options=None):
        os._exit(3)


class Terminating(ActionEcho):
    """Terminates at its fifth step."""

    def reset(self, *, seed=None, options=None):
        self._count = 0
        return super().reset(seed=seed)

    def step(self, action):
        observation, reward, _, _, info = super().step(action)
        self._count += 1
        return observation, reward, self._count == 5, False, info


class Slow(gymnasium.Env):
    """Steps take 5 ms; a file `raise` in the temporary folder makes one step raise, once."""

    observation_space = Box(-1, 1, (2,), np.float32)
    action_space = Box(-1.0, 1.0, (2,), np.float32)
    terminates = False

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2, np.float32), {}

    def step(self, action):
        time.sleep(0.005)
        try:
            (Path(tempfile.gettempdir()) / "raise").unlink()
        except FileNotFoundError:  # The usual case, also where another process was faster.
            return action, float(action[0]), False, False, {}
        raise ValueError("the gripper slipped")


class Promising(Terminating):
    """Says that it never terminates, and does."""

    terminates = False


class ArrayReward(ActionEcho):
    def step(self, action):
        return self._observation(0.0), np.array([1.5]), False, False, {}


class Board(ActionEcho):
    observation_space = Box(0, 2, (6, 7), np.uint8)

    def _observation(self, action):
        return np.ones((6, 7), np.uint8)


class Unseeded(gymnasium.Env):
    """Not a function of its seed: the reward is, the vector is not."""

    observation_space = Box(0, 1, (1,), np.float32)
    action_space = Box(-1.0, 1.0, (1,), np.float32)

    def reset(self, *, seed=None, options=None):
        return np.random.default_rng().uniform(size=1).astype(np.float32), {}

    def step(self, action):
        return np.random.default_rng().uniform(size=1).astype(np.float32), 1.0, False, False, {}


class Drawing(ActionEcho):
    """Its picture tells how often it has drawn; `rendering` is a method of its own."""

    observation_space = Box(-1, 1, (1,), np.float32)
    render_mode = "rgb_array"
    drawn = 0

    def rendering(self):
        return "mine"

    def render(self):
        assert self.rendering() == "mine"
        self.drawn += 1
        return np.full((64, 64, 3), self.drawn, np.uint8)

    def _observation(self, action):
        assert self.rendering() == "mine"
        return np.float32([action])


class StrictVector(ActionEcho):
    """Its constructor knows no render mode."""

    observation_space = Box(-1, 1, (1,), np.float32)

    def __init__(self, size=1):
        self.size = size

    def _observation(self, action):
        return np.float32([action])


class Optionless(StrictVector):
    """Its reset knows no options."""

    def reset(self, *, seed=None):
        return super().reset(seed=seed)


class Clumsy(ActionEcho):
    """Its constructor fails with a TypeError of its own."""

    def __init__(self):
        len(3)


gymnasium.register("Clumsy-v0", entry_point=Clumsy)


class Simulator(ActionEcho):
    """Starts a program and a fork of itself; the reward is 1 where both end when they are told.

    Its end takes two seconds and a half, and leaves the file that SIMULATOR_MARK names. Both
    children print their ids.
    """

    def __init__(self):
        self.program = subprocess.Popen(["sleep", "3600"], start_new_session=False)
        self.fork = os.fork()
        if self.fork == 0:
            while True:
                time.sleep(1)
        Path(os.environ["SIMULATOR_MARK"]).write_text(f"{self.program.pid} {self.fork}")

    def step(self, action):
        if action > 0:
            os._exit(3)  # The fork holds the pipe.
        self.program.terminate()
        os.kill(self.fork, signal.SIGTERM)
        ends = [-self.program.wait(), os.waitpid(self.fork, 0)[1]]
        return self._observation(0.0), float(ends == [15, 15]), False, False, {}

    def close(self):
        time.sleep(2.5)
        Path(os.environ["SIMULATOR_MARK"] + "-closed").touch()


class Choosing(gymnasium.Env):
    """Discrete actions 3, 4, 5 and 6; the observation is a lone vector of the last one."""

    observation_space = Box(-np.inf, np.inf, (2,), np.float64)
    action_space = Discrete(4, start=3)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.zeros(2), {}

    def step(self, action):
        assert type(action) is int
        return np.full(2, action / 10), 1.0, False, False, {}


class Walk(gymnasium.Env):
    """Two actions, seen as a vector; terminates after a number of steps that the seed says."""

    observation_space = Dict(vector=Box(0, 1, (1,), np.float32))
    action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self._left = int(self.np_random.integers(3, 30))
        return self._observation(0.0), {}

    def step(self, action):
        self._left -= 1
        return self._observation(float(action)), float(action), self._left == 0, False, {}

    def _observation(self, action):
        return {"vector": np.array([action], np.float32)}


class Scaled(ActionEcho):
    """Bounds that are not [-1, 1]; the reward is the sum of the actions as performed."""

    action_space = Box(np.array([-3.0, 0.0]), np.array([-1.0, 8.0]), dtype=np.float64)

    def step(self, action):
        assert self.action_space.contains(action)
        return self._observation(0.0), float(action.sum()), False, False, {}


class Mixed(ActionEcho):
    """An image and two vectors, listed in no order."""

    observation_space = Dict(
        {
            "zeta": Box(-1, 1, (2,), np.float32),
            "image": IMAGE,
            "alpha": Box(-1, 1, (3,), np.float64),
        }
    )

    def _observation(self, action):
        vectors = {"zeta": np.full(2, action), "alpha": np.full(3, -action)}
        return {**super()._observation(action), **vectors}


class Raising(ActionEcho):
    """Raises at its first step."""

    def step(self, action):
        raise ValueError("the gripper melted")


class Leaving(ActionEcho):
    """Ends its process at its first step, after a last word."""

    def step(self, action):
        print("the simulator has no licence", file=sys.stderr, flush=True)
        os._exit(7)


class Exiting(ActionEcho):
    """A library that calls sys.exit."""

    def step(self, action):
        sys.exit("cannot go on")


class Sleeping(ActionEcho):
    """Never comes back from its first step."""

    def step(self, action):
        time.sleep(3600)


class Printing(ActionEcho):
    """Prints to stdout in three ways and reads stdin."""

    def step(self, action):
        print("noise " * 1000)
        os.write(1, b"r\0\0\0\0\0\0\0\0")
        subprocess.run(["echo", "more noise"], check=True)
        assert sys.stdin.read() == ""
        return super().step(action)


class Jackpot(ActionEcho):
    """From its tenth episode on, one reward is so large that its square is not finite."""

    observation_space = Dict(speed=Box(-1, 1, (1,), np.float32))
    episodes = 0

    def reset(self, *, seed=None, options=None):
        self.episodes, self.steps = self.episodes + 1, 0
        return super().reset(seed=seed)

    def step(self, action):
        self.steps += 1
        observation, reward, *rest = super().step(action)
        jackpot = self.episodes >= 10 and self.steps == 7
        return observation, 1e30 if jackpot else reward, *rest

    def _observation(self, action):
        return {"speed": np.float32([action])}


class WrongType(ActionEcho):
    """Returns floats where its space promises bytes."""

    def step(self, action):
        return {"image": np.zeros((64, 64, 3))}, 0.0, False, False, {}


class WrongShape(ActionEcho):
    """Returns an image that numpy would broadcast."""

    def step(self, action):
        return {"image": np.zeros((64, 64, 1), np.uint8)}, 0.0, False, False, {}


class NotANumber(ActionEcho):
    """Rewards NaN."""

    def step(self, action):
        return self._observation(0.0), float("nan"), False, False, {}


class Overflowing(ActionEcho):
    """Rewards more than float32 can say."""

    def step(self, action):
        return self._observation(0.0), 1e39, False, False, {}


class OldStyle(ActionEcho):
    """Its reset takes no seed."""

    def reset(self):
        return self._observation(0.0)


class Crooked(ActionEcho):
    time_limit = "ten"


def Broken():
    """A factory that fails."""
    raise FileNotFoundError("no such robot")


def not_an_environment():
    """A factory that makes something else."""
    return "a string"
