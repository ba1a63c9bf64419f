"""An actor that learns in the imagination of a world model, with or without a value function."""

import functools

import tensorflow as tf

from dreamer_tf.agents import description, symptoms
from dreamer_tf.agents.model_based import ModelBased
from dreamer_tf.agents.noise import Noise, NoiseDraws, PolicyNoise
from dreamer_tf.behavior import exploration, imagination
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.networks import distributions
from dreamer_tf.networks.layers import LayerFactory
from dreamer_tf.networks.perceptrons import DenseHead
from dreamer_tf.world_model.rssm import Observed, State


class Imagining(ModelBased):
    """How an actor is made, imagines, acts and is described; a subclass says how it learns."""

    def __init__(self, config: Config, spec: EnvSpec, precision: str):
        super().__init__(config, spec, precision)
        self.noise = NoiseDraws(
            stoch=config.model.stoch,
            horizon=config.behavior.horizon,
            action_size=spec.action_size,
            discrete=spec.discrete,
            starts=functools.partial(
                imagination.starts,
                can_end=self.world_model.discount_head is not None,
                every=config.behavior.start_every,
            ),
        )

    def make_heads(self, dtype: str) -> dict[str, tuple[DenseHead, float]]:
        """See `ModelBased.make_heads`."""
        behavior, size = self.config.behavior, self.spec.action_size
        discrete = self.spec.discrete
        tanh_normal = functools.partial(
            distributions.tanh_normal,
            mean_scale=behavior.mean_scale,
            init_std=behavior.init_std,
        )
        self.actor = DenseHead(
            LayerFactory("actor", self.config.seed, dtype),
            self.world_model.features,
            behavior.actor_layers,
            behavior.units,
            outputs=size if discrete else 2 * size,
            distribution=distributions.one_hot if discrete else tanh_normal,
        )
        return {"actor": (self.actor, behavior.actor_learning_rate)}

    def imagine(
        self, observed: Observed, batch: dict[str, tf.Tensor], noise: Noise
    ) -> tuple[imagination.Rollout, tf.Tensor]:
        """Imagines from the posterior states of a batch, see `imagination.start_states`.

        Args:
            observed: `Observed`.
            batch: {field: [B, L, ...]}.
            noise: `Noise`.

        Returns:
            (`Rollout`, weights of the starts [N]).
        """
        start, weight = imagination.start_states(
            observed.states,
            batch["is_terminal"],
            can_end=self.world_model.discount_head is not None,
            every=self.config.behavior.start_every,
        )
        rollout = imagination.imagine(
            self.world_model.rssm,
            self.actor,
            start,
            noise.imagine_state,
            noise.imagine_action,
            self.config.behavior.onehot_gradient,
        )
        return rollout, weight

    @property
    def entropy_limit(self) -> float:
        """Nats of a whole action, see `behavior.entropy_limit`."""
        numbers = 1 if self.spec.discrete else self.spec.action_size
        return self.config.behavior.entropy_limit * numbers

    def update_noise(self, batch_size: int, length: int, seed: tf.Tensor) -> Noise:
        """See `ModelBased`."""
        return self.noise.update(batch_size, length, seed)

    def policy_noise(self, count: int, mode: str, seed: tf.Tensor) -> PolicyNoise:
        """See `ModelBased`."""
        return self.noise.policy(count, mode, seed)

    def choose(self, state: State, noise: PolicyNoise, mode: str) -> tf.Tensor:
        """Returns actions [N, A] in a `State`.

        Args:
            state: `State` [N, ...].
            noise: `PolicyNoise`.
            mode: `"explore"` samples and adds exploration; `"mode"` and `"mean"` take the best
                action, see `distributions.best_action`.
        """
        policy = self.actor(state.features)
        if mode != "explore":
            return distributions.best_action(policy, mode, noise.candidates)
        action = distributions.sample(policy, noise.action)
        if not self.spec.discrete:
            scale = self.config.exploration.noise
            return exploration.additive_noise(action, scale, noise.explore)
        epsilon = self.exploration_amount()
        return exploration.epsilon_greedy(action, epsilon, noise.explore, noise.coin)

    def dreamt_action(self, state: State, seed: tf.Tensor, mode: str) -> tf.Tensor:
        """See `ModelBased`."""
        candidates = self.noise.candidates([state.stoch.shape[0]], seed)
        return distributions.best_action(self.actor(state.features), mode, candidates)

    def exploration_amount(self) -> tf.Tensor:
        """See `ModelBased`: the noise's scale, or epsilon."""
        if not self.spec.discrete:
            return super().exploration_amount()
        return exploration.epsilon_schedule(self.config.exploration, self.updates)

    def report_graph(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Returns the actor's entropy in nats on the batch's posterior states, as action_ent."""
        shape = batch["reward"].shape
        noise = self.noise.update(*shape, seed)
        embed = self.world_model.embed(self._dithered(batch, seed))
        observed = self.world_model.rssm(embed, batch["action"], batch["is_first"], noise.posterior)
        policy = self.actor(observed.states.features)
        candidates = self.noise.candidates(shape, tf.random.split(seed, 2)[1])
        return {"action_ent": tf.reduce_mean(distributions.entropy(policy, candidates))}

    def symptoms(self, metrics: dict[str, float]) -> dict[str, str]:
        """See `Agent.symptoms`."""
        spec, behavior = self.spec, self.config.behavior
        found = symptoms.of_actor(metrics, spec.discrete, spec.action_size, behavior)
        return found | super().symptoms(metrics)

    def describe_as(
        self, name: str, flops: float, charts: dict[str, tuple[str, ...]]
    ) -> description.Description:
        """Returns the `Description` of an actor in imagination; `charts` come after the model's."""
        actor = description.actor_words(self.spec, self.config.exploration)
        return description.Description(
            name=name,
            choices=f"{actor}, {self.discount_words()}",
            parameters=self.parameters(),
            update_flops=flops,
            charts=self.model_charts() | charts,
            progress=description.PROGRESS,
        )
