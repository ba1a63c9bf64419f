"""The configuration: its schema, its validation, and reading it from configs/*.yaml.

Values and explanations live in `configs/dreamer.yaml` only. Here are the types and what is allowed.
"""

import dataclasses
import functools
from pathlib import Path

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dreamer_tf.config_values import convert, nearest
from dreamer_tf.envs.tasks import PAPERS_LIMIT, default_repeat, is_suite
from dreamer_tf.errors import UserError

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


def load_config(presets=(), overrides=()):
    """Resolves defaults, then presets in their order, then overrides; the later value wins.

    Args:
        presets: names of files in the configs folder, or paths ending in `.yaml`.
        overrides: pairs (key, text) as typed on the command line.

    Raises:
        UserError: one line with the offending word, for anything unknown, of the wrong type, out of
            range, without a value or impossible together.
    """
    values = _read(configs_folder() / f"{DEFAULTS}.yaml")
    for preset in presets:
        # The defaults as a preset change nothing, wherever they are named.
        if preset != DEFAULTS:
            values |= _read(_preset_path(preset))
    for key, text in overrides:
        check_key(key, prefix="--")
        values[key] = convert(text, schema()[key], f"--{key}")
    return _build(values)


def from_yaml(path):
    """Reads a config saved with `to_yaml`. Every key must be there.

    Raises:
        UserError: the file is missing, unreadable or no complete and valid configuration.
    """
    values = _read(Path(path))
    absent = [key for key in schema() if key not in values]
    if absent:
        raise UserError(f"{path} lacks the key {absent[0]}: it was not saved by this version")
    return _build(values, f"{path}: ")


def to_yaml(config):
    """Returns the config as YAML text that `from_yaml` reads back equal."""
    return OmegaConf.to_yaml(OmegaConf.create(dataclasses.asdict(config)))


def configs_folder():
    """Returns the folder of the presets: inside an installed package, next to it in a checkout."""
    package = Path(__file__).resolve().parent
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def preset_names():
    """Returns the names of all presets, sorted."""
    return sorted(path.stem for path in configs_folder().glob("*.yaml"))


def check_key(key, prefix=""):
    """Raises a UserError unless a key exists. `prefix` precedes it where it was written."""
    if key in schema():
        return
    if key in sections():
        example = next(name for name in schema() if name.startswith(f"{key}."))
        raise UserError(f"{prefix}{key} is a section, not a key: name one key of it, as {example}")
    hint = nearest(key, list(schema())) or "; --help lists all keys"
    raise UserError(f"unknown key {prefix}{key}{hint}")


def _preset_path(preset):
    if preset.endswith(".yaml"):
        return Path(preset)
    if preset not in preset_names():
        hint = nearest(preset, preset_names())
        raise UserError(
            f"unknown preset {preset!r}{hint}: there are {', '.join(preset_names())}, "
            "or name a file that ends in .yaml"
        )
    return configs_folder() / f"{preset}.yaml"


def _read(path):
    """Returns the checked values of a YAML file by key, for the keys that it holds."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot read the config {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is not a text file in UTF-8") from None
    try:
        content = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except yaml.YAMLError as error:
        raise UserError(_describe(path, error)) from None
    except (OmegaConfBaseException, RecursionError, ValueError) as error:
        reason = str(error).strip().split("\n")[0]
        raise UserError(f"{path} cannot be read as a config: {reason}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold lines of `key: value`")
    values = {}
    for name, value in content.items():
        # A section in which every key is commented out holds None.
        if name in sections() and value is None:
            value = {}
        nested = isinstance(value, dict) and (value or name in sections())
        flat = {f"{name}.{k}": v for k, v in value.items()} if nested else {name: value}
        for key, each in flat.items():
            check_key(str(key), prefix=f"in {path}: ")
            values[key] = convert(each, schema()[key], f"{path}: {key}")
    return values


def _describe(path, error):
    """Returns one line for a file that is not YAML, with the line's number where it is known."""
    mark = getattr(error, "problem_mark", None)
    place = f"{path}, line {mark.line + 1}" if mark else str(path)
    problem = getattr(error, "problem", None) or "it cannot be read"
    return f"{place}: not valid YAML: {problem}"


def _build(values, place=""):
    """Returns the `Config` of a complete set of values by key, after the checks across keys."""
    top = {key: value for key, value in values.items() if "." not in key}
    for field in dataclasses.fields(Config):
        if dataclasses.is_dataclass(field.type):
            names = [each.name for each in dataclasses.fields(field.type)]
            top[field.name] = field.type(**{name: values[f"{field.name}.{name}"] for name in names})
    config = Config(**top)
    _check_combinations(config, place)
    return config


def _check_combinations(config, place):
    env, train, exploration = config.env, config.train, config.exploration
    problem = None
    repeat, limit = env.action_repeat, env.time_limit
    repeat = default_repeat(config.task) if repeat == "auto" else repeat
    # Other environments may have a limit of their own, which only their worker knows.
    limit = PAPERS_LIMIT if limit == "auto" and is_suite(config.task) else limit
    if limit != "auto" and limit % repeat:
        problem = (
            f"env.time_limit {limit} is not a multiple of env.action_repeat {repeat}: "
            "both count environment steps"
        )
    elif config.steps < train.prefill:
        problem = (
            f"steps {config.steps} is less than train.prefill {train.prefill}: "
            "the run would end before it learns"
        )
    elif train.batch_length < 2 and config.model.discount_head != "off":
        problem = (
            f"train.batch_length {train.batch_length} leaves no state to imagine from with a "
            "discount head: make it at least 2 or set model.discount_head off"
        )
    elif exploration.epsilon_final > exploration.epsilon:
        problem = (
            f"exploration.epsilon_final {exploration.epsilon_final} is more than "
            f"exploration.epsilon {exploration.epsilon}: exploration only falls"
        )
    if problem:
        raise UserError(place + problem)
