"""The configuration of a run: every key with its type and what is allowed.

Values and explanations live in `configs/dreamer.yaml` only. Agents bring sections of their own,
see `catalog.py`.
"""

import dataclasses
import functools
from typing import TYPE_CHECKING

from dreamer_tf.basics.errors import UserError
from dreamer_tf.config import catalog
from dreamer_tf.config.fields import Section, count, count_or, matching, one_of, switch, within
from dreamer_tf.envs.tasks import default_limit, default_repeat

if TYPE_CHECKING:
    from dreamer_tf.envs.spec import EnvSpec

DEFAULTS = "dreamer"


@dataclasses.dataclass(frozen=True)
class EnvConfig(Section):
    """What an environment does with actions, time and images."""

    observation: str = one_of(("auto", "image", "vector", "both"))
    image_size: int = count(16, maximum=512)
    action_repeat: int | str = count_or("auto", 1)
    time_limit: int | str = count_or("auto", 1)
    render: str = one_of(("paper", "fast"))
    life_loss: bool = switch()
    timeout: float = within(above=0)
    close_timeout: float = within(above=0)

    def problem(self, config: "Config") -> str | None:
        """See `Section.problem`: an episode ends with a whole agent step."""
        repeat, limit = self.repeats(config.task), self.time_limit
        limit = default_limit(config.task) if limit == "auto" else limit
        if limit is None or limit % repeat == 0:
            return None
        return (
            f"env.time_limit {limit} is not a multiple of env.action_repeat {repeat}: "
            "both count environment steps"
        )

    def repeats(self, task: str) -> int:
        """Returns how many environment steps an action lasts in a task."""
        return default_repeat(task) if self.action_repeat == "auto" else self.action_repeat


@dataclasses.dataclass(frozen=True)
class TrainConfig(Section):
    """Collecting experience and learning from it."""

    prefill: int = count(1)
    pretrain: int = count(0)
    every: int = count(1)
    updates: int = count(1)
    batch_size: int = count(1)
    batch_length: int = count(1)
    overlap: bool = switch()
    skip_nonfinite: bool = switch()

    def problem(self, config: "Config") -> str | None:
        """See `Section.problem`: a run learns before it ends."""
        if catalog.AGENTS[config.agent].at_once:
            agent = config.agent
            told = f"train.overlap true: the agent {agent} learns from steps as they come"
            return told if self.overlap else None
        if config.devices > 1 and self._unshared(config):
            return f"devices {config.devices}: {self._unshared(config)}"
        needed, words = self.prefill, f"train.prefill {self.prefill}"
        if not self.pretrain:
            needed += self.every
            words += f" and train.every {self.every} together, and train.pretrain is 0"
        if config.steps >= needed:
            return None
        return f"steps {config.steps} is less than {words}: the run would end before it learns"

    def _unshared(self, config):
        """Returns why several devices cannot share an update, None where they can."""
        if self.batch_size % config.devices:
            return f"they cannot have equal shares of train.batch_size {self.batch_size}"
        if config.precision == "float16":
            return "each would have a loss scale of its own; set precision bfloat16 or float32"
        if config.xla:
            return "XLA cannot compile what they tell each other; leave xla false"
        return None


@dataclasses.dataclass(frozen=True)
class ReplayConfig(Section):
    """The experience that batches are drawn from."""

    capacity: int | str = count_or("all", 1)
    keep: bool = switch()
    balance: bool = switch()


@dataclasses.dataclass(frozen=True)
class EvaluateConfig(Section):
    """Test episodes."""

    every: int = count(1)
    episodes: int = count(1)
    videos: int = count(0)
    action: str = one_of(("mode", "mean"))


@dataclasses.dataclass(frozen=True)
class CheckpointConfig(Section):
    """Saving what an exact resume needs."""

    minutes: float = within(above=0)
    keep: int = count(2)


SECTIONS = {
    "env": EnvConfig,
    "train": TrainConfig,
    "replay": ReplayConfig,
    "evaluate": EvaluateConfig,
    **catalog.all_sections(),
    "checkpoint": CheckpointConfig,
}
"""{name: dataclass} of all sections, the agents' among those that every run has."""

KEYS = {
    "task": (str, matching(r"\w[\w.:/+-]*", "a name of letters, digits and . : / + - _")),
    # The table itself: whatever is in it can be chosen.
    "agent": (str, one_of(catalog.AGENTS, shapes=True)),
    "seed": (int, count(0, maximum=2**32 - 1)),
    "steps": (int, count(1)),
    "precision": (str, one_of(("auto", "float32", "bfloat16", "float16"))),
    "xla": (bool, switch()),
    "devices": (int, count(1, maximum=64)),
    "envs": (int, count(1, maximum=1024)),
}
"""{key: (type, field)} outside all sections."""

Config = dataclasses.make_dataclass(
    "Config",
    [(name, *each) for name, each in KEYS.items()] + list(SECTIONS.items()),
    frozen=True,
    namespace={
        "__module__": __name__,
        "__doc__": """The whole configuration of a run; `configs/dreamer.yaml` explains every key.

        The attributes are those of `KEYS` and `SECTIONS`; a section or a key that the chosen agent
        does not use is None.
        """,
    },
)


def check_environment(config: Config, spec: "EnvSpec") -> None:
    """Raises a UserError if the configured agent cannot act in an environment.

    Args:
        config: `Config`.
        spec: `EnvSpec` of the environment.
    """
    for name in used_sections(config.agent):
        problem = getattr(config, name).misfit(spec)
        if problem:
            raise UserError(f"{config.task}: {problem}")


@functools.cache
def schema() -> dict[str, dataclasses.Field]:
    """Returns every key with its dataclass field, `{"train.every": Field, ...}`, in order."""
    fields = {}
    for field in dataclasses.fields(Config):
        if field.name in SECTIONS:
            inner = dataclasses.fields(field.type)
            fields |= {f"{field.name}.{each.name}": each for each in inner}
        else:
            fields[field.name] = field
    return fields


def sections() -> list[str]:
    """Returns the names of all sections, in order."""
    return list(SECTIONS)


def used_sections(agent: str) -> list[str]:
    """Returns the names of the sections of an agent's runs, in order."""
    others = catalog.all_sections().keys() - catalog.AGENTS[agent].sections.keys()
    return [name for name in SECTIONS if name not in others]


def used_keys(agent: str) -> list[str]:
    """Returns the keys of an agent's runs, in order."""
    names, unused = used_sections(agent), catalog.AGENTS[agent].unused
    found = [key for key in schema() if "." not in key or key.partition(".")[0] in names]
    return [key for key in found if key not in unused]


def shaping_keys(agent: str) -> list[str]:
    """Returns the keys that the shapes of an agent's weights follow from, its name first."""
    return [key for key in used_keys(agent) if schema()[key].metadata.get("shapes")]


def flatten(config: Config) -> dict[str, bool | int | float | str]:
    """Returns a config's values by key, `{"train.every": 1000, ...}`, in the schema's order.

    Keys that the agent does not use are not among them.
    """
    values = {}
    for key in used_keys(config.agent):
        section, _, name = key.rpartition(".")
        values[key] = getattr(getattr(config, section) if section else config, name)
    return values
