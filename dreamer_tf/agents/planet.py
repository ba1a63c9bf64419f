"""PlaNet as the paper compares with it: the same world model, actions by online planning."""

from typing import NamedTuple

import tensorflow as tf

from dreamer_tf.agents import description, flops
from dreamer_tf.agents.model_based import Learned, ModelBased
from dreamer_tf.behavior import exploration
from dreamer_tf.behavior.planning import plan
from dreamer_tf.networks import distributions
from dreamer_tf.world_model.rssm import State


class PlanningNoise(NamedTuple):
    """All randomness of decisions: state [N, S], explore [N, A], the seed int32 [2]."""

    state: tf.Tensor
    explore: tf.Tensor
    search: tf.Tensor


class PlaNet(ModelBased):
    """A world model and the cross-entropy method; neither actor nor value function.

    Args:
        config: `Config`; the sections model, planner, exploration, optimizer are used.
        spec: `EnvSpec` of the environments, whose actions are continuous.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """

    def learn(self, batch: dict[str, tf.Tensor], noise: tf.Tensor) -> Learned:
        """Makes one update of the world model, see `Dreamer.learn`; `noise` is [L, B, S]."""
        with tf.GradientTape(persistent=True) as tape:
            reconstruction = self.world_model.reconstruct(batch, noise)
            found, metrics = self.world_model.losses(reconstruction)
        return self.apply(reconstruction, None, dict.fromkeys(found, tape), found, metrics)

    def choose(self, state: State, noise: PlanningNoise, mode: str) -> tf.Tensor:
        """Returns planned actions [N, A] in a `State`, with noise where `mode` is `"explore"`."""
        action = self._plan(state, noise.search)
        if mode != "explore":
            return action
        scale = self.config.exploration.noise
        return exploration.additive_noise(action, scale, noise.explore)

    def dreamt_action(self, state: State, seed: tf.Tensor, mode: str) -> tf.Tensor:
        """See `ModelBased`; the modes are alike."""
        return self._plan(state, seed)

    def _plan(self, state, seed):
        def reward(features):
            return self.world_model.reward(features).mean()

        transition, settings = self.world_model.rssm.prior_step, self.config.planner
        return plan(transition, reward, state, settings, self.spec.action_size, seed)

    def update_noise(self, batch_size: int, length: int, seed: tf.Tensor) -> tf.Tensor:
        """See `ModelBased`."""
        return distributions.standard_normal([length, batch_size, self.config.model.stoch], seed)

    def policy_noise(self, count: int, mode: str, seed: tf.Tensor) -> PlanningNoise:
        """See `ModelBased`."""
        seeds = tf.unstack(tf.random.split(seed, 3))
        return PlanningNoise(
            distributions.standard_normal([count, self.config.model.stoch], seeds[0]),
            distributions.standard_normal([count, self.spec.action_size], seeds[1]),
            seeds[2],
        )

    def report_graph(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns nothing: all that is known of a world model comes with every update."""
        return {}

    def describe(self) -> description.Description:
        """See `Agent.describe`."""
        planner, noise = self.config.planner, self.config.exploration.noise
        search = f"{planner.iterations} x {planner.candidates} sequences of {planner.horizon}"
        return description.Description(
            name="PlaNet",
            choices=f"plans {self.spec.action_size} actions ({search}), additive noise ({noise:g})",
            parameters=self.parameters(),
            update_flops=flops.model_update(self.config, self.spec, False),
            decision_flops=flops.plan(self.config, self.spec),
            charts=self.model_charts(),
            progress=description.PROGRESS,
        )
