"""Distributions against closed forms and scipy."""

import numpy as np
import pytest
import scipy.optimize
import scipy.stats
import tensorflow as tf

from dreamer_tf.networks import distributions


def test_kl_between_diagonal_normals_equals_the_closed_form():
    random = np.random.default_rng(0)
    mean_p, mean_q = random.normal(size=(2, 5, 7))
    std_p, std_q = random.uniform(0.1, 2, size=(2, 5, 7))
    expected = np.log(std_q / std_p) + (std_p**2 + (mean_p - mean_q) ** 2) / (2 * std_q**2) - 0.5
    found = distributions.kl_divergence(
        distributions.normal(mean_p, std_p, event_dims=1),
        distributions.normal(mean_q, std_q, event_dims=1),
    )
    np.testing.assert_allclose(found, expected.sum(-1), rtol=1e-5)


@pytest.mark.parametrize("shape, event_dims", [((64, 64, 3), 3), ((5,), 1)])
def test_likelihood_of_unit_variance_is_summed_over_the_event(shape, event_dims):
    random = np.random.default_rng(0)
    mean, value = random.uniform(-0.5, 0.5, (2, 4, 7, *shape)).astype(np.float32)
    distribution = distributions.unit_normal(mean, event_dims)
    squares = np.square(value.astype(np.float64) - mean).reshape(4, 7, -1).sum(-1)
    expected = -0.5 * (squares + np.log(2 * np.pi) * np.prod(shape))
    np.testing.assert_allclose(distribution.log_prob(value), expected, rtol=1e-6)
    slow = distributions.normal(mean, event_dims=event_dims).log_prob(value)
    np.testing.assert_allclose(distribution.log_prob(value), slow, rtol=1e-5)
    np.testing.assert_array_equal(distribution.mean(), mean)


def tanh_normal_log_prob(parameters, action):
    """The squashed Gaussian's density in float64, by change of variables."""
    mean, raw = np.split(np.asarray(parameters, np.float64), 2, -1)
    mean = 5 * np.tanh(mean / 5)
    std = np.log1p(np.exp(raw + np.log(np.expm1(5.0)))) + 1e-4
    before = np.arctanh(np.asarray(action, np.float64))
    density = scipy.stats.norm.logpdf(before, mean, std) - np.log1p(-(np.tanh(before) ** 2))
    return density.sum(-1)


def test_tanh_normal_density_equals_scipy():
    random = np.random.default_rng(0)
    parameters = random.normal(size=(50, 6)).astype(np.float32)
    action = random.uniform(-0.99, 0.99, (50, 3)).astype(np.float32)
    found = distributions.tanh_normal(parameters).log_prob(action)
    np.testing.assert_allclose(found, tanh_normal_log_prob(parameters, action), rtol=2e-4)


@pytest.mark.parametrize("action", [-1.0, 1.0, 0.9999999, 0.0])
@pytest.mark.parametrize("raw", [-20.0, 0.0, 20.0])
def test_tanh_normal_density_and_gradient_are_finite_at_extremes(action, raw):
    parameters = tf.constant([[raw, raw]])
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        log_prob = distributions.tanh_normal(parameters).log_prob([[action]])
    assert np.isfinite(log_prob).all()
    assert np.isfinite(tape.gradient(log_prob, parameters)).all()


def test_saturated_samples_have_a_finite_density():
    distribution = distributions.tanh_normal(tf.constant([[100.0, 5.0]]))
    samples = distributions.sample(distribution, tf.constant([[30.0]]))
    assert float(samples[0, 0]) == 1.0
    assert np.isfinite(distribution.log_prob(samples)).all()


def test_tanh_normal_sample_is_reparametrised():
    parameters = tf.constant([[0.3, -2.0]])
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        action = distributions.sample(distributions.tanh_normal(parameters), [[0.7]])
    mean = 5 * np.tanh(0.3 / 5)
    exponential = np.exp(-2.0) * np.expm1(5.0)
    before = mean + (np.log1p(exponential) + 1e-4) * 0.7
    slope = 1 - np.tanh(before) ** 2
    expected = [slope * (1 - np.tanh(0.3 / 5) ** 2), slope * 0.7 * exponential / (1 + exponential)]
    np.testing.assert_allclose(action[0, 0], np.tanh(before), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(action, parameters)[0], expected, rtol=1e-4)


