"""Returns, weights, start states and exploration against numpy and by hand."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamer_tf.behavior import exploration, imagination, losses, returns
from dreamer_tf.config import files
from dreamer_tf.networks import distributions
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


@pytest.mark.parametrize(
    ("every", "can_end", "taken"),
    [(2, False, [1, 3, 5]), (2, True, [1, 3]), (3, True, [2]), (4, False, [3]), (6, False, [5])],
)
def test_one_of_so_many_states_starts_imagination(every, can_end, taken):
    states = State(tf.reshape(tf.range(24.0), [2, 6, 2]), tf.zeros([2, 6, 1]))
    is_terminal = tf.constant([[False, True, False, False, False, False], [False] * 6])
    start, weight = imagination.start_states(states, is_terminal, can_end, every)
    rows = np.arange(24.0).reshape(2, 6, 2)[:, taken].reshape(-1, 2)
    np.testing.assert_array_equal(start.stoch, rows)
    assert imagination.starts(6, can_end, every) == len(taken)
    # Step 1 of the first sequence is an episode's last, what follows it is another's.
    counted = [float(not (can_end and step == 1)) for step in taken]
    np.testing.assert_array_equal(weight, counted + [1] * len(taken))


class Counting:
    """Dynamics that count: stoch grows by one a step, whatever the action."""

    def prior_step(self, previous, action, noise):
        return State(previous.stoch + 1, previous.deter)


def test_an_entropy_is_that_of_the_action_which_leads_to_the_features_beside_it():
    def actor(features):
        return distributions.one_hot(features[:, :1] * tf.constant([[0.0, 1.0, 2.0]]))

    start = State(tf.constant([[0.0], [2.0]]), tf.zeros([2, 1]))
    noise = tf.zeros([4, 2, 1]), tf.zeros([4, 2, 3])
    features, entropies = imagination.imagine(Counting(), actor, start, *noise)
    np.testing.assert_array_equal(features[..., 0], [[1, 3], [2, 4], [3, 5], [4, 6]])
    before = np.array([[0, 2], [1, 3], [2, 4], [3, 5]])
    probabilities = np.exp(before[..., None] * np.arange(3.0))
    probabilities /= probabilities.sum(-1, keepdims=True)
    expected = -(probabilities * np.log(probabilities)).sum(-1)
    np.testing.assert_allclose(entropies, expected, rtol=1e-4)


def test_actor_loss_adds_the_entropies_of_the_states_whose_returns_count():
    random = np.random.default_rng(0)
    weights, lambda_returns = random.uniform(size=(2, 4, 3)).astype(np.float32)
    entropies = random.normal(size=(4, 3)).astype(np.float32)
    found = losses.actor_loss(lambda_returns, weights, entropies, 0.0)
    np.testing.assert_allclose(found, -(weights * lambda_returns).mean(), rtol=1e-5)
    found = losses.actor_loss(lambda_returns, weights, entropies, 0.7)
    expected = -(weights * (lambda_returns + 0.7 * entropies)).mean()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize(("above", "counted"), [(0.01, 0.7), (-0.01, 0.0)])
def test_entropy_is_rewarded_while_its_mean_is_below_the_limit(above, counted):
    entropies = tf.constant([[-3.0, 1.0], [0.5, -1.5]])  # Their mean is -0.75.
    with tf.GradientTape() as tape:
        tape.watch(entropies)
        weights = tf.constant([[1.0, 0.5], [0.9, 0.2]])
        loss = losses.actor_loss(tf.ones([2, 2]), weights, entropies, 0.7, -0.75 + above)
    expected = -np.mean(weights.numpy() * (1 + counted * entropies.numpy()))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(loss, entropies), -counted * weights / 4, rtol=1e-5)


def test_entropy_pulls_a_saturated_actor_back():
    parameters = tf.Variable([[6.0, -8.0]])
    noise = tf.random.stateless_normal([64, 1, 1], [0, 0])
    before = float(distributions.entropy(distributions.tanh_normal(parameters), noise)[0])
    for _ in range(300):
        with tf.GradientTape() as tape:
            loss = -distributions.entropy(distributions.tanh_normal(parameters), noise)
        parameters.assign_sub(0.5 * tape.gradient(loss, parameters))
    after = float(distributions.entropy(distributions.tanh_normal(parameters), noise)[0])
    # The most that there is on [-1, 1] is the uniform distribution's log 2.
    assert before < -5 and 0.4 < after < np.log(2) + 0.1


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
        files.load_config([], []).exploration,
        epsilon=0.4,
        epsilon_final=0.1,
        epsilon_updates=200,
    )
    found = [float(exploration.epsilon_schedule(settings_, n)) for n in (0, 100, 200, 5000)]
    np.testing.assert_allclose(found, [0.4, 0.25, 0.1, 0.1], rtol=1e-5)
