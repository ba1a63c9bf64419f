"""A3C (Mnih et al. 2016) on state features as in Tassa et al. 2018, in its synchronous form.

The workers of the original change shared weights whenever one of them has made its steps. Here all
environments make theirs, and one update takes the mean of their gradients. `A3C.learn` is the
method.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dreamer_tf.agents import baseline_symptoms, description, flops
from dreamer_tf.agents.compiled import CompiledAgent
from dreamer_tf.agents.steps import Steps
from dreamer_tf.behavior.n_step import rollout_return
from dreamer_tf.config.fields import numbers
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.experience.sources import Rollouts
from dreamer_tf.networks import distributions
from dreamer_tf.networks.actor_critic import ActorCritic, Choices, ClippedNormal
from dreamer_tf.networks.layers import LayerFactory, named_variables
from dreamer_tf.networks.optimizer import Optimizer, rmsprop
from dreamer_tf.networks.precision import POLICIES

# Of the squared error of the value, beside the policy's loss.
VALUE_WEIGHT = 0.5


class Learned(NamedTuple):
    """Everything that one update computed."""

    loss: tf.Tensor
    gradients: list
    advantages: tf.Tensor
    metrics: dict


class A3C(CompiledAgent):
    """Policy and value on shared layers, and how they learn and act.

    Args:
        config: `Config`; the section a3c is used.
        spec: `EnvSpec` of the environments, which observe vectors only.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """

    dreams = None

    def __init__(self, config: Config, spec: EnvSpec, precision: str):
        super().__init__(config.xla)
        self.config = config
        self.settings = settings = config.a3c
        self.spec = spec
        self.experience = Rollouts(settings.rollout)
        self.network = ActorCritic(
            LayerFactory("actor_critic", config.seed, POLICIES[precision]),
            spec.vector_size,
            numbers(settings.units),
            spec.action_size * (1 if spec.discrete else 2),
        )
        made = config.steps // (spec.action_repeat * config.envs * settings.rollout)
        method = rmsprop(
            # A step for each environment, as their workers would make them.
            settings.learning_rate * config.envs,
            settings.decay,
            settings.damping,
            max(made, 1),
        )
        self.optimizer = Optimizer(
            "policy_value", self.network.trainable_variables, method, precision == "float16"
        )
        self.updates = tf.Variable(0, dtype=tf.int64, trainable=False, name="updates")
        self.steps = Steps(
            {"policy_value": self.optimizer}, self.updates, skip=config.train.skip_nonfinite
        )
        self.variables = {**named_variables([self.network]), **self.optimizer.variables}
        self.variables["updates"] = self.updates

    def learn(self, batch: dict[str, tf.Tensor]) -> Learned:
        """Makes one update by the n-step advantages of all environments' rollouts.

        Args:
            batch: what `Rollouts` describes, {field: [N, L + 1, ...]}.

        Returns:
            `Learned`.
        """
        batch = {**batch, "reward": self.settings.reward_scale * batch["reward"]}
        with tf.GradientTape() as tape:
            parameters, value = self.network(self._vector(batch))
            returns, mask = rollout_return(batch, tf.stop_gradient(value), self.settings.discount)
            policy = self._distribution(parameters[:, :-1])
            advantages = (returns - value[:, :-1]) * mask
            likelihood = policy.log_prob(batch["action"][:, 1:])
            entropy = policy.entropy() * mask
            policy_loss = -_per_environment(likelihood * tf.stop_gradient(advantages))
            value_loss = _per_environment(tf.square(advantages))
            bonus = self.settings.entropy * _per_environment(entropy)
            loss = policy_loss + VALUE_WEIGHT * value_loss - bonus
        found, name = {"policy_value": loss}, "policy_value"
        gradients = self.steps.gradients({name: tape}, found)
        norms = {name: tf.linalg.global_norm(gradients[name])}
        count = tf.reduce_sum(mask)
        metrics = self.steps.metrics(found, norms) | {
            "policy_loss": policy_loss,
            "value_error": tf.reduce_sum(tf.square(advantages)) / count,
            "value": tf.reduce_sum(value[:, :-1] * mask) / count,
            "action_ent": tf.reduce_sum(entropy) / count,
        }
        self.steps.apply(found, gradients, norms)
        return Learned(loss, gradients[name], advantages, metrics)

    def _vector(self, observation):
        return tf.concat([observation[name] for name in self.spec.observations], -1)

    def _distribution(self, parameters):
        return Choices(parameters) if self.spec.discrete else ClippedNormal(parameters)

    # The Agent protocol, the compiled part on tensors.

    def initial_state(self, count: int) -> dict[str, np.ndarray]:
        """Returns no state: a step needs none."""
        return {}

    def policy_graph(
        self,
        observation: dict[str, tf.Tensor],
        is_first: tf.Tensor,
        state: dict[str, tf.Tensor],
        seed: tf.Tensor,
        mode: str,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Agent.policy`; exploring is sampling, the best action the mean or likeliest one."""
        policy = self._distribution(self.network(self._vector(observation))[0])
        if mode != "explore":
            return policy.best(), state
        draw = distributions.gumbel if self.spec.discrete else distributions.standard_normal
        return policy.sample(draw([is_first.shape[0], self.spec.action_size], seed)), state

    def update_graph(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Agent.update`; nothing in it is random."""
        return self.learn(batch).metrics

    def report_graph(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Agent.report`; every update says all."""
        return {}

    def symptoms(self, metrics: dict[str, float]) -> dict[str, str]:
        """See `Agent.symptoms`."""
        return baseline_symptoms.of_a3c(metrics, self.spec.discrete, self.spec.action_size)

    def check(self) -> None:
        """See `Agent.check`."""
        self.steps.check()

    def describe(self) -> description.Description:
        """See `Agent.describe`."""
        kind = "choices" if self.spec.discrete else "actions"
        policy = "categorical" if self.spec.discrete else "Gaussian"
        return description.Description(
            name="A3C",
            choices=f"{policy} policy over {self.spec.action_size} {kind}, rollouts of "
            f"{self.settings.rollout} steps in {self.config.envs} environments",
            parameters={self.network.name: self.network.count_params()},
            update_flops=flops.a3c_update(self.config, self.spec),
            charts=description.A3C_CHARTS,
            progress={
                "policy": "policy_loss",
                "value error": "value_error",
                "entropy": "action_ent",
            },
        )


def _per_environment(values):
    """Returns the sum over time of values [N, L], the mean over environments."""
    return tf.reduce_mean(tf.reduce_sum(values, 1))
