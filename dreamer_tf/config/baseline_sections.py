"""The sections of the model-free agents D4PG and A3C; see `sections.py`."""

import dataclasses
from typing import TYPE_CHECKING

from dreamer_tf.config.fields import Section, count, sizes, within

if TYPE_CHECKING:
    from dreamer_tf.config.schema import Config
    from dreamer_tf.envs.spec import EnvSpec

# Of both convolutions that D4PG sees with.
CHANNELS = 32


@dataclasses.dataclass(frozen=True)
class D4pgConfig(Section):
    """D4PG: its networks, its targets and its exploration."""

    stack: int = count(1, maximum=16, shapes=True)
    embed: int = count(1, shapes=True)
    actor_units: str = sizes()
    critic_units: str = sizes()
    atoms: int = count(2, maximum=10**4, shapes=True)
    value_min: float = within()
    value_max: float = within()
    n_step: int = count(1, maximum=1000)
    discount: float = within(0, 1)
    target_period: int = count(1)
    actor_learning_rate: float = within(above=0)
    critic_learning_rate: float = within(above=0)
    action_gradient: float = within(above=0)
    priority: float = within(0, 1)
    importance: float = within(0, 1)
    noise: float = within(minimum=0)
    noise_min: float = within(above=0)
    noise_max: float = within(above=0)

    def problem(self, config: "Config") -> str | None:
        """See `Section.problem`: ranges must not be empty."""
        if self.value_min >= self.value_max:
            return (
                f"d4pg.value_min {self.value_min} is not less than d4pg.value_max {self.value_max}"
            )
        if self.noise_min > self.noise_max:  # The same noise in all environments is a range.
            return f"d4pg.noise_min {self.noise_min} is more than d4pg.noise_max {self.noise_max}"
        return None

    def misfit(self, spec: "EnvSpec") -> str | None:
        """See `Section.misfit`: the critic is differentiated with respect to actions."""
        if not spec.discrete:
            return None
        return "the agent d4pg needs continuous actions, and these are choices: try --agent a3c"


@dataclasses.dataclass(frozen=True)
class A3cConfig(Section):
    """A3C: its networks, its rollouts and its RMSProp."""

    units: str = sizes()
    rollout: int = count(1, maximum=10**5)
    discount: float = within(0, 1)
    reward_scale: float = within(above=0)
    entropy: float = within(minimum=0)
    learning_rate: float = within(above=0)
    decay: float = within(0, 1)
    damping: float = within(above=0)

    def problem(self, config: "Config") -> str | None:
        """See `Section.problem`: a run makes at least one rollout."""
        needed = self.rollout * config.envs * config.env.repeats(config.task)
        if config.steps >= needed:
            return None
        return (
            f"steps {config.steps} is less than the {needed} of one a3c.rollout "
            f"{self.rollout} in {config.envs} environments: the run would end before it learns"
        )

    def misfit(self, spec: "EnvSpec") -> str | None:
        """See `Section.misfit`: it learns from states."""
        if "image" not in spec.observations:
            return None
        return "the agent a3c learns from vectors, not from images: give --env.observation vector"
