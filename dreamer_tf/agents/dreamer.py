"""Dreamer: Algorithm 1 of the paper. `Dreamer.learn` is the algorithm; the rest serves it."""

import functools
from typing import NamedTuple

import tensorflow as tf

from dreamer_tf.behavior import exploration, imagination, losses
from dreamer_tf.experience.sources import Sequences
from dreamer_tf.networks import distributions
from dreamer_tf.networks.layers import LayerFactory, named_variables
from dreamer_tf.networks.optimizer import Optimizer
from dreamer_tf.networks.perceptrons import DenseHead, scalar_normal
from dreamer_tf.networks.precision import POLICIES
from dreamer_tf.world_model.rssm import State
from dreamer_tf.world_model.world_model import Reconstruction, WorldModel

MODE_SAMPLES = 100


class Noise(NamedTuple):
    """All randomness of an update: posterior [L, B, S], imagine_state [H, N, S] and
    imagine_action [H, N, A], time-major as the scans consume it."""

    posterior: tf.Tensor
    imagine_state: tf.Tensor
    imagine_action: tf.Tensor


class PolicyNoise(NamedTuple):
    """All randomness of a policy step: state [N, S], action [N, A], explore [N, A], coin [N]
    and, for evaluation, candidates [MODE_SAMPLES, N, A]."""

    state: tf.Tensor
    action: tf.Tensor
    explore: tf.Tensor
    coin: tf.Tensor
    candidates: tf.Tensor | None


class Learned(NamedTuple):
    """Everything that one update computed."""

    reconstruction: Reconstruction
    imagined: imagination.Imagined
    losses: dict
    gradients: dict
    gradient_norms: dict
    metrics: dict


