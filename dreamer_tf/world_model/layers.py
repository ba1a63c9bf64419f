"""Layers with explicit names, precision and seeds.

Keras draws initial weights from global random state unless an initialiser is given a seed.
`LayerFactory` gives every layer its own, so that the weights of a run depend on its seed only.
"""

import keras
import tensorflow as tf

from dreamer_tf import seeding


class LayerFactory:
    """Makes the layers of one model.

    Args:
        scope: name of the model; layers of the same name in different models start differently.
        seed: the run's seed.
        dtype: Keras dtype policy of the layers, for example `"mixed_bfloat16"`.
    """

    def __init__(self, scope, seed, dtype):
        self.scope = scope
        self.seed = seed
        self.dtype = dtype

    def layer_seed(self, name):
        """Returns the integer seed of a layer's initial weights."""
        return seeding.integer(self.seed, f"weights/{self.scope}/{name}")

    def dense(self, name, units, activation=None, joint_inputs=None, **keywords):
        """Returns a dense layer with Glorot-uniform weights.

        Args:
            name: the layer's name.
            units: number of outputs.
            activation: Keras activation name or None.
            joint_inputs: total inputs of the layer that this one is a part of, where a dense
                layer on a concatenation is split into one layer per part; keeps the initial
                scale that of the whole.
            **keywords: passed on to `keras.layers.Dense`.
        """
        seed = self.layer_seed(name)
        if joint_inputs is None:
            initializer = keras.initializers.GlorotUniform(seed)
        else:
            limit = (6 / (joint_inputs + units)) ** 0.5
            initializer = keras.initializers.RandomUniform(-limit, limit, seed)
        keywords = {"dtype": self.dtype, **keywords}
        return keras.layers.Dense(
            units, activation, kernel_initializer=initializer, name=name, **keywords
        )

    def convolution(self, name, channels, kernel, activation):
        """Returns a convolution of stride 2 without padding."""
        return keras.layers.Conv2D(channels, kernel, 2, **self._keywords(name, activation))

    def transposed(self, name, channels, kernel, activation, dense=False):
        """Returns a transposed convolution of stride 2; `dense` where its input is 1 x 1."""
        layer = DenseTransposedConvolution if dense else keras.layers.Conv2DTranspose
        return layer(channels, kernel, 2, **self._keywords(name, activation))

    def gru_cell(self, name, units):
        """Returns a GRU cell in Keras' form: reset gate after the matrix product."""
        seed = self.layer_seed(name)
        return keras.layers.GRUCell(
            units,
            reset_after=True,
            kernel_initializer=keras.initializers.GlorotUniform(seed),
            recurrent_initializer=keras.initializers.Orthogonal(seed=seed),
            name=name,
            dtype=self.dtype,
        )

    def _keywords(self, name, activation):
        initializer = keras.initializers.GlorotUniform(self.layer_seed(name))
        return {
            "activation": activation,
            "kernel_initializer": initializer,
            "name": name,
            "dtype": self.dtype,
        }


class DenseTransposedConvolution(keras.layers.Conv2DTranspose):
    """A transposed convolution on 1 x 1 inputs, computed as the matrix product that it is.

    Same weights and same result as `Conv2DTranspose`, at about half the decoder's cost on CPUs.
    """

    def call(self, inputs):
        """Maps [N, 1, 1, in] to [N, kernel, kernel, out]."""
        height, width, outputs, size = self.kernel.shape
        kernel = tf.reshape(tf.transpose(self.kernel, [3, 0, 1, 2]), [size, -1])
        flat = tf.matmul(tf.reshape(inputs, [-1, size]), kernel)
        return self.activation(tf.reshape(flat, [-1, height, width, outputs]) + self.bias)


def named_variables(models):
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
