"""What all agents with a world model share: how it learns, how it filters, what a run asks."""

from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from dreamer_tf.agents import description, symptoms
from dreamer_tf.agents.compiled import CompiledAgent
from dreamer_tf.agents.dreams import Dreams
from dreamer_tf.agents.steps import Steps
from dreamer_tf.behavior.imagination import Imagined
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.experience.sources import Sequences
from dreamer_tf.networks import devices, images
from dreamer_tf.networks.layers import named_variables
from dreamer_tf.networks.optimizer import optimizers
from dreamer_tf.networks.perceptrons import DenseHead
from dreamer_tf.networks.precision import POLICIES
from dreamer_tf.world_model.rssm import State
from dreamer_tf.world_model.world_model import Reconstruction, WorldModel

DITHER_STREAM = 1
"""Separates the noise on images from all other noise of the same seed."""


class Learned(NamedTuple):
    """Everything that one update computed; `imagined` is None without a value function."""

    reconstruction: Reconstruction
    imagined: Imagined | None
    losses: dict
    gradients: dict
    gradient_norms: dict
    metrics: dict


class ModelBased(CompiledAgent):
    """An agent that learns a world model and chooses actions in its states.

    A subclass has its heads made by `make_heads`, and the methods

    * `learn(batch, noise)`, a pure function of weights, batch and noise that makes one update and
      returns `Learned`; `update_noise(batch_size, length, seed)` draws the noise,
    * `choose(state, noise, mode)`, the actions [N, A] in a `State`; `policy_noise(count, mode,
      seed)` draws the noise, whose member `state` is [N, S] for the filter,
    * `dreamt_action(state, seed, mode)`, the actions without exploration,
    * `report_graph`, `symptoms` and `describe` of the protocol.

    Args:
        config: `Config`.
        spec: `EnvSpec` of the environments.
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
    """

    def __init__(self, config: Config, spec: EnvSpec, precision: str):
        super().__init__(config.xla)
        self.config = config
        self.spec = spec
        self.experience = Sequences(
            config.train.batch_size, config.train.batch_length, config.replay.balance
        )
        dtype = POLICIES[precision]
        switch = config.model.discount_head
        predicts_ends = spec.terminates if switch == "auto" else switch == "on"
        discount = config.behavior.discount if predicts_ends else None
        self.world_model = WorldModel(config.model, spec, discount, config.seed, dtype)
        heads = self.make_heads(dtype)
        self.updates = devices.counter("updates", tf.int64)
        rate = config.model.learning_rate
        learning = {name: (part, rate) for name, part in self.world_model.parts.items()}
        learning |= {name: ([head], rate) for name, (head, rate) in heads.items()}
        self.optimizers = optimizers(learning, config.optimizer, precision == "float16")
        self.steps = Steps(self.optimizers, self.updates, skip=config.train.skip_nonfinite)
        self.models = [*self.world_model.models, *(head for head, _ in heads.values())]
        self.variables = named_variables(self.models)
        for optimizer in self.optimizers.values():
            self.variables.update(optimizer.variables)
        self.variables["updates"] = self.updates
        value, _ = heads.get("value", (None, None))
        self.dreams = Dreams(self.world_model, self.dreamt_action, value)

    def make_heads(self, dtype: str) -> dict[str, tuple[DenseHead, float]]:
        """Returns {name: (head, learning rate)} of what learns beside the world model."""
        return {}

    def apply(
        self,
        reconstruction: Reconstruction,
        imagined: Imagined | None,
        tapes: dict[str, tf.GradientTape],
        losses: dict[str, tf.Tensor],
        metrics: dict[str, tf.Tensor],
    ) -> Learned:
        """Takes all gradients with the old weights, makes the steps and returns `Learned`.

        Args:
            reconstruction, imagined: as in `Learned`.
            tapes: {name: tape} of every optimiser.
            losses: {name: scalar}.
            metrics: {name: scalar}.
        """
        gradients = devices.mean(self.steps.gradients(tapes, losses))
        losses, metrics = devices.mean((losses, metrics))
        norms = {name: tf.linalg.global_norm(gradient) for name, gradient in gradients.items()}
        metrics = metrics | self.steps.metrics(losses, norms)
        self.steps.apply(losses, gradients, norms)
        return Learned(reconstruction, imagined, losses, gradients, norms, metrics)

    def act(
        self,
        observation: dict[str, tf.Tensor],
        is_first: tf.Tensor,
        state: dict[str, tf.Tensor],
        noise: Any,
        mode: str,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """Filters one observation and chooses an action (the collection step of Algorithm 1).

        Args:
            observation: {"image": uint8 [N, 64, 64, 3]}, vectors float32 [N, V] under their names.
            is_first: bool [N].
            state: {"stoch": [N, S], "deter": [N, D], "action": [N, A]}.
            noise: what `policy_noise` draws.
            mode: see `Agent.policy`.

        Returns:
            (action [N, A], next state).
        """
        keep = 1.0 - tf.cast(is_first, tf.float32)[:, None]
        state = {name: value * keep for name, value in state.items()}
        rssm = self.world_model.rssm
        projected = rssm.posterior_embed(self.world_model.embed(observation))
        previous = State(state["stoch"], state["deter"])
        current, _ = rssm.posterior_step(previous, state["action"], projected, noise.state)
        action = self.choose(current, noise, mode)
        return action, {"stoch": current.stoch, "deter": current.deter, "action": action}

    # The Agent protocol, the compiled part on tensors.

    def initial_state(self, count: int) -> dict[str, np.ndarray]:
        """Returns the state of `count` environments before their first observation."""
        model = self.config.model
        sizes = {"stoch": model.stoch, "deter": model.deter, "action": self.spec.action_size}
        return {name: tf.zeros([count, size]).numpy() for name, size in sizes.items()}

    def policy_graph(
        self,
        observation: dict[str, tf.Tensor],
        is_first: tf.Tensor,
        state: dict[str, tf.Tensor],
        seed: tf.Tensor,
        mode: str,
    ) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        """See `Agent.policy`."""
        noise = self.policy_noise(is_first.shape[0], mode, seed)
        return self.act(self._dithered(observation, seed), is_first, state, noise, mode)

    def update_graph(self, batch: dict[str, tf.Tensor], seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """See `Agent.update`."""
        noise = self.update_noise(*batch["reward"].shape, seed)
        # Of the noise, the second axis is that of sequences or of the states in their order.
        shares = devices.part(self._dithered(batch, seed)), devices.part(noise, axis=1)
        learned = self.learn(*shares)
        return {**learned.metrics, "expl_amount": self.exploration_amount()}

    def _dithered(self, batch, seed):
        """Returns observations or a batch, where the configuration asks for it with dither."""
        if not self.config.model.dither or "image" not in batch:
            return batch
        own = tf.random.experimental.stateless_fold_in(seed, DITHER_STREAM)
        noise = tf.random.stateless_uniform(tf.shape(batch["image"]), own)
        return {**batch, "image": images.dither(batch["image"], noise)}

    def exploration_amount(self) -> tf.Tensor:
        """Returns how strongly the agent explores, a scalar."""
        return tf.constant(float(self.config.exploration.noise))

    def check(self) -> None:
        """See `Agent.check`."""
        self.steps.check()

    def symptoms(self, metrics: dict[str, float]) -> dict[str, str]:
        """See `Agent.symptoms`."""
        model = self.config.model
        return symptoms.of_prior(metrics, model.free_nats, model.free_nats_per)

    def model_charts(self) -> dict[str, tuple[str, ...]]:
        """Returns the `Description.charts` of the world model."""
        return description.model_charts(self.config.model.objective)

    def parameters(self) -> dict[str, int]:
        """Returns the `Description.parameters`."""
        return {part.name: part.count_params() for part in self.models}

    def discount_words(self) -> str:
        """Returns for people whether there is a discount head and why."""
        has_head = self.world_model.discount_head is not None
        return description.discount_words(self.config.model.discount_head, self.spec, has_head)
