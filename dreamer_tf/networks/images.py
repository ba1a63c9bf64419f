"""Encoder and decoder of images (paper, appendix A; sizes of the author's TF2 code)."""

import keras
import tensorflow as tf

from dreamer_tf.networks import distributions
from dreamer_tf.networks.layers import (
    DenseTransposedConvolution,
    LayerFactory,
    NarrowTransposedConvolution,
)

IMAGE_SHAPE = (64, 64, 3)


def preprocess(image: tf.Tensor) -> tf.Tensor:
    """Maps uint8 pixels to float32 in [-0.5, 0.5]; float32 images, see `dither`, are so already."""
    if image.dtype == tf.float32:
        return image
    return tf.cast(image, tf.float32) / 255.0 - 0.5


def dither(image: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
    """Maps uint8 pixels to float32 in [-0.5, 0.5), spread over the steps of their 8 bits (TF1).

    Args:
        image: [...] uint8.
        noise: [...] uniform in [0, 1).
    """
    return (tf.cast(image, tf.float32) + noise) / 256.0 - 0.5


def to_pixels(image: tf.Tensor) -> tf.Tensor:
    """Maps images in [-0.5, 0.5], clipped to that, to uint8: the inverse of `preprocess`."""
    return tf.cast(tf.round(tf.clip_by_value(image + 0.5, 0.0, 1.0) * 255.0), tf.uint8)


class Encoder(keras.Model):
    """Four convolutions from an image to an embedding of 32 * depth numbers."""

    def __init__(self, make: LayerFactory, depth: int):
        super().__init__(name=make.scope, dtype=make.dtype)
        self.convolutions = [
            make.convolution(f"h{i + 1}", depth * 2**i, kernel=4, activation="relu")
            for i in range(4)
        ]
        self.embed_size = 32 * depth
        self.build((None, *IMAGE_SHAPE))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights."""
        shape = input_shape
        for layer in self.convolutions:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Maps preprocessed images [..., 64, 64, 3] to embeddings [..., 32 * depth]."""
        hidden = tf.reshape(image, [-1, *IMAGE_SHAPE])
        for layer in self.convolutions:
            hidden = layer(hidden)
        leading = tf.shape(image)[:-3]
        embed = tf.reshape(hidden, tf.concat([leading, [self.embed_size]], 0))
        return tf.ensure_shape(embed, [*image.shape[:-3], self.embed_size])


class Decoder(keras.Model):
    """One dense layer and four transposed convolutions from features to an image's mean."""

    def __init__(self, make: LayerFactory, depth: int, features: int):
        super().__init__(name=make.scope, dtype=make.dtype)
        self.dense = make.dense("h1", 32 * depth)
        self.transposed = [
            make.transposed("h2", 4 * depth, 5, "relu", DenseTransposedConvolution),
            make.transposed("h3", 2 * depth, 5, "relu"),
            make.transposed("h4", depth, 6, "relu"),
            make.transposed("h5", IMAGE_SHAPE[-1], 6, None, NarrowTransposedConvolution),
        ]
        self.build((None, features))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights."""
        self.dense.build(input_shape)
        shape = (None, 1, 1, self.dense.units)
        for layer in self.transposed:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.built = True

    def call(self, features: tf.Tensor) -> distributions.UnitNormal:
        """Maps features [..., F] to a unit-variance normal over images [..., 64, 64, 3]."""
        hidden = tf.reshape(self.dense(features), [-1, 1, 1, self.dense.units])
        for layer in self.transposed:
            hidden = layer(hidden)
        mean = tf.reshape(hidden, tf.concat([tf.shape(features)[:-1], IMAGE_SHAPE], 0))
        mean = tf.ensure_shape(mean, [*features.shape[:-1], *IMAGE_SHAPE])
        return distributions.unit_normal(mean, event_dims=3)
