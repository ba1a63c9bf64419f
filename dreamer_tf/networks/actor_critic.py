"""Policy and value on shared layers (Tassa et al. 2018), and what the policy is."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from dreamer_tf.networks import distributions
from dreamer_tf.networks.layers import LayerFactory
from dreamer_tf.networks.perceptrons import OBSERVING, build_stack

# Bounds of the standard deviation: it is LEAST_STD + STD_RANGE * sigmoid.
LEAST_STD, STD_RANGE = 0.01, 2.0
# An untrained policy hardly depends on what it sees.
SMALL = 1e-2


class ActorCritic(keras.Model):
    """Shared ReLU layers that end in a policy's parameters and a linear value.

    The first one takes observed vectors as they are, in float32.

    Args:
        make: `LayerFactory` whose scope names it.
        inputs: size V of the vector.
        sizes: units of the shared layers, at least one.
        outputs: number of the policy's parameters, P.
    """

    def __init__(self, make: LayerFactory, inputs: int, sizes: Sequence[int], outputs: int):
        super().__init__(name=make.scope, dtype=make.dtype, autocast=False)
        self.shared = [
            make.dense(f"h{i}", size, "relu", **({} if i else OBSERVING))
            for i, size in enumerate(sizes)
        ]
        self.policy = make.dense("policy", outputs, limit=SMALL, dtype="float32")
        self.value = make.dense("value", 1, dtype="float32")
        self.build((None, inputs))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Creates the weights."""
        build_stack(self.shared, input_shape[-1])
        for head in (self.policy, self.value):
            head.build((None, self.shared[-1].units))
        self.built = True

    def call(self, vector: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps vectors [..., V] to (parameters [..., P], values [...]), both float32."""
        hidden = vector
        for layer in self.shared:
            hidden = layer(hidden)
        return self.policy(hidden), self.value(hidden)[..., 0]


class Choices:
    """Choices among A actions.

    Args:
        parameters: [..., A], their logits.
    """

    def __init__(self, parameters: tf.Tensor):
        self.choices = distributions.one_hot(parameters)

    def log_prob(self, action: tf.Tensor) -> tf.Tensor:
        """Returns the log likelihoods [...] of one-hot actions [..., A]."""
        return self.choices.log_prob(action)

    def entropy(self) -> tf.Tensor:
        """Returns the entropy [...] in nats."""
        return self.choices.entropy()

    def sample(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns one-hot actions [..., A] for Gumbel noise of that shape."""
        return tf.stop_gradient(distributions.sample(self.choices, noise))

    def best(self) -> tf.Tensor:
        """Returns the likeliest actions."""
        return self.choices.mode()


class ClippedNormal:
    """Actions that environments clip to [-1, 1]: normals whose mass beyond an end is at that end.

    Experience holds clipped actions. The density of the unclipped normal at an end would be that of
    an action that was not taken, and the policy's gradient would be biased.

    Args:
        parameters: [..., 2 * A], of the mean before its tanh, then of the standard deviation.
    """

    def __init__(self, parameters: tf.Tensor):
        mean, raw = tf.split(tf.cast(parameters, tf.float32), 2, axis=-1)
        std = LEAST_STD + STD_RANGE * tf.sigmoid(raw)
        self.normal = distributions.normal(tf.tanh(mean), std)

    def log_prob(self, action: tf.Tensor) -> tf.Tensor:
        """Returns the log likelihoods [...] of actions [..., A] in [-1, 1]."""
        # Where an end is not reached its branch must not get there either: the gradient of what
        # is not chosen would be multiplied by 0.
        low, high = action <= -1.0, action >= 1.0
        inside = tf.where(low | high, self.normal.loc, action)
        each = self.normal.log_prob(inside)
        each = tf.where(low, self.normal.log_cdf(-1.0), each)
        each = tf.where(high, self.normal.log_survival_function(1.0), each)
        return tf.reduce_sum(each, -1)

    def entropy(self) -> tf.Tensor:
        """Returns the entropy [...] of the normals before they are clipped, in nats."""
        return tf.reduce_sum(self.normal.entropy(), -1)

    def sample(self, noise: tf.Tensor) -> tf.Tensor:
        """Returns actions [..., A] for standard normal noise of that shape."""
        return tf.clip_by_value(self.normal.loc + self.normal.scale * noise, -1.0, 1.0)

    def best(self) -> tf.Tensor:
        """Returns the means before clipping, which are in [-1, 1]."""
        return self.normal.loc
