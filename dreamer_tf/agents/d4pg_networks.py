"""Actor and critic of D4PG on one convolutional trunk."""

from collections.abc import Sequence

import tensorflow as tf

from dreamer_tf.config.baseline_sections import D4pgConfig
from dreamer_tf.config.fields import numbers
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.networks import images
from dreamer_tf.networks.layers import LayerFactory
from dreamer_tf.networks.trunk import NormedPerceptron, Trunk

# DDPG's last layers: untrained actions are near zero.
SMALL = 3e-3


class Networks:
    """What chooses actions and judges them, from images, vectors or both.

    An observation here is {name: [N, ...]}, its image the stacked frames, uint8 [N, H, W, k * C].
    The actor reads the convolutions without gradient, so that the critic alone trains them; the
    dense layer behind them is each one's own.

    Args:
        settings: `D4pgConfig`.
        spec: `EnvSpec`.
        seed: the run's seed.
        dtype: Keras dtype policy.
        prefix: of the models' names.

    Attributes:
        critic_models, actor_models: those that either loss trains.
    """

    def __init__(
        self, settings: D4pgConfig, spec: EnvSpec, seed: int, dtype: str, prefix: str = ""
    ):
        def make(name):
            return LayerFactory(prefix + name, seed, dtype)

        self._vectors = [name for name in spec.observations if name != "image"]
        self.trunk = self.critic_embed = self.actor_embed = None
        inputs = spec.vector_size
        if "image" in spec.observations:
            height, width, channels = spec.observations["image"][0]
            self.trunk = Trunk(make("trunk"), (height, width, channels * settings.stack))
            embed = (self.trunk.features, [settings.embed])
            self.critic_embed = NormedPerceptron(make("critic_embed"), *embed)
            self.actor_embed = NormedPerceptron(make("actor_embed"), *embed)
            inputs += settings.embed
        size = spec.action_size
        units = numbers(settings.critic_units), numbers(settings.actor_units)
        self.critic = NormedPerceptron(
            make("critic"), inputs + size, units[0], settings.atoms, observing=True
        )
        self.actor = NormedPerceptron(
            make("actor"), inputs, units[1], size, limit=SMALL, observing=True
        )
        critic, actor = (self.trunk, self.critic_embed, self.critic), (self.actor_embed, self.actor)
        self.critic_models = [model for model in critic if model is not None]
        self.actor_models = [model for model in actor if model is not None]

    @property
    def models(self) -> list[Trunk | NormedPerceptron]:
        """All of them."""
        return self.critic_models + self.actor_models

    def see(self, observation: dict[str, tf.Tensor]) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        """Returns (features of the image [N, F] or None, all vectors [N, V] or None)."""
        features, vectors = None, None
        if self.trunk is not None:
            features = self.trunk(images.preprocess(observation["image"]))
        if self._vectors:
            vectors = tf.concat([observation[name] for name in self._vectors], -1)
        return features, vectors

    def act(self, seen: Sequence[tf.Tensor | None]) -> tf.Tensor:
        """Returns actions [N, A] in [-1, 1] for what `see` returned."""
        features, vectors = seen
        if features is not None:
            features = tf.stop_gradient(features)
        return tf.tanh(self.actor(_join(self.actor_embed, features, vectors)))

    def logits(self, seen: Sequence[tf.Tensor | None], action: tf.Tensor) -> tf.Tensor:
        """Returns the logits [N, K] of the returns after actions [N, A]."""
        joined = _join(self.critic_embed, *seen)
        return self.critic(tf.concat([joined, tf.cast(action, tf.float32)], -1))


def _join(embed, features, vectors):
    """Returns embedded features and vectors as one, float32 [N, inputs]."""
    if features is None:
        return vectors
    embedded = tf.cast(embed(features), tf.float32)
    return embedded if vectors is None else tf.concat([embedded, vectors], -1)
