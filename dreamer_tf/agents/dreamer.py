"""Dreamer: Algorithm 1 of the paper. `Dreamer.learn` is the algorithm; the rest serves it."""

import tensorflow as tf

from dreamer_tf.agents import description, flops, symptoms
from dreamer_tf.agents.imagining import Imagining
from dreamer_tf.agents.model_based import Learned
from dreamer_tf.agents.noise import Noise
from dreamer_tf.behavior import imagination, losses
from dreamer_tf.networks.layers import LayerFactory
from dreamer_tf.networks.perceptrons import DenseHead, scalar_normal


class Dreamer(Imagining):
    """World model, actor and value function, and how they learn.

    Args:
        config: `Config`; the sections model, behavior, exploration, optimizer are used.
        spec: `EnvSpec` of the environments.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """

    # Of the updates so far in this process, see `symptoms`.
    largest_reward = 0.0

    def make_heads(self, dtype: str) -> dict[str, tuple[DenseHead, float]]:
        """See `ModelBased.make_heads`: actor and value function."""
        behavior = self.config.behavior
        self.value = DenseHead(
            LayerFactory("value", self.config.seed, dtype),
            self.world_model.features,
            behavior.value_layers,
            behavior.units,
            outputs=1,
            distribution=scalar_normal,
        )
        return super().make_heads(dtype) | {"value": (self.value, behavior.value_learning_rate)}

    def learn(self, batch: dict[str, tf.Tensor], noise: Noise) -> Learned:
        """Makes one update: the inner loop of Algorithm 1.

        A pure function of the weights, the batch and the noise. All gradients are taken with the
        old weights before the first of them changes.

        Args:
            batch: {field: [B, L, ...]} with image (uint8) and vectors as observed, action, reward,
                is_first, is_terminal.
            noise: `Noise`.

        Returns:
            `Learned`.
        """
        behavior = self.config.behavior
        # Dynamics learning: filter the sequences, predict images, rewards and discounts.
        with tf.GradientTape(persistent=True) as model_tape:
            reconstruction = self.world_model.reconstruct(batch, noise.posterior)
            found, metrics = self.world_model.losses(reconstruction)
        tapes = dict.fromkeys(found, model_tape)
        # Behaviour learning: imagine from every posterior state, estimate values.
        with (
            tf.GradientTape(watch_accessed_variables=False) as actor_tape,
            tf.GradientTape(watch_accessed_variables=False) as value_tape,
        ):
            actor_tape.watch([weight.value for weight in self.actor.trainable_variables])
            value_tape.watch([weight.value for weight in self.value.trainable_variables])
            rollout, weight = self.imagine(reconstruction.observed, batch, noise)
            imagined = imagination.evaluate(
                self.world_model,
                self.value,
                rollout.features,
                weight,
                behavior.discount,
                behavior.lambda_,
                bootstrap=behavior.bootstrap,
            )
            found["actor"] = losses.actor_loss(
                imagined.lambda_returns,
                imagined.weights,
                rollout.entropies[1:],
                behavior.entropy_scale,
                self.entropy_limit,
            )
            found["value"] = losses.value_loss(imagined)
        metrics["imagined_return"] = tf.reduce_mean(imagined.weights * imagined.lambda_returns)
        tapes |= {"actor": actor_tape, "value": value_tape}
        # Update all of them.
        return self.apply(reconstruction, imagined, tapes, found, metrics)

    def update_graph(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Agent.update`; with what `symptoms.of_value` holds the imagined returns against."""
        rewards = self.world_model.learned_rewards(batch["reward"])
        largest = tf.reduce_max(tf.abs(rewards))
        return {**super().update_graph(batch, seed), "largest_reward": largest}

    def symptoms(self, metrics: dict[str, float]) -> dict[str, str]:
        """See `Agent.symptoms`."""
        # Where rewards are rare, a block may hold none or a small one.
        self.largest_reward = max(self.largest_reward, metrics["largest_reward"])
        found = symptoms.of_value(metrics, self.largest_reward, self.config.behavior)
        return super().symptoms(metrics) | found

    def describe(self) -> description.Description:
        """See `Agent.describe`."""
        sizes = (self.config, self.spec, self.world_model.discount_head is not None)
        operations = flops.model_update(*sizes) + flops.imagination(*sizes, value=True)
        return self.describe_as("Dreamer", operations, description.ACTOR_CRITIC_CHARTS)
