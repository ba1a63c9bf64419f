"""Our layers against those of Keras that they stand for."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dreamer_tf.networks.layers import (
    DenseTransposedConvolution,
    LayerFactory,
    NarrowTransposedConvolution,
    TransposedConvolution,
)


def values_and_gradients(layer, weights, inputs, *arguments):
    """Returns the layer's result and the gradients of its sum of squares, as float32 arrays."""
    for variable, value in zip(layer.trainable_variables, weights, strict=True):
        variable.assign(value)
    with tf.GradientTape() as tape:
        tape.watch([inputs, *arguments])
        result = layer(inputs, *arguments)
        result = result[0] if isinstance(result, tuple) else result
        loss = tf.reduce_sum(tf.cast(result, tf.float32) ** 2)
    found = tape.gradient(loss, [inputs, *arguments, *layer.trainable_variables])
    return [tf.cast(each, tf.float32).numpy() for each in (result, *found)]


def random_weights(layer):
    random = np.random.default_rng(1)
    return [random.standard_normal(each.shape) * 0.3 for each in layer.trainable_variables]


def normal(*shape):
    return tf.random.stateless_normal(shape, [0, 1])


def assert_same(ours, theirs, inputs, *arguments):
    weights = random_weights(theirs)
    expected = values_and_gradients(theirs, weights, inputs, *arguments)
    found = values_and_gradients(ours, weights, inputs, *arguments)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())


@pytest.mark.parametrize(
    "form, size, kernel, channels",
    [
        (TransposedConvolution, 5, 5, 4),
        (TransposedConvolution, 5, 6, 4),
        (DenseTransposedConvolution, 1, 5, 4),
        (NarrowTransposedConvolution, 7, 6, 3),
        (NarrowTransposedConvolution, 7, 4, 2),
    ],
)
def test_transposed_convolutions_are_keras_ones_in_value_and_gradient(form, size, kernel, channels):
    inputs = normal(3, size, size, 6)
    ours = LayerFactory("test", 0, "float32").transposed("ours", channels, kernel, "relu", form)
    theirs = keras.layers.Conv2DTranspose(channels, kernel, 2, activation="relu")
    for layer in (ours, theirs):
        layer.build(inputs.shape)
    assert_same(ours, theirs, inputs)


@pytest.mark.parametrize("shape", [(7, 5), (2, 3, 5), (2, 2, 3, 5)])
def test_dense_layers_are_keras_ones_in_value_and_gradient(shape):
    ours = LayerFactory("test", 0, "float32").dense("ours", 4, "elu")
    theirs = keras.layers.Dense(4, "elu")
    for layer in (ours, theirs):
        layer.build(shape)
    assert_same(ours, theirs, normal(*shape))


def test_dense_layers_keep_what_is_known_of_a_shape():
    layer = LayerFactory("test", 0, "float32").dense("ours", 4)
    layer.build((None, 5))
    shapes = []

    @tf.function(input_signature=[tf.TensorSpec([None, 3, 5])])
    def call(inputs):
        shapes.append(layer(inputs).shape.as_list())
        return layer(inputs)

    assert call(normal(2, 3, 5)).shape == (2, 3, 4)
    assert shapes[0] == [None, 3, 4]


def test_the_gru_cell_is_keras_one_in_value_and_gradient():
    ours = LayerFactory("test", 0, "float32").gru_cell("ours", 4)
    theirs = keras.layers.GRUCell(4, reset_after=True)
    for layer in (ours, theirs):
        layer.build((None, 5))
    assert_same(ours, theirs, normal(7, 5), normal(7, 4))


def test_the_gru_cell_keeps_a_state_that_half_precision_would_round():
    cell = LayerFactory("test", 0, "mixed_bfloat16").gru_cell("ours", 2)
    cell.build((None, 3))
    for variable in cell.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    # The update gate all open: the next state is the present one.
    cell.bias.assign([[100.0, 100.0, 0, 0, 0, 0], [0.0] * 6])
    state = tf.constant([[0.123456, -0.654321]])
    np.testing.assert_array_equal(cell(tf.ones([1, 3], tf.bfloat16), state), state)


@pytest.mark.parametrize(
    "name", ["dense", "convolution", "transposed", "dense_transposed", "narrow"]
)
def test_biases_learn_in_bfloat16(name):
    """TensorFlow's own sum of so many numbers ends hundreds of times too small."""
    found = {}
    for dtype in ("float32", "mixed_bfloat16"):
        make = LayerFactory("test", 0, dtype)
        layer, inputs = {
            "dense": (make.dense("x", 4), normal(30000, 3)),
            "convolution": (make.convolution("x", 4, 4, None), normal(20, 64, 64, 3)),
            "transposed": (make.transposed("x", 4, 5, None), normal(100, 9, 9, 3)),
            "dense_transposed": (
                make.transposed("x", 4, 5, None, DenseTransposedConvolution),
                normal(1500, 1, 1, 3),
            ),
            "narrow": (
                make.transposed("x", 4, 6, None, NarrowTransposedConvolution),
                normal(100, 9, 9, 3),
            ),
        }[name]
        layer.build(inputs.shape)
        layer.bias.assign([1.0, 2.0, 3.0, 4.0])
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.cast(layer(inputs), tf.float32) ** 2)
        found[dtype] = tape.gradient(loss, layer.bias.value).numpy()
    np.testing.assert_allclose(found["mixed_bfloat16"], found["float32"], rtol=0.02)
