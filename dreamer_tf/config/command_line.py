"""The command line of a run: options, keys of the configuration and `--help`."""

import dataclasses
import re
import shutil
import textwrap
from collections.abc import Sequence
from pathlib import Path

from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.paths import expanded
from dreamer_tf.config import catalog
from dreamer_tf.config.files import check_key, configs_folder, load_config, preset_names
from dreamer_tf.config.schema import DEFAULTS, Config, schema, sections
from dreamer_tf.config.values import nearest

USAGE = "usage: python -m dreamer_tf.train [options] [--key value ...]"
OPTIONS = {
    "--logdir": ("DIR", "Folder of all runs; this one goes to DIR/<task>/<name>/<seed> (runs)."),
    "--configs": ("NAME ...", "Presets by name, or .yaml files; the later one wins."),
    "--name": ("TEXT", "Name of the run's folder (the presets joined by '-')."),
    "--init_from": ("RUN", "Begin with the weights of another run's newest checkpoint."),
    "--fresh": ("", "Delete what an earlier run left in the run's folder and start again."),
    "--extend": ("", "Continue a run up to a larger number of steps."),
    "--dry_run": (
        "",
        "Check the keys, print where the run would go and its configuration; start nothing.",
    ),
    "--wandb": ("PROJECT", "Also log to Weights & Biases (pip install wandb)."),
    "--help": ("", "Print this and exit."),
}
PLAIN_NAME = re.compile(r"\w[\w.+-]{0,99}", re.ASCII)


@dataclasses.dataclass(frozen=True)
class Arguments:
    """A command line as understood: where the run goes and its resolved configuration.

    `given` are the keys that were set by themselves, not by a preset.
    """

    logdir: Path
    name: str
    init_from: Path | None
    fresh: bool
    extend: bool
    configs: tuple[str, ...]
    config: Config
    given: tuple[str, ...] = ()
    wandb: str | None = None
    dry_run: bool = False


def parse(argv: Sequence[str]) -> Arguments:
    """Returns the `Arguments` of the words after the program's name.

    `--help` anywhere prints the help and exits with status 0. Nothing is created on disk.

    Raises:
        UserError: an unknown option, key or preset, or a wrong or missing value.
    """
    if "--help" in argv or "-h" in argv:
        print(help_text())
        raise SystemExit(0)
    options, presets, overrides = _split(list(argv))
    if options.get("--fresh") and options.get("--extend"):
        raise UserError("--fresh and --extend exclude each other: start again or continue")
    config = load_config(presets, overrides)
    init_from = options.get("--init_from")
    return Arguments(
        logdir=folder_of_runs(options.get("--logdir", "runs")),
        name=run_name(options.get("--name"), presets),
        init_from=None if init_from is None else expanded(init_from, "--init_from"),
        fresh="--fresh" in options,
        extend="--extend" in options,
        configs=tuple(presets),
        config=config,
        given=tuple(dict.fromkeys(key for key, _ in overrides)),
        wandb=options.get("--wandb"),
        dry_run="--dry_run" in options,
    )


def folder_of_runs(given: str | Path) -> Path:
    """Returns the path of a --logdir; raises a UserError where files cannot name it."""
    path = expanded(given, "--logdir")
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"--logdir {str(path)!r} is no text in UTF-8: choose another") from None
    return path


def help_text() -> str:
    """Returns usage, options, presets, agents and every key with its default and meaning."""
    width = min(shutil.get_terminal_size().columns, 120)
    rows = [(f"{option} {value}".rstrip(), "", text) for option, (value, text) in OPTIONS.items()]
    lines = [USAGE, "", "Options:", *_table(rows, width), "", "Presets (--configs):"]
    lines += _table([(name, "", _first_comment(name)) for name in preset_names()], width)
    lines += ["", "Agents (--agent):"]
    lines += _table([(name, "", each.description) for name, each in catalog.AGENTS.items()], width)
    lines += ["", "Keys, their defaults and meanings (--seed 3, --train.batch_size=16):"]
    meanings = explanations()
    shown = ""
    for key in schema():
        section = key.rpartition(".")[0]
        if section != shown:
            lines += ["", f"{section}: {meanings[section][1]}"]
            shown = section
        lines += _table([(f"--{key}", *meanings[key])], width)
    return "\n".join(lines)


