"""The paper's ablation without a value function: an actor that sees no further than its horizon."""

import tensorflow as tf

from dreamer_tf.agents import description, flops
from dreamer_tf.agents.imagining import Imagining
from dreamer_tf.agents.model_based import Learned
from dreamer_tf.agents.noise import Noise
from dreamer_tf.behavior import imagination, losses, returns


class NoValue(Imagining):
    """World model and actor; the actor maximises the imagined rewards V_R (equation 4).

    Args:
        config: `Config`; the sections model, behavior, exploration, optimizer are used.
        spec: `EnvSpec` of the environments.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """

    def learn(self, batch: dict[str, tf.Tensor], noise: Noise) -> Learned:
        """Makes one update, see `Dreamer.learn`.

        Every imagined state has a return, the rewards from there to the horizon, and all count
        alike (TF1). The entropy of an action counts with the state that it leads to.
        """
        behavior = self.config.behavior
        with tf.GradientTape(persistent=True) as model_tape:
            reconstruction = self.world_model.reconstruct(batch, noise.posterior)
            found, metrics = self.world_model.losses(reconstruction)
        tapes = dict.fromkeys(found, model_tape)
        with tf.GradientTape(watch_accessed_variables=False) as actor_tape:
            actor_tape.watch([weight.value for weight in self.actor.trainable_variables])
            rollout, weight = self.imagine(reconstruction.observed, batch, noise)
            reward, discount = imagination.predict_rewards(
                self.world_model, rollout.features, behavior.discount
            )
            found["actor"] = losses.actor_loss(
                returns.reward_to_go(reward, discount),
                weight,
                rollout.entropies,
                behavior.entropy_scale,
                self.entropy_limit,
            )
        tapes["actor"] = actor_tape
        return self.apply(reconstruction, None, tapes, found, metrics)

    def describe(self) -> description.Description:
        """See `Agent.describe`."""
        sizes = (self.config, self.spec, self.world_model.discount_head is not None)
        operations = flops.model_update(*sizes) + flops.imagination(*sizes, value=False)
        return self.describe_as("Dreamer without value", operations, description.ACTOR_CHARTS)
