"""Reading the configuration from configs/*.yaml, the command line and the file of a run."""

import dataclasses
from pathlib import Path

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.schema import DEFAULTS, Config, schema, sections
from dreamer_tf.config.values import convert, nearest
from dreamer_tf.envs.tasks import PAPERS_LIMIT, default_repeat, is_suite


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
    package = Path(__file__).resolve().parents[1]
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
