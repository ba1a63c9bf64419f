"""Dense encoders and heads, and the distributions that they end in (paper, appendix A)."""

import math
from collections.abc import Callable, Iterable

import keras
import tensorflow as tf

from dreamer_tf.networks import distributions
from dreamer_tf.networks.layers import LayerFactory

# Of a layer that takes observed vectors as they are.
OBSERVING = {"dtype": "float32"}


class VectorEncoder(keras.Model):
    """A perceptron with ELU units from all vectors of an observation to an embedding.

    What is observed may be large, or differ by little: the first layer is float32 in every
    precision.
    """

    def __init__(self, make: LayerFactory, size: int, layers: int, units: int):
        super().__init__(name=make.scope, dtype=make.dtype, autocast=False)
        self.hidden = [
            make.dense(f"h{i}", units, "elu", **({} if i else OBSERVING)) for i in range(layers)
        ]
        self.embed_size = units
        self.build((None, size))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights."""
        build_stack(self.hidden, input_shape[-1])
        self.built = True

    def call(self, vector: tf.Tensor) -> tf.Tensor:
        """Maps concatenated vectors [..., V] to embeddings [..., units]."""
        hidden = vector
        for layer in self.hidden:
            hidden = layer(hidden)
        return tf.cast(hidden, self.compute_dtype)


class DenseHead(keras.Model):
    """A multi-layer perceptron with ELU units that ends in a distribution.

    Args:
        make: `LayerFactory` whose scope names the head.
        features: number of inputs.
        layers: number of hidden layers.
        units: width of the hidden layers.
        outputs: number of distribution parameters.
        distribution: function from float32 parameters [..., outputs] to a distribution.
    """

    def __init__(
        self,
        make: LayerFactory,
        features: int,
        layers: int,
        units: int,
        outputs: int,
        distribution: Callable[[tf.Tensor], distributions.tfd.Distribution],
    ):
        super().__init__(name=make.scope, dtype=make.dtype)
        self.hidden = [make.dense(f"h{i}", units, "elu") for i in range(layers)]
        # The parameters of a distribution are computed in float32 in every precision.
        self.parameters = make.dense("hout", outputs, dtype="float32")
        self.distribution = distribution
        self.build((None, features))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights."""
        build_stack((*self.hidden, self.parameters), input_shape[-1])
        self.built = True

    def call(self, features: tf.Tensor) -> distributions.tfd.Distribution:
        """Maps features [..., F] to the head's distribution with batch shape [...]."""
        hidden = features
        for layer in self.hidden:
            hidden = layer(hidden)
        return self.distribution(self.parameters(hidden))


def build_stack(layers: Iterable[keras.layers.Dense], size: int) -> None:
    """Creates the weights of dense layers that follow each other, for inputs [..., size]."""
    for layer in layers:
        layer.build((None, size))
        size = layer.units


def symlog(vector: tf.Tensor) -> tf.Tensor:
    """Returns sign(x) log(1 + |x|): large numbers smaller, small ones as they are (DreamerV3)."""
    return tf.sign(vector) * tf.math.log1p(tf.abs(vector))


def symexp(vector: tf.Tensor) -> tf.Tensor:
    """Returns the inverse of `symlog`."""
    return tf.sign(vector) * tf.math.expm1(tf.abs(vector))


def vector_normal(parameters: tf.Tensor) -> distributions.UnitNormal:
    """Returns a unit-variance normal over vectors for their means [..., V]."""
    return distributions.unit_normal(parameters, event_dims=1)


def scalar_normal(parameters: tf.Tensor) -> distributions.tfd.Normal:
    """Returns a unit-variance normal over scalars for parameters [..., 1]."""
    return distributions.normal(parameters[..., 0])


def feature_normal(parameters: tf.Tensor) -> distributions.tfd.Independent:
    """Returns a diagonal normal over features for [..., 2 F]: mean, then raw deviation (TF1)."""
    mean, raw_std = tf.split(tf.cast(parameters, tf.float32), 2, -1)
    std = tf.nn.softplus(raw_std + math.log(math.expm1(1.0))) + 0.01
    return distributions.normal(mean, std, event_dims=1)


def scalar_bernoulli(parameters: tf.Tensor) -> distributions.tfd.Bernoulli:
    """Returns a binary distribution over scalars for logits [..., 1]."""
    return distributions.bernoulli(parameters[..., 0])
