"""The configuration of a run: every key with its type and what is allowed.

Values and explanations live in `configs/dreamer.yaml` only.
"""

import dataclasses
import functools

DEFAULTS = "dreamer"
LARGEST_COUNT = 10**12


def _within(minimum=None, maximum=None, above=None):
    """A number with minimum <= number <= maximum and number > above."""
    bounds = {"minimum": minimum, "maximum": maximum, "above": above}
    return dataclasses.field(metadata=bounds)


def _count(minimum, maximum=LARGEST_COUNT):
    return _within(minimum, maximum)


def _count_or(word, minimum):
    """A whole number, or a word in its place."""
    bounds = {"minimum": minimum, "maximum": LARGEST_COUNT, "above": None}
    return dataclasses.field(metadata={**bounds, "word": word})


def _one_of(*choices):
    return dataclasses.field(metadata={"choices": choices})


def _matching(pattern, description):
    return dataclasses.field(metadata={"pattern": pattern, "description": description})


@dataclasses.dataclass(frozen=True)
class EnvConfig:
    observation: str = _one_of("auto", "image", "vector", "both")
    action_repeat: int | str = _count_or("auto", 1)
    time_limit: int | str = _count_or("auto", 1)
    render: str = _one_of("paper", "fast")
    timeout: float = _within(above=0)


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    prefill: int = _count(1)
    pretrain: int = _count(0)
    every: int = _count(1)
    updates: int = _count(1)
    batch_size: int = _count(1)
    batch_length: int = _count(1)


@dataclasses.dataclass(frozen=True)
class ReplayConfig:
    capacity: int | str = _count_or("all", 1)
    keep: bool = dataclasses.field()


@dataclasses.dataclass(frozen=True)
class EvaluateConfig:
    every: int = _count(1)
    episodes: int = _count(1)
    videos: int = _count(0)


@dataclasses.dataclass(frozen=True)
class ExplorationConfig:
    noise: float = _within(minimum=0)
    epsilon: float = _within(0, 1)
    epsilon_final: float = _within(0, 1)
    epsilon_updates: int = _count(1)


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    deter: int = _count(1)
    stoch: int = _count(1)
    hidden: int = _count(1)
    min_std: float = _within(above=0)
    cnn_depth: int = _count(1)
    vector_layers: int = _count(1)
    units: int = _count(1)
    reward_layers: int = _count(1)
    discount_layers: int = _count(1)
    discount_head: str = _one_of("auto", "on", "off")
    vector_scale: float = _within(minimum=0)
    discount_scale: float = _within(minimum=0)
    kl_scale: float = _within(minimum=0)
    free_nats: float = _within(minimum=0)
    free_nats_per: str = _one_of("batch", "step")
    learning_rate: float = _within(above=0)


@dataclasses.dataclass(frozen=True)
class BehaviorConfig:
    horizon: int = _count(2)
    discount: float = _within(above=0, maximum=1)
    lambda_: float = _within(0, 1)
    units: int = _count(1)
    actor_layers: int = _count(1)
    value_layers: int = _count(1)
    init_std: float = _within(above=0)
    entropy_scale: float = _within(minimum=0)
    actor_learning_rate: float = _within(above=0)
    value_learning_rate: float = _within(above=0)


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    clip: float = _within(above=0)
    epsilon: float = _within(above=0)


@dataclasses.dataclass(frozen=True)
class CheckpointConfig:
    minutes: float = _within(above=0)
    keep: int = _count(2)


@dataclasses.dataclass(frozen=True)
class Config:
    """The whole configuration of a run; `configs/dreamer.yaml` explains every key."""

    task: str = _matching(r"\w[\w.:/+-]*", "a name of letters, digits and . : / + - _")
    seed: int = _count(0, maximum=2**32 - 1)
    steps: int = _count(1)
    precision: str = _one_of("auto", "float32", "bfloat16", "float16")
    xla: bool = dataclasses.field()
    envs: int = _count(1, maximum=1024)
    env: EnvConfig
    train: TrainConfig
    replay: ReplayConfig
    evaluate: EvaluateConfig
    exploration: ExplorationConfig
    model: ModelConfig
    behavior: BehaviorConfig
    optimizer: OptimizerConfig
    checkpoint: CheckpointConfig


@functools.cache
def schema():
    """Returns every key with its dataclass field, `{"train.every": Field, ...}`, in order."""
    fields = {}
    for field in dataclasses.fields(Config):
        if dataclasses.is_dataclass(field.type):
            inner = dataclasses.fields(field.type)
            fields |= {f"{field.name}.{each.name}": each for each in inner}
        else:
            fields[field.name] = field
    return fields


def sections():
    """Returns the names of the sections, in order."""
    fields = dataclasses.fields(Config)
    return [field.name for field in fields if dataclasses.is_dataclass(field.type)]


def flatten(config):
    """Returns a config's values by key, `{"train.every": 1000, ...}`, in the schema's order."""
    values = {}
    for key in schema():
        section, _, name = key.rpartition(".")
        values[key] = getattr(getattr(config, section) if section else config, name)
    return values
