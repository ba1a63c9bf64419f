"""The sections of the configuration that agents use; `configs/dreamer.yaml` explains their keys.

Free of TensorFlow: the command line is checked before it is imported. Which agent uses which
section, and which keys of it, is said in `catalog.py`; the others are None.
"""

import dataclasses
from typing import TYPE_CHECKING

from dreamer_tf.config.fields import Section, count, one_of, switch, within
from dreamer_tf.envs.tasks import PAPERS_SIZE

if TYPE_CHECKING:
    from dreamer_tf.config.schema import Config
    from dreamer_tf.envs.spec import EnvSpec

PAPERS_IMAGE = (PAPERS_SIZE, PAPERS_SIZE, 3)


@dataclasses.dataclass(frozen=True)
class ExplorationConfig(Section):
    """Noise on the actions that collect experience."""

    noise: float = within(minimum=0)
    epsilon: float = within(0, 1)
    epsilon_final: float = within(0, 1)
    epsilon_updates: int = count(1)

    def problem(self, config: "Config") -> str | None:
        """See `Section.problem`: epsilon must not rise."""
        if self.epsilon is None or self.epsilon_final <= self.epsilon:
            return None
        return (
            f"exploration.epsilon_final {self.epsilon_final} is more than "
            f"exploration.epsilon {self.epsilon}: exploration only falls"
        )


@dataclasses.dataclass(frozen=True)
class ModelConfig(Section):
    """The world model and its loss."""

    objective: str = one_of(("reconstruction", "contrastive", "reward_only"), shapes=True)
    contrast: str = one_of(("observations", "window"))
    diagnostic_decoder: bool = switch(shapes=True)
    deter: int = count(1, shapes=True)
    stoch: int = count(1, shapes=True)
    hidden: int = count(1, shapes=True)
    min_std: float = within(above=0)
    cnn_depth: int = count(1, shapes=True)
    vector_layers: int = count(1, shapes=True)
    units: int = count(1, shapes=True)
    reward_layers: int = count(1, shapes=True)
    discount_layers: int = count(1, shapes=True)
    contrast_layers: int = count(1, shapes=True)
    discount_head: str = one_of(("auto", "on", "off"), shapes=True)
    discount_labels: str = one_of(("discount", "continuation"))
    dither: bool = switch()
    reward_transform: str = one_of(("none", "tanh"))
    reward_scale: float = within(minimum=0)
    vector_transform: str = one_of(("none", "symlog"))
    vector_scale: float = within(minimum=0)
    discount_scale: float = within(minimum=0)
    kl_scale: float = within(minimum=0)
    free_nats: float = within(minimum=0)
    free_nats_per: str = one_of(("batch", "step"))
    learning_rate: float = within(above=0)

    def problem(self, config: "Config") -> str | None:
        """See `Section.problem`: with a discount head the last of the steps starts no dream."""
        if config.devices > 1 and self.objective == "contrastive":
            what = "model.objective contrastive compares all states of a batch, on one device"
            return f"devices {config.devices}: {what}"
        length = config.train.batch_length
        if length >= 2 or self.discount_head in ("off", None):
            return None
        return (
            f"train.batch_length {length} leaves no state to imagine from with a "
            "discount head: make it at least 2 or set model.discount_head off"
        )

    def misfit(self, spec: "EnvSpec") -> str | None:
        """See `Section.misfit`: the convolutions are made for the paper's images."""
        shape, _ = spec.observations.get("image", (PAPERS_IMAGE, None))
        if shape == PAPERS_IMAGE:
            return None
        return (
            f"the world model's images are 64x64, not {shape[0]}x{shape[1]}: "
            f"leave env.image_size {PAPERS_SIZE}"
        )

    def shaped_by(self) -> tuple[str, ...]:
        """See `Section.shaped_by`: whether there is a discount head may depend on the task."""
        return ("terminates",) if self.discount_head == "auto" else ()


@dataclasses.dataclass(frozen=True)
class BehaviorConfig(Section):
    """Actor and value function, learned from imagined trajectories."""

    start_every: int = count(1)
    horizon: int = count(1)
    discount: float = within(above=0, maximum=1)
    lambda_: float = within(0, 1)
    bootstrap: str = one_of(("horizon", "early"))
    units: int = count(1, shapes=True)
    actor_layers: int = count(1, shapes=True)
    value_layers: int = count(1, shapes=True)
    mean_scale: float = within(above=0)
    init_std: float = within(above=0, maximum=100)
    entropy_scale: float = within(minimum=0)
    entropy_limit: float = within()
    onehot_gradient: str = one_of(("straight_through", "score"))
    actor_learning_rate: float = within(above=0)
    value_learning_rate: float = within(above=0)

    def problem(self, config: "Config") -> str | None:
        """See `Section.problem`: a state to imagine from, and another one after the first."""
        length = config.train.batch_length - (config.model.discount_head != "off")
        if self.start_every > max(1, length):
            return (
                f"behavior.start_every {self.start_every} may leave no state to imagine from in "
                f"sequences of train.batch_length {config.train.batch_length}"
            )
        if self.lambda_ is None or self.horizon >= 2:
            return None
        return (
            f"behavior.horizon {self.horizon} leaves no return to learn from: it must be at least "
            "2, the second state's value ends the first one's return"
        )


@dataclasses.dataclass(frozen=True)
class PlannerConfig(Section):
    """Planning by the cross-entropy method."""

    horizon: int = count(1)
    candidates: int = count(2)
    elites: int = count(2)
    iterations: int = count(1)

    def problem(self, config: "Config") -> str | None:
        """See `Section.problem`: the elites are some of the candidates."""
        if self.elites <= self.candidates:
            return None
        return (
            f"planner.elites {self.elites} is more than planner.candidates {self.candidates}: "
            "the elites are the best of the candidates"
        )

    def misfit(self, spec: "EnvSpec") -> str | None:
        """See `Section.misfit`: plans are sequences of numbers."""
        if not spec.discrete:
            return None
        return (
            f"planning needs continuous actions, here are {spec.action_size} choices: take another "
            "--agent"
        )


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Section):
    """What all of an agent's optimisers share."""

    clip: float = within(above=0)
    epsilon: float = within(above=0)
