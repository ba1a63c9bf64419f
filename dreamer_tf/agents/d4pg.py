"""D4PG (Barth-Maron et al. 2018), from pixels as in Tassa et al. 2018. `D4PG.learn` is the method.

An actor without randomness follows the gradient of a critic, which learns the distribution of
N-step returns from replay.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dreamer_tf.agents import baseline_symptoms, description, flops
from dreamer_tf.agents.compiled import CompiledAgent
from dreamer_tf.agents.d4pg_networks import Networks
from dreamer_tf.agents.steps import Steps
from dreamer_tf.behavior import exploration
from dreamer_tf.behavior.n_step import window_return
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.experience.priorities import UNKNOWN
from dreamer_tf.experience.sources import Windows
from dreamer_tf.networks import distributions
from dreamer_tf.networks.categorical import Support
from dreamer_tf.networks.layers import named_variables
from dreamer_tf.networks.optimizer import optimizers
from dreamer_tf.networks.precision import POLICIES
from dreamer_tf.networks.targets import Targets
from dreamer_tf.networks.trunk import stack_frames

# An action beyond it is one that the tanh hardly lets change.
SATURATED = 0.99


class Learned(NamedTuple):
    """Everything that one update computed: {"critic": ..., "actor": ...} each, and the metrics."""

    losses: dict
    gradients: dict
    target: tf.Tensor
    priorities: tf.Tensor
    metrics: dict


class D4PG(CompiledAgent):
    """Actor and critic, their targets, and how they learn and act.

    Args:
        config: `Config`; the sections d4pg and optimizer are used.
        spec: `EnvSpec` of the environments, whose actions are continuous.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """

    dreams = None

    def __init__(self, config: Config, spec: EnvSpec, precision: str):
        super().__init__(config.xla)
        self.config = config
        self.settings = settings = config.d4pg
        self.spec = spec
        self.support = Support(settings.value_min, settings.value_max, settings.atoms)
        # The frames before the one that a step is about.
        self.before = settings.stack - 1 if "image" in spec.observations else 0
        self.experience = Windows(
            config.train.batch_size,
            before=self.before,
            after=settings.n_step,
            priority=settings.priority or None,
            correction=settings.importance,
        )
        parts = (settings, spec, config.seed, POLICIES[precision])
        self.networks, self.copies = Networks(*parts), Networks(*parts, prefix="target_")
        self.targets = Targets(self.networks.models, self.copies.models, settings.target_period)
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates")
        learning = {
            "critic": (self.networks.critic_models, settings.critic_learning_rate),
            "actor": (self.networks.actor_models, settings.actor_learning_rate),
        }
        self.optimizers = optimizers(learning, config.optimizer, precision == "float16")
        self.steps = Steps(
            self.optimizers,
            self.updates,
            lambda: self.targets.follow(self.updates),
            skip=config.train.skip_nonfinite,
        )
        self.variables = named_variables([*self.networks.models, *self.copies.models])
        for optimizer in self.optimizers.values():
            self.variables.update(optimizer.variables)
        self.variables["updates"] = self.updates

    def learn(self, batch: dict[str, tf.Tensor]) -> Learned:
        """Makes one update of both networks, both gradients taken with the old weights.

        Args:
            batch: what `Windows` describes.

        Returns:
            `Learned`.
        """
        target, outside = self._target(batch)
        networks, at = self.networks, self.before
        with tf.GradientTape() as critic_tape:
            seen = networks.see(self._observation(batch, at))
            logits = networks.logits(seen, batch["action"][:, at + 1])
            errors = tf.nn.softmax_cross_entropy_with_logits(target, logits)
            critic_loss = tf.reduce_mean(batch["window/weight"] * errors)
        with tf.GradientTape() as actor_tape:
            action = networks.act(seen)
            value, gradient = self._value_gradient(seen, action)
            # Its gradient with respect to the actions is minus the critic's, clipped.
            actor_loss = -tf.reduce_mean(tf.reduce_sum(gradient * action, -1))
        found = {"critic": critic_loss, "actor": actor_loss}
        gradients = self.steps.gradients({"critic": critic_tape, "actor": actor_tape}, found)
        norms = {name: tf.linalg.global_norm(each) for name, each in gradients.items()}
        metrics = self.steps.metrics(found, norms) | {
            "value": tf.reduce_mean(value),
            "outside": outside,
            "saturated": tf.reduce_mean(tf.cast(tf.abs(action) > SATURATED, tf.float32)),
        }
        self.steps.apply(found, gradients, norms)
        # The divergence from the target, which an exact critic has none of.
        entropy = -tf.reduce_sum(tf.math.xlogy(target, target), -1)
        priorities = tf.maximum(errors - entropy, 0.0)
        # What is not finite is a fault of the losses, whose update tells nothing of its steps.
        priorities = tf.where(tf.math.is_finite(priorities), priorities, UNKNOWN)
        return Learned(found, gradients, target, priorities, metrics)

    def _target(self, batch):
        """Returns the distributions [B, K] to be learned, and the share of their mass that lies
        outside the support."""
        at = self.before
        total, bootstrap, steps = window_return(
            batch["reward"][:, at + 1 :],
            batch["window/valid"][:, at + 1 :],
            batch["is_terminal"][:, -1],
            self.settings.discount,
        )
        seen = self.copies.see(self._observation(batch, at + steps))
        following = tf.nn.softmax(self.copies.logits(seen, self.copies.act(seen)))
        places = total[:, None] + bootstrap[:, None] * self.support.values
        beyond = (places < self.support.minimum) | (places > self.support.maximum)
        outside = tf.reduce_mean(tf.reduce_sum(following * tf.cast(beyond, tf.float32), -1))
        return self.support.project(places, following), outside

    def _observation(self, batch, position):
        """Returns what is seen at a position of the windows, the same or [B] of one each."""
        position = tf.broadcast_to(position, tf.shape(batch["window/weight"]))
        found = {}
        for name in self.spec.observations:
            if name == "image":
                frames = position[:, None] + tf.range(-self.before, 1)
                found[name] = stack_frames(tf.gather(batch[name], frames, batch_dims=1))
            else:
                found[name] = tf.gather(batch[name], position, batch_dims=1)
        return found

    def _value_gradient(self, seen, action):
        """Returns the critic's values [B] of actions and its clipped gradient for them [B, A]."""
        seen = [None if each is None else tf.stop_gradient(each) for each in seen]
        chosen = tf.stop_gradient(action)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(chosen)
            value = self.support.mean(tf.nn.softmax(self.networks.logits(seen, chosen)))
        limit = self.settings.action_gradient
        gradient = tf.clip_by_value(tape.gradient(value, chosen), -limit, limit)
        return value, tf.stop_gradient(gradient)

    def noise_scales(self, count: int) -> np.ndarray:
        """Returns the standard deviations float32 [count] of so many environments' exploration."""
        settings = self.settings
        if count == 1:
            return np.float32([settings.noise])
        return np.geomspace(settings.noise_min, settings.noise_max, count, dtype=np.float32)

    # The Agent protocol, the compiled part on tensors.

    def initial_state(self, count: int) -> dict[str, np.ndarray]:
        """Returns the frames before the first one, of `count` environments."""
        if not self.before:
            return {}
        height, width, channels = self.spec.observations["image"][0]
        return {"frames": np.zeros([count, height, width, self.before * channels], np.uint8)}

    def policy_graph(
        self,
        observation: dict[str, tf.Tensor],
        is_first: tf.Tensor,
        state: dict[str, tf.Tensor],
        seed: tf.Tensor,
        mode: str,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Agent.policy`; modes and means are the actor's actions without noise."""
        if self.before:
            image, frames = observation["image"], state["frames"]
            still = tf.concat([image] * self.before, -1)
            frames = tf.where(is_first[:, None, None, None], still, frames)
            stacked = tf.concat([frames, image], -1)
            observation = {**observation, "image": stacked}
            state = {"frames": stacked[..., image.shape[-1] :]}
        action = self.networks.act(self.networks.see(observation))
        if mode == "explore":
            noise = distributions.standard_normal(action.shape, seed)
            scale = self.noise_scales(action.shape[0])[:, None]
            action = exploration.additive_noise(action, scale, noise)
        return action, state

    def update_graph(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Agent.update`; nothing in it is random."""
        learned = self.learn(batch)
        if self.experience.priority is None:
            return learned.metrics
        return {**learned.metrics, "priorities": learned.priorities}

    def report_graph(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Agent.report`; every update says all."""
        return {}

    def symptoms(self, metrics: dict[str, float]) -> dict[str, str]:
        """See `Agent.symptoms`."""
        return baseline_symptoms.of_d4pg(metrics)

    def check(self) -> None:
        """See `Agent.check`."""
        self.steps.check()

    def describe(self) -> description.Description:
        """See `Agent.describe`."""
        settings = self.settings
        drawn = f"priorities ^ {settings.priority:g}" if settings.priority else "uniform replay"
        noise = f"{settings.noise:g}"
        if self.config.envs > 1:
            noise = f"{settings.noise_min:g} to {settings.noise_max:g}"
        frames = f", {settings.stack} frames" if self.before else ""
        return description.Description(
            name="D4PG",
            choices=f"{settings.atoms} atoms, {settings.n_step} steps, {drawn}, noise {noise}"
            + frames,
            parameters={model.name: model.count_params() for model in self.networks.models},
            update_flops=flops.d4pg_update(self.config, self.spec),
            charts=description.D4PG_CHARTS,
            progress={"critic loss": "critic_loss", "value": "value"},
        )
