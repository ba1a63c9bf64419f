"""The sections of the configuration that agents use; `configs/dreamer.yaml` explains their keys.

Free of TensorFlow: the command line is checked before it is imported. Which agent uses which
section is said in `catalog.py`.
"""

import dataclasses

from dreamer_tf.config.fields import Section, count, one_of, within
from dreamer_tf.envs.tasks import PAPERS_SIZE

PAPERS_IMAGE = (PAPERS_SIZE, PAPERS_SIZE, 3)


@dataclasses.dataclass(frozen=True)
class ExplorationConfig(Section):
    """Noise on the actions that collect experience."""

    noise: float = within(minimum=0)
    epsilon: float = within(0, 1)
    epsilon_final: float = within(0, 1)
    epsilon_updates: int = count(1)

    def problem(self, config):
        """See `Section.problem`: epsilon must not rise."""
        if self.epsilon_final <= self.epsilon:
            return None
        return (
            f"exploration.epsilon_final {self.epsilon_final} is more than "
            f"exploration.epsilon {self.epsilon}: exploration only falls"
        )


@dataclasses.dataclass(frozen=True)
class ModelConfig(Section):
    """The world model and its loss."""

    deter: int = count(1, shapes=True)
    stoch: int = count(1, shapes=True)
    hidden: int = count(1, shapes=True)
    min_std: float = within(above=0)
    cnn_depth: int = count(1, shapes=True)
    vector_layers: int = count(1, shapes=True)
    units: int = count(1, shapes=True)
    reward_layers: int = count(1, shapes=True)
    discount_layers: int = count(1, shapes=True)
    discount_head: str = one_of(("auto", "on", "off"), shapes=True)
    vector_scale: float = within(minimum=0)
    discount_scale: float = within(minimum=0)
    kl_scale: float = within(minimum=0)
    free_nats: float = within(minimum=0)
    free_nats_per: str = one_of(("batch", "step"))
    learning_rate: float = within(above=0)

    def problem(self, config):
        """See `Section.problem`: with a discount head the last of the steps starts no dream."""
        length = config.train.batch_length
        if length >= 2 or self.discount_head == "off":
            return None
        return (
            f"train.batch_length {length} leaves no state to imagine from with a "
            "discount head: make it at least 2 or set model.discount_head off"
        )

    def misfit(self, spec):
        """See `Section.misfit`: the convolutions are made for the paper's images."""
        shape, _ = spec.observations.get("image", (PAPERS_IMAGE, None))
        if shape == PAPERS_IMAGE:
            return None
        return (
            f"the world model's images are 64x64, not {shape[0]}x{shape[1]}: "
            f"leave env.image_size {PAPERS_SIZE}"
        )

    def shaped_by(self):
        """See `Section.shaped_by`: whether there is a discount head may depend on the task."""
        return ("terminates",) if self.discount_head == "auto" else ()


@dataclasses.dataclass(frozen=True)
class BehaviorConfig(Section):
    """Actor and value function, learned from imagined trajectories."""

    horizon: int = count(2)
    discount: float = within(above=0, maximum=1)
    lambda_: float = within(0, 1)
    units: int = count(1, shapes=True)
    actor_layers: int = count(1, shapes=True)
    value_layers: int = count(1, shapes=True)
    init_std: float = within(above=0)
    entropy_scale: float = within(minimum=0)
    actor_learning_rate: float = within(above=0)
    value_learning_rate: float = within(above=0)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig(Section):
    """What all of an agent's optimisers share."""

    clip: float = within(above=0)
    epsilon: float = within(above=0)
