"""Returns, weights, start states and exploration against numpy and by hand."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamer_tf import config as configuration
from dreamer_tf.behavior import exploration, imagination, returns
from dreamer_tf.world_model.rssm import State


def lambda_return_by_definition(reward, value, discount, lambda_):
    """Equation 6: the weighted sum of the n-step returns of equation 5, in float64.

    value holds one entry more than reward: the last is the bootstrap.
    """
    steps = len(reward)
    found = np.zeros(steps)
    for start in range(steps):
        longest = steps - start

        def n_step(n, start=start):
            factors = np.cumprod(np.concatenate([[1.0], discount[start : start + n]]))
            rewards = (factors[:-1] * reward[start : start + n]).sum()
            return rewards + factors[-1] * value[start + n]

        found[start] = lambda_ ** (longest - 1) * n_step(longest) + (1 - lambda_) * sum(
            lambda_ ** (n - 1) * n_step(n) for n in range(1, longest)
        )
    return found


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 2**31), steps=st.integers(1, 15), lambda_=st.sampled_from([0, 0.5, 0.95, 1])
)
def test_lambda_return_equals_its_definition(seed, steps, lambda_):
    random = np.random.default_rng(seed)
    reward, discount = random.normal(size=steps), random.uniform(0, 1, steps)
    value = random.normal(size=steps + 1)
    cast = [np.asarray(x, np.float32)[:, None] for x in (reward, value[:-1], discount)]
    found = returns.lambda_return(*cast, np.float32(value[-1:]), lambda_)
    expected = lambda_return_by_definition(reward, value, discount, lambda_)
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-4, atol=1e-5)


def test_trajectory_weights_are_the_product_of_earlier_discounts():
    discount = tf.constant([[0.9, 0.5], [0.8, 0.5], [0.0, 0.5]])
    found = returns.trajectory_weights(discount, tf.constant([1.0, 0.0]))
    np.testing.assert_allclose(found, [[1, 0], [0.9, 0], [0.72, 0]], rtol=1e-6)


def test_weights_carry_no_gradient():
    discount = tf.constant([[0.9], [0.8]])
    with tf.GradientTape() as tape:
        tape.watch(discount)
        weights = returns.trajectory_weights(discount, tf.ones([1]))
    assert tape.gradient(weights, discount) is None


@pytest.mark.parametrize("can_end", [False, True])
def test_start_states_keep_their_order_and_know_ended_episodes(can_end):
    states = State(tf.reshape(tf.range(12.0), [2, 3, 2]), tf.zeros([2, 3, 1]))
    is_terminal = tf.constant([[False, True, False], [False, False, True]])
    start, weight = imagination.start_states(states, is_terminal, can_end)
    rows = np.arange(12.0).reshape(2, 3, 2)[:, : 3 - can_end].reshape(-1, 2)
    np.testing.assert_array_equal(start.stoch, rows)
    expected = [1, 0, 1, 1] if can_end else np.ones(6)
    np.testing.assert_array_equal(weight, expected)


def test_additive_noise_has_its_scale_and_is_clipped():
    noise = np.random.default_rng(0).normal(size=(100000, 1)).astype(np.float32)
    found = exploration.additive_noise(np.zeros_like(noise), 0.3, noise).numpy()
    assert abs(found.std() - 0.3) < 0.005
    assert exploration.additive_noise(np.float32([[0.9]]), 0.3, np.float32([[5]])) == [[1.0]]


def test_epsilon_greedy_replaces_that_fraction():
    count = 50000
    action = tf.one_hot(tf.zeros([count], tf.int32), 4)
    random = np.random.default_rng(0)
    choice = random.gumbel(size=(count, 4)).astype(np.float32)
    coin = random.uniform(size=count).astype(np.float32)
    found = exploration.epsilon_greedy(action, 0.4, choice, coin).numpy()
    np.testing.assert_allclose(found.mean(0), [0.7, 0.1, 0.1, 0.1], atol=0.01)
    assert (found.sum(-1) == 1).all()


def test_epsilon_falls_linearly_and_stays():
    settings_ = dataclasses.replace(
        configuration.load_config([], []).exploration,
        epsilon=0.4,
        epsilon_final=0.1,
        epsilon_updates=200,
    )
    found = [float(exploration.epsilon_schedule(settings_, n)) for n in (0, 100, 200, 5000)]
    np.testing.assert_allclose(found, [0.4, 0.25, 0.1, 0.1], rtol=1e-5)