def test_one_hot_sample_has_the_gradient_of_the_probabilities():
    logits = tf.constant([[0.5, -1.0, 2.0]])
    weights = tf.constant([[1.0, 5.0, -2.0]])
    noise = tf.constant([[3.0, 0.0, 0.0]])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        sample = distributions.sample(distributions.one_hot(logits), noise)
        loss = tf.reduce_sum(sample * weights)
        smooth = tf.reduce_sum(tf.nn.softmax(logits) * weights)
    np.testing.assert_allclose(sample, [[1.0, 0.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(
        tape.gradient(loss, logits), tape.gradient(smooth, logits), rtol=1e-5
    )


def test_one_hot_sample_has_the_gradient_of_the_likelihood_of_what_was_chosen():
    """d(w . a) / d logits = w_c d log p_c / d logits = w_c (e_c - p), with no other entry of w."""
    logits = tf.constant([[0.5, -1.0, 2.0], [0.0, 1.0, 0.3]])
    weights = np.array([[1.0, 5.0, -2.0], [3.0, -4.0, 0.5]], np.float32)
    noise = tf.constant([[3.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    with tf.GradientTape() as tape:
        tape.watch(logits)
        sample = distributions.sample(distributions.one_hot(logits), noise, "score")
        loss = tf.reduce_sum(sample * weights)
    choice = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(sample, choice)
    probabilities = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = (weights * choice).sum(-1, keepdims=True) * (choice - probabilities)
    np.testing.assert_allclose(tape.gradient(loss, logits), expected, rtol=1e-5, atol=1e-6)


def test_gumbel_noise_samples_the_categorical():
    logits = np.array([0.0, 1.0, -1.0], np.float32)
    noise = distributions.gumbel([20000, 3], [1, 2])
    samples = distributions.sample(distributions.one_hot(tf.tile(logits[None], [20000, 1])), noise)
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(np.mean(samples, 0), expected, atol=0.02)


def test_mode_is_each_rows_own_best_sample():
    parameters = np.random.default_rng(0).normal(size=(4, 6)).astype(np.float32)
    distribution = distributions.tanh_normal(parameters)
    noise = distributions.standard_normal([100, 4, 3], [0, 1])
    found = distributions.mode(distribution, noise).numpy()
    samples = distributions.sample(distribution, noise).numpy()
    for row in range(4):
        scores = tanh_normal_log_prob(parameters[row], np.clip(samples[:, row], -0.9999, 0.9999))
        best = distribution.log_prob(found).numpy()[row]
        assert any(np.array_equal(found[row], sample) for sample in samples[:, row])
        assert best >= np.quantile(scores, 0.9)


def test_entropy_estimate_of_a_narrow_actor_is_that_of_its_gaussian():
    # Far from the borders tanh is almost the identity.
    std = 1e-2
    raw = np.log(np.expm1(std)) - np.log(np.expm1(5.0))
    distribution = distributions.tanh_normal(tf.constant([[0.0, raw]], tf.float32))
    noise = distributions.standard_normal([20000, 1, 1], [0, 1])
    expected = 0.5 * np.log(2 * np.pi * np.e * (std + 1e-4) ** 2)
    np.testing.assert_allclose(distributions.entropy(distribution, noise), [expected], atol=0.03)


def test_soft_labels_give_cross_entropy():
    found = distributions.bernoulli([0.4]).log_prob([0.99])
    probability = 1 / (1 + np.exp(-0.4))
    expected = 0.99 * np.log(probability) + 0.01 * np.log(1 - probability)
    np.testing.assert_allclose(found, [expected], rtol=1e-5)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16])
def test_distributions_of_half_precision_networks_are_float32(dtype):
    parameters = tf.zeros([2, 4], dtype)
    for distribution in (
        distributions.normal(parameters, event_dims=1),
        distributions.unit_normal(parameters, event_dims=1),
        distributions.tanh_normal(parameters),
        distributions.one_hot(parameters),
        distributions.bernoulli(parameters),
    ):
        assert distribution.dtype == tf.float32


def squashed(mean, std):
    """Returns a `tanh_normal` of one action whose normal before the tanh has this mean and std."""
    raw_mean = 5 * np.arctanh(np.array(mean) / 5)
    raw_std = np.log(np.expm1(np.array(std) - 1e-4)) - np.log(np.expm1(1.0))
    parameters = tf.constant([[raw_mean, raw_std]], tf.float32)
    return distributions.tanh_normal(parameters, init_std=1.0)


def quantiles(count):
    """Returns standard normal noise [count, 1, 1] that covers the distribution evenly."""
    shares = (np.arange(count) + 0.5) / count
    return tf.constant(scipy.stats.norm.ppf(shares)[:, None, None], tf.float32)


@pytest.mark.parametrize("mean, std", [(0.3, 0.1), (0.3, 0.5), (-1.2, 0.6), (0.2, 1.0), (0.1, 2.0)])
def test_mode_and_mean_are_those_of_the_closed_forms(mean, std):
    policy = squashed(mean, std)
    found = distributions.best_action(policy, "mean")
    np.testing.assert_allclose(found, [[np.tanh(mean)]], rtol=1e-5)
    # log p(tanh x) = -(x - mean)^2 / (2 std^2) + 2 log cosh x + ..., whose slope is zero here; the
    # root beyond the mean on its own side is the highest of them.

    def slope(x):
        return 2 * np.tanh(x) - (x - abs(mean)) / std**2

    root = np.sign(mean) * scipy.optimize.brentq(slope, abs(mean), 50)
    found = distributions.best_action(policy, "mode", quantiles(2001))
    np.testing.assert_allclose(found, [[np.tanh(root)]], atol=3e-3)


def test_the_mode_of_a_wide_policy_is_at_an_end_and_its_mean_is_not():
    found = distributions.best_action(squashed(0.1, 1.5), "mode", quantiles(100))
    assert found[0, 0] > 0.99
    assert distributions.best_action(squashed(0.1, 1.5), "mean")[0, 0] < 0.1


def test_best_one_hot_actions_are_the_likeliest_choice_either_way():
    policy = distributions.one_hot([[0.1, 0.9, 0.3], [2.0, -1.0, 1.9]])
    for how in ("mode", "mean"):
        np.testing.assert_array_equal(
            distributions.best_action(policy, how), [[0, 1, 0], [1, 0, 0]]
        )
    with pytest.raises(ValueError, match="best"):
        distributions.best_action(policy, "best")
