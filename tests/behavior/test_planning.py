"""The cross-entropy method against problems whose best action sequence is known."""

import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import tiny_config

from dreamer_tf.basics.errors import UserError
from dreamer_tf.behavior.planning import plan
from dreamer_tf.world_model.rssm import State

SEED = np.array([3, 4], np.int32)
HORIZON = 4
STEP, EFFORT = 0.5, 0.1


def settings(**changes):
    sizes = {"horizon": HORIZON, "candidates": 1000, "elites": 100, "iterations": 10, **changes}
    keys = {f"planner__{name}": value for name, value in sizes.items()}
    return tiny_config(agent="planet", **keys).planner


def transition(state, action, noise):
    """A point that actions push; deter remembers the last action for the reward."""
    return State(state.stoch + STEP * action, action)


def reward(features):
    """Near the origin and without effort, summed over two dimensions."""
    position, action = tf.split(features, 2, -1)
    return -tf.reduce_sum(position**2 + EFFORT * action**2, -1)


def best_actions(position):
    """The optimum of the quadratic problem for one coordinate: a linear system."""
    lower = STEP * np.tril(np.ones([HORIZON, HORIZON]))
    return np.linalg.solve(
        lower.T @ lower + EFFORT * np.eye(HORIZON), -lower.T @ np.full(HORIZON, position)
    )


def first_actions(positions, config, seed=SEED):
    start = State(tf.constant(positions, tf.float32), tf.zeros([len(positions), 2]))
    return plan(transition, reward, start, config, 2, seed).numpy()


def test_the_plan_is_the_analytic_optimum_for_every_start():
    positions = np.array([[0.4, -0.3], [0.0, 0.0], [-0.2, 0.5]])
    expected = np.vectorize(lambda x: best_actions(x)[0])(positions)
    assert np.abs(expected).max() < 1, "inside the bounds, or the optimum is another one"
    found = first_actions(positions, settings())
    np.testing.assert_allclose(found, expected, atol=0.03)
    # One round of the same search is far from it.
    rough = first_actions(positions, settings(iterations=1))
    assert np.abs(rough - expected).max() > 0.1


def test_plans_stay_within_the_bounds_of_actions():
    found = first_actions([[30.0, -30.0]], settings())
    np.testing.assert_allclose(found, [[-1, 1]], atol=1e-2)


def test_a_plan_depends_on_its_seed_and_its_own_start_alone():
    config = settings(iterations=2)
    np.testing.assert_array_equal(*(first_actions([[1.0, 2.0]], config) for _ in range(2)))
    other = first_actions([[1.0, 2.0]], config, SEED + 1)
    assert not np.array_equal(first_actions([[1.0, 2.0]], config), other)


def test_the_score_is_the_plain_sum_of_rewards_after_every_action():
    """A reward of the last step alone decides, however far it is."""
    seen = []

    def late(features):
        seen.append(features.shape)
        return tf.concat([tf.zeros_like(features[:-1, :, 0]), features[-1:, :, 0]], 0)

    start = State(tf.zeros([1, 2]), tf.zeros([1, 2]))
    found = plan(transition, late, start, settings(horizon=12), 2, SEED).numpy()
    assert seen[0] == (12, 1000, 4)
    assert found[0, 0] > 0.5 and abs(found[0, 1]) < 0.5


def test_more_elites_than_candidates_are_refused():
    with pytest.raises(UserError, match=r"planner\.elites 20 is more than planner\.candidates 10"):
        settings(candidates=10, elites=20)
