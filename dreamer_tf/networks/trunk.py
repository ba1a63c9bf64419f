"""The convolutions and perceptrons of D4PG (Tassa et al. 2018, the pixel variant)."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from dreamer_tf.config.baseline_sections import CHANNELS
from dreamer_tf.networks.layers import LayerFactory
from dreamer_tf.networks.perceptrons import OBSERVING, build_stack


class Trunk(keras.Model):
    """Two convolutions of 3x3, 32 channels and ELU, the first of stride 2; for any image size.

    Args:
        make: `LayerFactory`.
        shape: (H, W, C) of an image.
    """

    def __init__(self, make: LayerFactory, shape: tuple[int, int, int]):
        super().__init__(name=make.scope, dtype=make.dtype)
        self.first = make.convolution("h1", CHANNELS, 3, "elu", stride=2)
        self.second = make.convolution("h2", CHANNELS, 3, "elu", stride=1)
        self.build((None, *shape))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights."""
        shape = input_shape
        for layer in (self.first, self.second):
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        self.features = shape[1] * shape[2] * shape[3]
        self.built = True

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Maps preprocessed images [N, H, W, C] to features [N, F]."""
        return tf.reshape(self.second(self.first(image)), [-1, self.features])


class NormedPerceptron(keras.Model):
    """Dense, layer norm and tanh; ReLU layers behind it; where asked for an output in float32.

    Args:
        make: `LayerFactory` whose scope names it.
        inputs: number of inputs.
        sizes: units of the hidden layers, at least one.
        outputs: number of outputs, 0 for none: then it ends in its last hidden layer.
        limit: bound of the output's uniform initial weights, None for Glorot's.
        observing: whether vectors as they were observed are among the inputs, which are float32
            then, as is the first layer.
    """

    def __init__(
        self,
        make: LayerFactory,
        inputs: int,
        sizes: Sequence[int],
        outputs: int = 0,
        limit: float | None = None,
        observing: bool = False,
    ):
        super().__init__(name=make.scope, dtype=make.dtype, autocast=False)
        self.first = make.dense("h0", sizes[0], **(OBSERVING if observing else {}))
        self.norm = make.normalization("norm")
        self.hidden = [make.dense(f"h{i + 1}", size, "relu") for i, size in enumerate(sizes[1:])]
        self.out = make.dense("hout", outputs, limit=limit, dtype="float32") if outputs else None
        self.build((None, inputs))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights."""
        last = () if self.out is None else (self.out,)
        build_stack((self.first, *self.hidden, *last), input_shape[-1])
        self.norm.build((None, self.first.units))
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Maps [N, inputs] to the last layer's [N, units]."""
        hidden = tf.tanh(self.norm(self.first(inputs)))
        for layer in self.hidden:
            hidden = layer(hidden)
        return hidden if self.out is None else self.out(hidden)


def stack_frames(frames: tf.Tensor) -> tf.Tensor:
    """Returns consecutive images [N, k, H, W, C] as channels [N, H, W, k * C], the oldest first."""
    count, _, height, width, _ = frames.shape
    moved = tf.transpose(frames, [0, 2, 3, 1, 4])
    return tf.reshape(
        moved, [-1 if count is None else count, height, width, moved.shape[3] * moved.shape[4]]
    )
