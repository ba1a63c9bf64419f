"""Reading the configuration from configs/*.yaml, the command line and the file of a run."""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.paths import expanded
from dreamer_tf.config.catalog import AGENTS
from dreamer_tf.config.schema import (
    DEFAULTS,
    KEYS,
    SECTIONS,
    Config,
    flatten,
    schema,
    sections,
    used_keys,
    used_sections,
)
from dreamer_tf.config.values import convert, nearest


def load_config(
    presets: Sequence[str] = (), overrides: Sequence[tuple[str, object]] = ()
) -> Config:
    """Resolves defaults, then presets in their order, then overrides; the later value wins.

    The defaults and the package's presets may set keys of sections that the chosen agent does not
    use; they are ignored.

    Args:
        presets: names of files in the configs folder, or paths ending in `.yaml`.
        overrides: pairs (key, value): a text as typed on the command line, or a value of Python.

    Raises:
        UserError: one line with the offending word, for anything unknown, of the wrong type, out of
            range, without a value, impossible together or of no use to the agent.
    """
    values = _read(configs_folder() / f"{DEFAULTS}.yaml")
    given = {}  # Where a person has set a key.
    for preset in presets:
        # The defaults as a preset change nothing, wherever they are named.
        if preset == DEFAULTS:
            continue
        path = _preset_path(preset)
        found = _read(path)
        values |= found
        if path.resolve().parent != configs_folder():
            given |= {key: f"{path}: {key}" for key in found}
    for key, text in overrides:
        check_key(key, prefix="--")
        values[key] = convert(text, schema()[key], f"--{key}")
        given[key] = f"--{key}"
    _check_used(given, values["agent"], [key for key, _ in overrides])
    return _build(values)


def from_yaml(path: str | Path, missing: Mapping[str, object] | tuple[()] = ()) -> Config:
    """Reads a config saved with `to_yaml`.

    Args:
        path: the file.
        missing: {key: value} of keys that the file may lack.

    Raises:
        UserError: the file is missing, unreadable or no complete and valid configuration.
    """
    read = _read(Path(path))
    values = dict(missing) | read
    absent = [key for key in KEYS if key not in values]
    absent += [key for key in used_keys(values["agent"]) if key not in values] if not absent else []
    if absent:
        raise UserError(f"{path} lacks the key {absent[0]}: it was not saved by this version")
    _check_used({key: f"{path}: {key}" for key in read}, values["agent"])
    return _build(values, f"{path}: ")


def to_yaml(config: Config) -> str:
    """Returns the config as YAML text that `from_yaml` reads back equal.

    It holds the keys that the config's agent uses.
    """
    values = {}
    for key, value in flatten(config).items():
        section, _, name = key.rpartition(".")
        (values.setdefault(section, {}) if section else values)[name] = value
    return OmegaConf.to_yaml(OmegaConf.create(values))


def configs_folder() -> Path:
    """Returns the folder of the presets: inside an installed package, next to it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def preset_names() -> list[str]:
    """Returns the names of all presets, sorted."""
    return sorted(path.stem for path in configs_folder().glob("*.yaml"))


def check_key(key: str, prefix: str = "") -> None:
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
        return expanded(preset, "--configs")
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
    return dict(_values(path, text))


@functools.lru_cache(maxsize=64)
def _values(path, text):
    """Returns the checked values of a config's text by key.

    Cached, since a sweep reads the same few presets hundreds of times.
    """
    try:
        content = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
    except yaml.YAMLError as error:
        raise UserError(_describe(path, error)) from None
    except (OmegaConfBaseException, AssertionError, RecursionError, ValueError) as error:
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


def _check_used(given, agent, typed=()):
    """Raises a UserError if a person has set a key that the agent does not use.

    Args:
        given: {key: where and how it was set}.
        agent: the agent's name.
        typed: those of them that are on the command line; files may be of an older version.
    """
    tolerated = AGENTS[agent].tolerated - set(typed)
    used, names = {*used_keys(agent), *tolerated}, used_sections(agent)
    for key, where in given.items():
        section = key.partition(".")[0]
        if key not in used:
            what = f"the section {section}" if "." in key and section not in names else "it"
            raise UserError(f"{where} has no effect: the agent {agent} does not use {what}")


def _build(values, place=""):
    """Returns the `Config` of a complete set of values by key, after the checks across keys."""
    used = used_sections(values["agent"])
    held = {key: values[key] for key in used_keys(values["agent"])}
    parts = dict.fromkeys(SECTIONS)
    for name in used:
        keys = [field.name for field in dataclasses.fields(SECTIONS[name])]
        parts[name] = SECTIONS[name](**{key: held.get(f"{name}.{key}") for key in keys})
    config = Config(**{key: values[key] for key in KEYS}, **parts)
    for name in used:
        problem = parts[name].problem(config)
        if problem:
            raise UserError(place + problem)
    return config
