"""Dreamer: Algorithm 1 of the paper. `Dreamer.learn` is the algorithm; the rest serves it."""

import functools
from typing import NamedTuple

import tensorflow as tf

from dreamer_tf.agents import description, flops, symptoms
from dreamer_tf.agents.compiled import CompiledAgent
from dreamer_tf.agents.dreams import Dreams
from dreamer_tf.agents.noise import NoiseDraws
from dreamer_tf.agents.steps import Steps
from dreamer_tf.behavior import exploration, imagination, losses
from dreamer_tf.experience.sources import Sequences
from dreamer_tf.networks import distributions
from dreamer_tf.networks.layers import LayerFactory, named_variables
from dreamer_tf.networks.optimizer import Optimizer, adam
from dreamer_tf.networks.perceptrons import DenseHead, scalar_normal
from dreamer_tf.networks.precision import POLICIES
from dreamer_tf.world_model.rssm import State
from dreamer_tf.world_model.world_model import Reconstruction, WorldModel


class Learned(NamedTuple):
    """Everything that one update computed."""

    reconstruction: Reconstruction
    imagined: imagination.Imagined
    losses: dict
    gradients: dict
    gradient_norms: dict
    metrics: dict


class Dreamer(CompiledAgent):
    """World model, actor and value function, and how they learn and act.

    Args:
        config: `Config`; the sections model, behavior, exploration, optimizer are used.
        spec: `EnvSpec` of the environments.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """

    def __init__(self, config, spec, precision):
        super().__init__(config.xla)
        self.config = config
        self.spec = spec
        self.experience = Sequences(config.train.batch_size, config.train.batch_length)
        dtype = POLICIES[precision]
        switch = config.model.discount_head
        use_discount_head = spec.terminates if switch == "auto" else switch == "on"
        self.world_model = WorldModel(
            config.model, spec, config.behavior.discount, use_discount_head, config.seed, dtype
        )
        self.actor, self.value = self._behavior_heads(dtype)
        self.dreams = Dreams(self.world_model, self._choose, self.value)
        self.noise = NoiseDraws(
            stoch=config.model.stoch,
            horizon=config.behavior.horizon,
            action_size=spec.action_size,
            discrete=spec.discrete,
            unused=int(use_discount_head),
        )
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates")
        self.optimizers = self._optimizers(scale_loss=precision == "float16")
        self.steps = Steps(self.optimizers, self.updates)
        self.variables = named_variables([*self.world_model.models, self.actor, self.value])
        for optimizer in self.optimizers.values():
            self.variables.update(optimizer.variables)
        self.variables["updates"] = self.updates

    def _behavior_heads(self, dtype):
        behavior, size = self.config.behavior, self.spec.action_size
        features = self.config.model.deter + self.config.model.stoch
        discrete = self.spec.discrete
        tanh_normal = functools.partial(distributions.tanh_normal, init_std=behavior.init_std)
        actor = DenseHead(
            LayerFactory("actor", self.config.seed, dtype),
            features,
            behavior.actor_layers,
            behavior.units,
            outputs=size if discrete else 2 * size,
            distribution=distributions.one_hot if discrete else tanh_normal,
        )
        value = DenseHead(
            LayerFactory("value", self.config.seed, dtype),
            features,
            behavior.value_layers,
            behavior.units,
            outputs=1,
            distribution=scalar_normal,
        )
        return actor, value

    def _optimizers(self, scale_loss):
        behavior, settings = self.config.behavior, self.config.optimizer
        parts = {
            "model": (self.world_model, self.config.model.learning_rate),
            "actor": (self.actor, behavior.actor_learning_rate),
            "value": (self.value, behavior.value_learning_rate),
        }
        return {
            name: Optimizer(
                name,
                part.trainable_variables,
                adam(rate, settings.clip, settings.epsilon),
                scale_loss,
            )
            for name, (part, rate) in parts.items()
        }

    def learn(self, batch, noise):
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
        with tf.GradientTape() as model_tape:
            reconstruction = self.world_model.reconstruct(batch, noise.posterior)
            model_loss, metrics = self.world_model.loss(reconstruction)
        # Behaviour learning: imagine from every posterior state, estimate values.
        start, start_weight = imagination.start_states(
            reconstruction.observed.states,
            batch["is_terminal"],
            can_end=self.world_model.discount_head is not None,
        )
        with (
            tf.GradientTape(watch_accessed_variables=False) as actor_tape,
            tf.GradientTape(watch_accessed_variables=False) as value_tape,
        ):
            actor_tape.watch([weight.value for weight in self.actor.trainable_variables])
            value_tape.watch([weight.value for weight in self.value.trainable_variables])
            features, entropies = imagination.imagine(
                self.world_model.rssm, self.actor, start, noise.imagine_state, noise.imagine_action
            )
            imagined = imagination.evaluate(
                self.world_model,
                self.value,
                features,
                start_weight,
                behavior.discount,
                behavior.lambda_,
            )
            actor_loss = losses.actor_loss(imagined, entropies, behavior.entropy_scale)
            value_loss = losses.value_loss(imagined)
        # Update all three.
        found = {"model": model_loss, "actor": actor_loss, "value": value_loss}
        tapes = {"model": model_tape, "actor": actor_tape, "value": value_tape}
        gradients = self.steps.gradients(tapes, found)
        norms = {name: tf.linalg.global_norm(gradient) for name, gradient in gradients.items()}
        self.steps.apply(found, gradients, norms)
        metrics |= self.steps.metrics(found, norms)
        return Learned(reconstruction, imagined, found, gradients, norms, metrics)

    def act(self, observation, is_first, state, noise, mode):
        """Filters one observation and chooses an action (the collection step of Algorithm 1).

        Args:
            observation: {"image": uint8 [N, 64, 64, 3]}, vectors float32 [N, V] under their names.
            is_first: bool [N].
            state: {"stoch": [N, S], "deter": [N, D], "action": [N, A]}.
            noise: `PolicyNoise`.
            mode: `"explore"` samples and adds exploration; `"mode"` and `"mean"` take the best
                action, see `distributions.best_action`.

        Returns:
            (action [N, A], next state).
        """
        keep = 1.0 - tf.cast(is_first, tf.float32)[:, None]
        state = {name: value * keep for name, value in state.items()}
        rssm = self.world_model.rssm
        projected = rssm.posterior_embed(self.world_model.embed(observation))
        previous = State(state["stoch"], state["deter"])
        current, _ = rssm.posterior_step(previous, state["action"], projected, noise.state)
        policy = self.actor(current.features)
        if mode == "explore":
            action = self._explore(distributions.sample(policy, noise.action), noise)
        else:
            action = distributions.best_action(policy, mode, noise.candidates)
        return action, {"stoch": current.stoch, "deter": current.deter, "action": action}

    def _explore(self, action, noise):
        config = self.config.exploration
        if not self.spec.discrete:
            return exploration.additive_noise(action, config.noise, noise.explore)
        epsilon = exploration.epsilon_schedule(config, self.updates)
        return exploration.epsilon_greedy(action, epsilon, noise.explore, noise.coin)

    def _choose(self, state, seed, mode):
        """Returns the best actions [N, A] in a dreamed `State`."""
        candidates = self.noise.candidates([state.stoch.shape[0]], seed)
        return distributions.best_action(self.actor(state.features), mode, candidates)

    # The Agent protocol, the compiled part on tensors.

    def initial_state(self, count):
        """Returns the state of `count` environments before their first observation."""
        model = self.config.model
        sizes = {"stoch": model.stoch, "deter": model.deter, "action": self.spec.action_size}
        return {name: tf.zeros([count, size]).numpy() for name, size in sizes.items()}

    def policy_graph(self, observation, is_first, state, seed, mode):
        """See `Agent.policy`."""
        noise = self.noise.policy(is_first.shape[0], mode, seed)
        return self.act(observation, is_first, state, noise, mode)

    def update_graph(self, batch, seed):
        """See `Agent.update`."""
        learned = self.learn(batch, self.noise.update(*batch["reward"].shape, seed))
        config = self.config.exploration
        amount = (
            exploration.epsilon_schedule(config, self.updates)
            if self.spec.discrete
            else tf.constant(float(config.noise))
        )
        return {**learned.metrics, "expl_amount": amount}

    def report_graph(self, batch, seed):
        """Returns the actor's entropy in nats on the batch's posterior states, as action_ent."""
        shape = batch["reward"].shape
        noise = self.noise.update(*shape, seed)
        embed = self.world_model.embed(batch)
        observed = self.world_model.rssm(embed, batch["action"], batch["is_first"], noise.posterior)
        policy = self.actor(observed.states.features)
        candidates = self.noise.candidates(shape, tf.random.split(seed, 2)[1])
        return {"action_ent": tf.reduce_mean(distributions.entropy(policy, candidates))}

    def symptoms(self, metrics):
        """See `Agent.symptoms`."""
        model = self.config.model
        found = symptoms.of_actor(metrics, self.spec.discrete, self.spec.action_size)
        return found | symptoms.of_prior(metrics, model.free_nats, model.free_nats_per)

    def check(self):
        """See `Agent.check`."""
        self.steps.check()

    def describe(self):
        """See `Agent.describe`."""
        config, has_head = self.config, self.world_model.discount_head is not None
        actor = description.actor_words(self.spec, config.exploration)
        head = description.discount_words(config.model.discount_head, self.spec, has_head)
        parts = (*self.world_model.models, self.actor, self.value)
        return description.Description(
            name="Dreamer",
            choices=f"{actor}, {head}",
            parameters={part.name: part.count_params() for part in parts},
            update_flops=flops.dreamer_update(config, self.spec, has_head),
            charts=description.WORLD_MODEL_CHARTS | description.ACTOR_CRITIC_CHARTS,
            progress={"model loss": "model_loss"},
        )
