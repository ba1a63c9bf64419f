"""Layers with explicit names, precision and seeds.

Keras draws initial weights from global random state unless an initialiser is given a seed.
`LayerFactory` gives every layer its own, so that the weights of a run depend on its seed only.
"""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from dreamer_tf.basics import seeding

# Whatever Keras is set to in the caller's process.
DATA_FORMAT = "channels_last"


class LayerFactory:
    """Makes the layers of one model.

    Args:
        scope: name of the model; layers of the same name in different models start differently.
        seed: the run's seed.
        dtype: Keras dtype policy of the layers, for example `"mixed_bfloat16"`.
    """

    def __init__(self, scope: str, seed: int, dtype: str | keras.DTypePolicy):
        self.scope = scope
        self.seed = seed
        self.dtype = dtype

    def layer_seed(self, name: str) -> int:
        """Returns the integer seed of a layer's initial weights."""
        return seeding.integer(self.seed, f"weights/{self.scope}/{name}")

    def dense(
        self,
        name: str,
        units: int,
        activation: str | None = None,
        joint_inputs: int | None = None,
        limit: float | None = None,
        **keywords: Any,
    ) -> "Dense":
        """Returns a dense layer with Glorot-uniform weights.

        Args:
            name: the layer's name.
            units: number of outputs.
            activation: Keras activation name or None.
            joint_inputs: total inputs of the layer that this one is a part of, where a dense
                layer on a concatenation is split into one layer per part; keeps the initial
                scale that of the whole.
            limit: bound of uniform initial weights in place of Glorot's.
            **keywords: passed on to `keras.layers.Dense`.
        """
        seed = self.layer_seed(name)
        if joint_inputs is not None:
            limit = (6 / (joint_inputs + units)) ** 0.5
        if limit is None:
            initializer = keras.initializers.GlorotUniform(seed)
        else:
            initializer = keras.initializers.RandomUniform(-limit, limit, seed)
        keywords = {"dtype": self.dtype, **keywords}
        return Dense(units, activation, kernel_initializer=initializer, name=name, **keywords)

    def normalization(self, name: str) -> keras.layers.LayerNormalization:
        """Returns a layer normalization; its means and variances are float32."""
        return keras.layers.LayerNormalization(epsilon=1e-5, name=name, dtype="float32")

    def convolution(
        self, name: str, channels: int, kernel: int, activation: str | None, stride: int = 2
    ) -> "Convolution":
        """Returns a convolution without padding."""
        keywords = self._keywords(name, activation)
        return Convolution(channels, kernel, stride, data_format=DATA_FORMAT, **keywords)

    def transposed(
        self,
        name: str,
        channels: int,
        kernel: int,
        activation: str | None,
        form: type[keras.layers.Conv2DTranspose] | None = None,
    ) -> keras.layers.Conv2DTranspose:
        """Returns a transposed convolution of stride 2; `form` is its class.

        It is a `TransposedConvolution` unless another one is faster.
        """
        form = form or TransposedConvolution
        return form(
            channels, kernel, 2, data_format=DATA_FORMAT, **self._keywords(name, activation)
        )

    def gru_cell(self, name: str, units: int) -> "GRUCell":
        """Returns a GRU cell in Keras' form: reset gate after the matrix product."""
        seed = self.layer_seed(name)
        return GRUCell(
            units,
            reset_after=True,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed),
            name=name,
            dtype=self.dtype,
            autocast=False,  # The state keeps its float32.
        )

    def _keywords(self, name, activation):
        initializer = keras.initializers.GlorotUniform(self.layer_seed(name))
        return {
            "activation": activation,
            "kernel_initializer": initializer,
            "name": name,
            "dtype": self.dtype,
        }


# On CPUs, TensorFlow adds up the gradient of a bias in the layer's precision: in bfloat16 a sum of
# thousands stays at some hundreds. The gradient of a plain addition is right.
class Dense(keras.layers.Dense):
    """A dense layer whose bias learns in every precision."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps [..., in], at most one of whose sizes is unknown, to [..., units]."""
        # With two dimensions, TensorFlow fuses product, bias and activation.
        hidden = tf.matmul(tf.reshape(inputs, [-1, inputs.shape[-1]]), self.kernel)
        if self.use_bias:
            hidden = hidden + self.bias
        leading = [-1 if size is None else size for size in inputs.shape[:-1]]
        return tf.reshape(self.activation(hidden), [*leading, self.units])


class Convolution(keras.layers.Conv2D):
    """A convolution whose bias learns in every precision."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps [N, H, W, in] to [N, H', W', out]."""
        if self.compute_dtype == "float32":
            return super().call(inputs)  # TensorFlow fuses the gradients of kernel and bias.
        return self.activation(self.convolution_op(inputs, self.kernel) + self.bias)


