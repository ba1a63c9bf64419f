"""Dreamer (Hafner et al., ICLR 2020) with TensorFlow and Keras.

`train` and `load` are for use from Python. Importing the package imports nothing heavy:
environment workers use it and must stay free of TensorFlow.
"""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import gymnasium

    from dreamer_tf.player import Player
    from dreamer_tf.reports.loggers import RunLogger

__version__ = "0.1.0"


def train(
    task: str | gymnasium.Env | Callable[[], gymnasium.Env] | None = None,
    *,
    logdir: str | Path = "runs",
    configs: str | Path | Iterable[str | Path] = (),
    name: str | None = None,
    loggers: RunLogger | Iterable[RunLogger] = (),
    fresh: bool = False,
    extend: bool = False,
    init_from: str | Path | None = None,
    **keys: typing.Any,
) -> Path:
    """Trains as `python -m dreamer_tf.train` does, in this process; returns the run's folder.

        run = dreamer_tf.train("gym_Pendulum-v1", configs="vectors", steps=20_000)
        player = dreamer_tf.load(run)

    The same call continues a run that was stopped, and finds a complete one complete. Signals stop
    it at a checkpoint, as they do the program; then they reach the caller, Ctrl-C as
    KeyboardInterrupt. Signal handlers and TensorFlow's settings are the caller's again afterwards,
    except that GPU memory is taken as it is needed and that, on a CPU, freed memory stays with this
    process, whose CPU is in parts after a run with several `devices`.

    Args:
        task: a task's name, a `gymnasium.Env`, or a function without arguments that makes one.
            Environments step in processes of their own, which get copies.
        logdir: folder of all runs; this one goes to logdir/<task>/<name>/<seed>.
        configs: presets by name, or .yaml files; the later one wins.
        name: of the run's folder, by default the presets joined by "-".
        loggers: told of what is measured, see `dreamer_tf.reports.loggers.RunLogger`.
        fresh: whether to delete what an earlier run left in the run's folder.
        extend: whether to continue a run up to a larger number of steps.
        init_from: a run's folder to begin with the weights of.
        **keys: of configs/dreamer.yaml: `steps=20_000, train={"batch_size": 16}`.

    Raises:
        dreamer_tf.basics.errors.UserError: something is wrong with the call or the run.
    """
    from dreamer_tf import library

    return library.train(task, logdir, configs, name, loggers, fresh, extend, init_from, keys)


def load(
    run: str | Path,
    trust: bool = False,
    env: gymnasium.Env | Callable[[], gymnasium.Env] | None = None,
) -> Player:
    """Returns the `dreamer_tf.player.Player` of a run's folder, with its newest weights.

    Args:
        run: `runs/<task>/<name>/<seed>`.
        trust: whether the module of a task `module:factory` may be imported.
        env: the environment of a run that was trained with one, or a function that makes it.

    Raises:
        dreamer_tf.basics.errors.UserError: it is not a run, has no checkpoint yet, or its task is
            code that was neither trusted nor given.
    """
    from dreamer_tf import player

    return player.load(run, trust, env)