def explanations() -> dict[str, tuple[str, str]]:
    """Returns {key or section: (default as written, meaning)} from `configs/dreamer.yaml`.

    The meaning is the comment at the end of the key's line, or the comment lines right above it.
    """
    found = {}
    section, above = "", []
    for line in (configs_folder() / f"{DEFAULTS}.yaml").read_text(encoding="utf-8").splitlines():
        text = line.strip()
        match = re.match(r"( *)(\w+):\s*(.*?)\s*(?:#\s*(.*))?$", line)
        if text.startswith("#"):
            above.append(text.lstrip("# "))
        elif match:
            indent, name, value, comment = match.groups()
            if not indent:
                section = name if name in sections() else ""
            key = f"{section}.{name}" if indent else name
            found[key] = (value, " ".join([*above, comment or ""]).strip())
            above = []
        else:
            above = []
    return found


def _split(words):
    """Returns options, presets and overrides (key, text) of a command line's words."""
    options, presets, overrides = {}, [], []
    while words:
        word = words.pop(0)
        if not word.startswith("--"):
            raise UserError(f"unexpected word {word!r}{_hint(word)}; names start with --")
        option, equals, text = word.partition("=")
        if option == "--configs":
            names = [text] if equals else []
            while words and not words[0].startswith("--"):
                names.append(words.pop(0))
            presets += names
            _require(option, names and all(names))
        elif option in OPTIONS and not OPTIONS[option][0]:
            if equals:
                raise UserError(f"{option} takes no value, but got {text!r}")
            options[option] = True
        else:
            _check_option(option)
            if not equals:
                text = words.pop(0) if words and not words[0].startswith("--") else ""
            _require(option, text)
            if option in OPTIONS:
                options[option] = text
            else:
                overrides.append((option[2:], text))
    return options, presets, overrides


def _require(option, given):
    if not given:
        raise UserError(f"{option} has no value")


def _check_option(option):
    """Raises a UserError with the nearest valid name unless the word is an option or a key."""
    key = option[2:]
    if option in OPTIONS or key in schema():
        return
    if key in sections():
        check_key(key, prefix="--")
    raise UserError(f"unknown option {option!r}{_hint(option)}")


def _hint(word):
    valid = [*OPTIONS, *(f"--{key}" for key in schema())]
    return nearest(word, valid) or ": --help lists all options and keys"


def run_name(given: str | None, presets: Sequence[str]) -> str:
    """Returns the name of a run: the given one, or for None that of its presets.

    Raises:
        UserError: a run's folder cannot have it.
    """
    stems = [Path(preset).stem if preset.endswith(".yaml") else preset for preset in presets]
    return check_name("-".join(stems) or DEFAULTS if given is None else given)


def check_name(name: str) -> str:
    """Returns the name; raises a UserError if a run's folder cannot have it."""
    if not isinstance(name, str) or not PLAIN_NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be the name of a run: give --name letters, digits and . + - _ "
            "(at most 100), starting with a letter or digit"
        )
    return name


def _first_comment(preset):
    with open(configs_folder() / f"{preset}.yaml", encoding="utf-8") as file:
        return file.readline().lstrip("# ").strip()


def _table(rows, width):
    """Returns lines of rows (name, default, meaning), meanings wrapped to the width."""
    lines = []
    for name, default, meaning in rows:
        start = f"  {name:<32}{default:<17}" if default else f"  {name:<19}"
        start = start if start.endswith(" ") else start + " "
        lines += textwrap.wrap(
            meaning,
            width=max(width, len(start) + 30),
            initial_indent=start,
            subsequent_indent=" " * len(start),
            break_on_hyphens=False,
        )
    return lines