class GRUCell(keras.layers.GRUCell):
    """A GRU cell in Keras' form, reset gate after the matrix product, with a float32 state.

    Products have the precision of the layer; gates are split rather than sliced, for TensorFlow is
    slow at the gradient of a slice.
    """

    def call(self, inputs: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """Maps inputs [N, in] and the float32 state [N, units] to the next state."""
        input_bias, state_bias = tf.unstack(tf.cast(self.bias, tf.float32))
        sizes = [2 * self.units, self.units]
        input_gates, candidate = tf.split(self._product(inputs, self.kernel) + input_bias, sizes, 1)
        recurrent = self._product(state, self.recurrent_kernel) + state_bias
        state_gates, recurrent = tf.split(recurrent, sizes, 1)
        update, reset = tf.split(tf.sigmoid(input_gates + state_gates), 2, 1)
        candidate = tf.tanh(candidate + reset * recurrent)
        return update * state + (1.0 - update) * candidate

    def _product(self, values, kernel):
        return tf.cast(tf.matmul(tf.cast(values, self.compute_dtype), kernel), tf.float32)


class TransposedConvolution(keras.layers.Conv2DTranspose):
    """A transposed convolution of stride 2 whose bias learns in every precision."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps [N, H, W, in] to [N, 2 H + kernel - 2, 2 W + kernel - 2, out]."""
        return self.activation(self.product(inputs) + self.bias)

    def product(self, inputs: tf.Tensor) -> tf.Tensor:
        """Returns the result without bias and activation."""
        shape = [tf.shape(inputs)[0], *self.compute_output_shape(inputs.shape)[1:]]
        return tf.nn.conv2d_transpose(inputs, self.kernel, shape, 2, "VALID")


class DenseTransposedConvolution(TransposedConvolution):
    """A transposed convolution on 1 x 1 inputs, computed as the matrix product that it is.

    Same weights and same result, at about half the decoder's cost on CPUs.
    """

    def product(self, inputs: tf.Tensor) -> tf.Tensor:
        """See `TransposedConvolution.product`."""
        height, width, outputs, size = self.kernel.shape
        kernel = tf.reshape(tf.transpose(self.kernel, [3, 0, 1, 2]), [size, -1])
        flat = tf.matmul(tf.reshape(inputs, [-1, size]), kernel)
        return tf.reshape(flat, [-1, height, width, outputs])


class NarrowTransposedConvolution(TransposedConvolution):
    """A transposed convolution of even kernel to few channels, such as an image's.

    Same weights, result and gradients. The forward pass computes each 2 x 2 pixels of the result
    as channels of a convolution: to 3 channels, twice as fast on CPUs. The backward pass is that of
    the transposed convolution, which is the faster one there.
    """

    def product(self, inputs: tf.Tensor) -> tf.Tensor:
        """See `TransposedConvolution.product`."""
        return _pixels_as_channels(inputs, tf.convert_to_tensor(self.kernel))


@tf.custom_gradient
def _pixels_as_channels(inputs, kernel):
    size, _, outputs, channels = kernel.shape
    half = size // 2
    # Pixel 2 q + a gets input q - j through the kernel's entry 2 j + a: a convolution for each a.
    blocks = tf.reshape(kernel, [half, 2, half, 2, outputs, channels])[::-1, :, ::-1]
    blocks = tf.transpose(blocks, [0, 2, 5, 1, 3, 4])
    blocks = tf.reshape(blocks, [half, half, channels, 4 * outputs])
    padding = [[0, 0], [half - 1, half - 1], [half - 1, half - 1], [0, 0]]
    result = tf.nn.depth_to_space(tf.nn.conv2d(tf.pad(inputs, padding), blocks, 1, "VALID"), 2)

    def gradient(upstream):
        return (
            tf.nn.conv2d(upstream, kernel, 2, "VALID"),
            tf.raw_ops.Conv2DBackpropFilter(
                input=upstream,
                filter_sizes=kernel.shape,
                out_backprop=inputs,
                strides=[1, 2, 2, 1],
                padding="VALID",
            ),
        )

    return result, gradient


def named_variables(models: Sequence[keras.Model]) -> dict[str, keras.Variable]:
    """Returns {"model/layer/variable": variable} of Keras models whose layers are all named.

    Raises:
        ValueError: two variables share a path, or a model holds variables outside its layers.
    """
    named = {}
    for model in models:
        for layer in model.layers:
            for variable in layer.weights:
                path = f"{model.name}/{layer.name}/{variable.name}"
                if path in named:
                    raise ValueError(f"two variables are called {path}")
                named[path] = variable
    if len(named) != sum(len(model.weights) for model in models):
        raise ValueError("a model holds variables outside its direct layers")
    return named
