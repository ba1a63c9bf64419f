"""What an environment is said to be: images that become vectors, limits of its own."""

import gymnasium
import numpy as np
import pytest
from environments_for_tests import ActionEcho
from gymnasium import spaces
from gymnasium.wrappers import TimeLimit

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import make_env
from dreamer_tf.envs.observing import Observing
from dreamer_tf.envs.repeat import own_limit

TINY = spaces.Box(0, 255, (8, 8, 3), np.uint8)
IMAGE = spaces.Box(0, 255, (20, 20, 3), np.uint8)


class Observed(ActionEcho):
    """Observes a space, and does not end."""

    def __init__(self, space):
        self.observation_space = space

    def reset(self, *, seed=None, options=None):
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 1.0, False, False, {}


@pytest.mark.parametrize("lost", ["speed", "camera"])
def test_a_part_that_an_observation_lacks_is_named(lost):
    env = Observed(spaces.Dict(speed=spaces.Box(-1, 1, (2,)), camera=IMAGE))
    seen = Observing(env, "both")
    part = env.observation_space.sample()
    del part[lost]
    env.reset = lambda seed=None, options=None: (part, {})
    with pytest.raises(UserError, match=f"the observation has no '{lost}', which observation_sp"):
        seen.reset()


def test_a_text_alone_has_no_numbers():
    (note,) = Observing(Observed(spaces.Dict(a=IMAGE, says=spaces.Text(5))), "auto").notes
    assert "'says' is left out: no numbers" in note


@pytest.mark.parametrize("space", [TINY, spaces.Dict(pixels=TINY)])
def test_an_image_that_is_too_small_to_be_one_is_told_whatever_its_name(space):
    env = Observing(Observed(space), "auto")
    (note,) = env.notes
    assert "is no image but Box(0, 255, (8, 8, 3), uint8): it is taken as a vector" in note
    (found,) = env.observation_space.values()
    assert found.shape == (192,)


@pytest.mark.parametrize(
    "mixed",
    [
        spaces.Dict(speed=spaces.Box(-1, 1, (2,)), says=spaces.Text(5)),
        spaces.Tuple([spaces.Discrete(2), spaces.Dict(says=spaces.Text(3))]),
    ],
)
def test_text_amid_numbers_is_left_out_and_no_letter_becomes_a_number(mixed):
    env = Observing(Observed(spaces.Dict(a=spaces.Box(-1, 1, (3,)), mixed=mixed)), "auto")
    (note,) = env.notes
    assert "the observation 'mixed' is left out: text among its numbers" in note
    assert list(env.observation_space) == ["a"]


def test_text_amid_numbers_alone_is_nothing_to_learn_from():
    mixed = spaces.Tuple([spaces.Discrete(2), spaces.Text(3)])
    with pytest.raises(UserError, match="holds nothing to learn from"):
        Observing(Observed(mixed), "auto")


def test_an_image_in_a_tuple_is_refused_as_one_in_a_dict():
    space = spaces.Tuple([IMAGE, spaces.Discrete(2)])
    with pytest.raises(UserError, match="a Tuple of its own with the image 0 in it"):
        Observing(Observed(space), "auto")
    numbers = spaces.Tuple([spaces.Box(-1, 1, (3,)), spaces.Discrete(2)])
    env = Observing(Observed(numbers), "auto")
    assert env.observation_space["vector"].shape == (5,) and env.notes == []


@pytest.mark.parametrize("limits", [(30,), (3000,), (30, 3000), (3000, 30)])
def test_gymnasiums_wrapper_is_a_limit_of_its_own(limits):
    def limited():
        env = Observed(spaces.Box(-1, 1, (3,), np.float32))
        for limit in limits:
            env = gymnasium.wrappers.OrderEnforcing(TimeLimit(env, limit))
        return env

    assert own_limit(limited()) == min(limits)
    env = make_env("mine:limited", factory=limited)
    assert env.limited and env.get_wrapper_attr("time_limit") == min(limits)
    env.reset(seed=0)
    length, over = 0, False
    while not over:
        _, _, terminated, truncated, _ = env.step(np.zeros(env.action_space.shape, np.float32))
        length, over = length + 1, terminated or truncated
    assert length == min(limits)
