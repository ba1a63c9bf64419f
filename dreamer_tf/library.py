"""Training from Python; `dreamer_tf.train` is the public name."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import gymnasium

from dreamer_tf.basics import stopping
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.paths import expanded
from dreamer_tf.config import command_line
from dreamer_tf.config.files import load_config
from dreamer_tf.config.schema import sections
from dreamer_tf.envs import factories
from dreamer_tf.reports import terminal
from dreamer_tf.reports.loggers import RunLogger
from dreamer_tf.training import session

WANTED = {
    "configs": "the names of presets or the paths of their files",
    "loggers": "the objects with the methods begin, write, video and end",
}

_TRAINING = threading.Lock()


def train(
    task: str | gymnasium.Env | Callable[[], gymnasium.Env] | None,
    logdir: str | Path,
    configs: str | Path | Iterable[str | Path],
    name: str | None,
    loggers: RunLogger | Iterable[RunLogger],
    fresh: bool,
    extend: bool,
    init_from: str | Path | None,
    keys: dict[str, Any],
) -> Path:
    """See `dreamer_tf.train`."""
    factory = None
    if task is not None and not isinstance(task, str):
        task, factory = factories.named(task)
        factory = factories.packed(factory)
    presets = [str(preset) for preset in _listed(configs, "configs", (str, Path))]
    loggers = _listed(loggers, "loggers", RunLogger)
    overrides = list(_flat(keys)) + ([] if task is None else [("task", task)])
    for option, value in (("fresh", fresh), ("extend", extend)):
        if not isinstance(value, bool):
            raise UserError(f"{option} must be True or False, not {value!r}")
    if fresh and extend:
        raise UserError("fresh and extend exclude each other: start again or continue")
    arguments = command_line.Arguments(
        logdir=command_line.folder_of_runs(logdir),
        name=command_line.run_name(name, presets),
        init_from=None if init_from is None else expanded(init_from, "init_from"),
        fresh=fresh,
        extend=extend,
        configs=tuple(presets),
        config=load_config(presets, overrides),
        given=tuple(key for key, _ in overrides),
    )
    if not _TRAINING.acquire(blocking=False):
        raise UserError(
            "another thread of this program is training, and settings of TensorFlow are the whole "
            "program's: train one after the other, or in processes of their own"
        )
    try:
        with _state_of_the_caller():
            outcome = session.run_to_end(arguments, session.Extras(tuple(loggers), factory))
    except UserError as error:
        if error.status != stopping.INTERRUPTED:
            raise
        # To the program it is one line and a status, here it is what Python calls it.
        raise KeyboardInterrupt(str(error)) from None
    finally:
        _TRAINING.release()
    # The caller has not heard it yet. In the background of a script Ctrl-C would be ignored.
    if outcome.stop_signal == signal.SIGINT:
        raise KeyboardInterrupt
    if outcome.stop_signal is not None:
        signal.raise_signal(outcome.stop_signal)
    return outcome.path


def _listed(given, argument, kind):
    """Returns one thing, or several, as a list.

    Raises:
        UserError: something is not of the kind; a class is none of its objects.
    """
    # A class has the methods, too.
    given = [given] if isinstance(given, (kind, type)) else given
    found = list(given) if isinstance(given, Iterable) else [given]
    for each in found:
        if isinstance(each, type) or not isinstance(each, kind):
            raise UserError(f"{argument}: {each!r} is none of {WANTED[argument]}")
    return found


def _flat(keys):
    """Yields (key, value) of {"steps": 9, "train": {"every": 3}, "model.units": 5}."""
    for key, value in keys.items():
        if isinstance(value, dict) and key in sections():
            yield from ((f"{key}.{name}", each) for name, each in value.items())
        else:
            yield key, value


@contextlib.contextmanager
def _state_of_the_caller():
    """Gives the caller's signal handlers and TensorFlow settings back in the end."""
    with terminal.quiet_start():
        from dreamer_tf.networks import precision

    main = threading.current_thread() is threading.main_thread()
    handlers = {number: signal.getsignal(number) for number in stopping.SIGNALS} if main else {}
    with precision.restored():
        try:
            yield
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