class Dreamer:
    """World model, actor and value function, and how they learn and act.

    Args:
        config: `Config`; the sections model, behavior, exploration, optimizer are used.
        spec: `EnvSpec` of the environments.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """

    def __init__(self, config, spec, precision):
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
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates")
        self.optimizers = self._optimizers(scale_loss=precision == "float16")
        self.fault = tf.Variable(0, dtype=tf.int32, trainable=False, name="fault")
        self.variables = named_variables([*self.world_model.models, self.actor, self.value])
        for optimizer in self.optimizers.values():
            self.variables.update(optimizer.variables)
        self.variables["updates"] = self.updates
        # Nothing here needs AutoGraph, which leaves files behind where a process is killed.
        compiled = functools.partial(tf.function, autograph=False)
        self._update = compiled(self._traced_update, jit_compile=config.xla or None)
        self._report = compiled(self._traced_report)
        self._predict = compiled(self._traced_predict)
        self._policy = compiled(self._traced_policy)

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
                name, part.trainable_variables, rate, settings.clip, settings.epsilon, scale_loss
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
        gradients = {
            name: optimizer.gradients(tapes[name], found[name])
            for name, optimizer in self.optimizers.items()
        }
        norms = {name: tf.linalg.global_norm(gradient) for name, gradient in gradients.items()}
        self._apply(found, gradients, norms)
        metrics |= {f"{name}_loss": loss for name, loss in found.items()}
        metrics |= {f"{name}_grad_norm": norm for name, norm in norms.items()}
        return Learned(reconstruction, imagined, found, gradients, norms, metrics)

    def _apply(self, found, gradients, norms):
        """Makes the three optimiser steps, or none of them once anything was not finite."""
        faults = [~tf.math.is_finite(loss) for loss in found.values()]
        faults += [self.optimizers[name].faulty(norm) for name, norm in norms.items()]
        faults = tf.stack(faults)
        first = tf.where(tf.reduce_any(faults), 1 + tf.argmax(faults, output_type=tf.int32), 0)
        self.fault.assign(tf.where(self.fault > 0, self.fault, first))

        def step():
            for name, optimizer in self.optimizers.items():
                optimizer.apply(gradients[name])
            self.updates.assign_add(1)

        tf.cond(self.fault > 0, lambda: None, step)

    def act(self, observation, is_first, state, noise, mode):
        """Filters one observation and chooses an action (the collection step of Algorithm 1).

        Args:
            observation: {"image": uint8 [N, 64, 64, 3]}, vectors float32 [N, V] under their names.
            is_first: bool [N].
            state: {"stoch": [N, S], "deter": [N, D], "action": [N, A]}.
            noise: `PolicyNoise`.
            mode: `"explore"` samples and adds exploration, `"evaluate"` takes the mode.

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
        if mode == "evaluate":
            action = distributions.mode(policy, noise.candidates)
        else:
            action = self._explore(distributions.sample(policy, noise.action), noise)
        return action, {"stoch": current.stoch, "deter": current.deter, "action": action}

    def _explore(self, action, noise):
        config = self.config.exploration
        if not self.spec.discrete:
            return exploration.additive_noise(action, config.noise, noise.explore)
        epsilon = exploration.epsilon_schedule(config, self.updates)
        return exploration.epsilon_greedy(action, epsilon, noise.explore, noise.coin)

    def draw_noise(self, batch_size, length, seed):
        """Draws the `Noise` of an update on [batch_size, length] sequences from an int32 [2]."""
        model, horizon = self.config.model, self.config.behavior.horizon
        starts = batch_size * (length - int(self.world_model.discount_head is not None))
        seeds = tf.unstack(tf.random.split(seed, 3))
        return Noise(
            distributions.standard_normal([length, batch_size, model.stoch], seeds[0]),
            distributions.standard_normal([horizon, starts, model.stoch], seeds[1]),
            self._action_noise([horizon, starts, self.spec.action_size], seeds[2]),
        )

    def draw_policy_noise(self, count, mode, seed):
        """Draws the `PolicyNoise` of one step of `count` environments from an int32 [2]."""
        shape = [count, self.spec.action_size]
        seeds = tf.unstack(tf.random.split(seed, 5))
        candidates = None
        if mode == "evaluate":
            candidates = self._action_noise([MODE_SAMPLES, *shape], seeds[4])
        return PolicyNoise(
            distributions.standard_normal([count, self.config.model.stoch], seeds[0]),
            self._action_noise(shape, seeds[1]),
            self._action_noise(shape, seeds[2]),
            tf.random.stateless_uniform([count], seeds[3]),
            candidates,
        )

    def _action_noise(self, shape, seed):
        draw = distributions.gumbel if self.spec.discrete else distributions.standard_normal
        return draw(shape, seed)

    # The Agent protocol.

    def initial_state(self, count):
        """Returns the state of `count` environments before their first observation."""
        model = self.config.model
        sizes = {"stoch": model.stoch, "deter": model.deter, "action": self.spec.action_size}
        return {name: tf.zeros([count, size]).numpy() for name, size in sizes.items()}

    def policy(self, observation, is_first, state, seed, mode):
        """See `Agent.policy`; one compiled call, arrays in and arrays out."""
        action, state = self._policy(observation, is_first, state, seed, mode)
        return action.numpy(), {name: value.numpy() for name, value in state.items()}

    def update(self, batch, seed):
        """See `Agent.update`; one compiled call."""
        return self._update(batch, seed)

    def report(self, batch, seed):
        """Returns the actor's entropy in nats on the batch's posterior states, as action_ent."""
        return self._report(batch, seed)

    def predict(self, batch, context, seed):
        """See `Agent.predict`; one compiled call."""
        if self.world_model.decoder is None:
            return None
        return self._predict(batch, context, seed).numpy()

    def check(self):
        """Raises `FloatingPointError` naming the first loss or gradient that was not finite."""
        fault = int(self.fault)
        if fault:
            names = [f"{name}_loss" for name in self.optimizers]
            names += [f"{name}_grad_norm" for name in self.optimizers]
            raise FloatingPointError(names[fault - 1])

    def _traced_policy(self, observation, is_first, state, seed, mode):
        noise = self.draw_policy_noise(is_first.shape[0], mode, seed)
        return self.act(observation, is_first, state, noise, mode)

    def _traced_update(self, batch, seed):
        batch_size, length = batch["reward"].shape
        learned = self.learn(batch, self.draw_noise(batch_size, length, seed))
        metrics = dict(learned.metrics)
        for name, optimizer in self.optimizers.items():
            if optimizer.scaler is not None:
                norm = learned.gradient_norms[name]
                skipped = ~tf.math.is_finite(norm)
                # A skipped step is counted, its infinite norm would spoil the mean.
                metrics[f"{name}_grad_norm"] = tf.where(skipped, 0.0, norm)
                metrics[f"{name}_skipped"] = tf.cast(skipped, tf.float32)
                metrics[f"{name}_loss_scale"] = tf.identity(optimizer.scale)
        config = self.config.exploration
        metrics["expl_amount"] = (
            exploration.epsilon_schedule(config, self.updates)
            if self.spec.discrete
            else tf.constant(float(config.noise))
        )
        return metrics

    def _traced_predict(self, batch, context, seed):
        batch_size, length = batch["reward"].shape
        noise = distributions.standard_normal([length, batch_size, self.config.model.stoch], seed)
        states = self.world_model.open_loop(batch, context, noise)
        return self.world_model.decode_image(states.features)

    def _traced_report(self, batch, seed):
        batch_size, length = batch["reward"].shape
        noise = self.draw_noise(batch_size, length, seed)
        embed = self.world_model.embed(batch)
        observed = self.world_model.rssm(embed, batch["action"], batch["is_first"], noise.posterior)
        policy = self.actor(observed.states.features)
        shape = [MODE_SAMPLES, batch_size, length, self.spec.action_size]
        candidates = self._action_noise(shape, tf.random.split(seed, 2)[1])
        return {"action_ent": tf.reduce_mean(distributions.entropy(policy, candidates))}
