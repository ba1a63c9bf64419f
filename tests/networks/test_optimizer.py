"""The optimiser's steps against those of Keras."""

import keras
import numpy as np
import tensorflow as tf

from dreamer_tf.networks.optimizer import LARGEST_LOSS_SCALE, FusedAdam, Optimizer, adam, rmsprop


def steps(optimizer_class, count):
    """Returns weights, moments and counters after steps on gradients that are clipped and not."""
    random = np.random.default_rng(0)
    shapes = ((5, 4), (3,), ())
    weights = [keras.Variable(random.standard_normal(shape), dtype="float32") for shape in shapes]
    optimizer = optimizer_class(1e-2, epsilon=1e-3, global_clipnorm=5.0)
    optimizer.build(weights)
    apply = tf.function(lambda gradients: optimizer.apply(gradients, weights), autograph=False)
    for number in range(count):
        scale = 0.1 if number % 2 else 10.0
        gradients = [scale * random.standard_normal(each.shape) for each in weights]
        apply([tf.constant(each, tf.float32) for each in gradients])
    return [variable.numpy() for variable in (*weights, *optimizer.variables)]


def test_fused_adam_makes_the_steps_of_keras_adam():
    ours, theirs = steps(FusedAdam, 50), steps(keras.optimizers.Adam, 50)
    assert len(ours) == len(theirs) == 3 + 2 + 6
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    assert np.abs(ours[0] - steps(FusedAdam, 0)[0]).max() > 0.1


def test_a_variable_that_the_loss_does_not_depend_on_stays():
    used, unused = (keras.Variable(np.ones(3), dtype="float32") for _ in range(2))
    optimizer = Optimizer("some", [used, unused], adam(1e-2, 100.0, 1e-7), scale_loss=False)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.convert_to_tensor(used) ** 2)
    optimizer.apply(optimizer.gradients(tape, loss))
    np.testing.assert_allclose(used, np.full(3, 0.99), rtol=1e-5)
    np.testing.assert_array_equal(unused, np.ones(3))


def test_a_loss_scale_that_nothing_overflows_stays_finite_and_what_follows_learns():
    weight = keras.Variable(np.ones(2), dtype="float32")
    optimizer = Optimizer("some", [weight], adam(1e-2, 100.0, 1e-7), scale_loss=True)
    optimizer.scaler.dynamic_growth_steps = 1
    scales = []
    for _ in range(200):
        optimizer.apply([tf.zeros(2)])
        scales.append(float(optimizer.scale))
    assert scales[0] < scales[5] < scales[-1] == LARGEST_LOSS_SCALE
    np.testing.assert_array_equal(weight, [1, 1])
    optimizer.apply([tf.ones(2)])
    assert (weight.numpy() < 1).all()


def test_rmsprop_is_damped_below_the_root_and_annealed():
    random = np.random.default_rng(0)
    expected, mean = np.array([1.0, -2.0, 0.5]), np.zeros(3)
    weight = keras.Variable(expected, dtype="float32")
    method = rmsprop(0.5, decay=0.9, damping=0.1, updates=8)
    optimizer = Optimizer("loss", [weight], method, scale_loss=False)
    for update in range(10):
        gradient = random.standard_normal(3)
        mean = 0.9 * mean + 0.1 * gradient**2
        expected = expected - 0.5 * max(1 - update / 8, 0) * gradient / np.sqrt(mean + 0.1)
        optimizer.apply([tf.constant(gradient, tf.float32)])
        np.testing.assert_allclose(weight.numpy(), expected, rtol=1e-5)
    assert len(optimizer.variables) == 2
