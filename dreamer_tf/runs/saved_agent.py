"""An agent's variables in a checkpoint, and the agent of a run."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np

from dreamer_tf import agents
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.paths import expanded
from dreamer_tf.basics.run_files import is_curve
from dreamer_tf.config import files, schema
from dreamer_tf.config.schema import Config
from dreamer_tf.envs import tasks
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.envs.tasks import default_repeat
from dreamer_tf.reports import terminal
from dreamer_tf.runs import checkpoint, run_directory, versions
from dreamer_tf.runs.checkpoint import Checkpoint

PREFIX = "agent/"
# Keys that change no weight's shape, but what the networks' inputs or outputs mean.
MEANINGS = (
    *("env.action_repeat", "model.vector_transform", "model.reward_transform", "model.min_std"),
    *("behavior.mean_scale", "behavior.init_std", "behavior.discount"),
    "model.discount_labels",
    *("d4pg.value_min", "d4pg.value_max", "d4pg.discount", "a3c.reward_scale", "a3c.discount"),
)


def variable_arrays(agent: Agent) -> dict[str, np.ndarray | np.generic]:
    """Returns {"agent/path": array} of all that the agent needs to go on exactly."""
    return {PREFIX + path: variable.numpy() for path, variable in agent.variables.items()}


def put_variables(agent: Agent, saved: Checkpoint, weights_only: bool = False) -> None:
    """Assigns a checkpoint's arrays to the agent's variables, all of them or none.

    Args:
        agent: an `Agent`.
        saved: `Checkpoint`.
        weights_only: leave optimisers and counters as they are. The weights do not depend on the
            precision that the checkpoint was trained in.

    Raises:
        UserError: the checkpoint holds other variables or other shapes.
    """
    arrays, variables = _agent_arrays(saved), agent.variables
    if weights_only:
        arrays, variables = _weights(arrays), _weights(variables)
    shapes = {path: tuple(variable.shape) for path, variable in variables.items()}
    wrong = list(shapes.keys() ^ arrays.keys())
    wrong += [path for path in shapes.keys() & arrays.keys() if arrays[path].shape != shapes[path]]
    if wrong:
        raise UserError(
            f"{saved.path} does not fit this configuration ({min(wrong)} differs): "
            f"use the version of the program and the configuration that wrote it",
            status=1,
        )
    for path, variable in variables.items():
        variable.assign(arrays[path].astype(variable.numpy().dtype))  # Shipped ones may be half.


def weight_arrays(saved: Checkpoint) -> dict[str, np.ndarray]:
    """Returns {path: array} of the weights in a `Checkpoint`, without optimisers and counters."""
    return _weights(_agent_arrays(saved))


def _agent_arrays(saved):
    return {
        name.removeprefix(PREFIX): array
        for name, array in saved.arrays.items()
        if name.startswith(PREFIX)
    }


def _weights(paths):
    others = ("optimizer/", "updates")
    return {path: each for path, each in paths.items() if not path.startswith(others)}


def check_same_networks(
    run: str | Path, saved: Checkpoint, settings: Config, spec: EnvSpec
) -> None:
    """Raises a UserError unless a run's weights fit another configuration and environment.

    Args:
        run: folder of the run that the weights come from.
        saved: its `Checkpoint`.
        settings: the `Config` that they are for.
        spec: the `EnvSpec` that they are for.
    """
    there, here = schema.flatten(load_config(run)), schema.flatten(settings)
    source = versions.read_spec(saved.state["spec"])
    for key in schema.shaping_keys(settings.agent):
        if there[key] != here[key]:
            raise UserError(
                f"--init_from {run}: {key} is {there[key]} there and {here[key]} here; "
                f"give --{key} {there[key]}"
            )
    decisive = ["observations", "action_size", "discrete"]
    for name in schema.used_sections(settings.agent):
        decisive += getattr(settings, name).shaped_by()
    for name in decisive:
        before, now = getattr(source, name), getattr(spec, name)
        if before != now:
            raise UserError(
                f"--init_from {run}: its environment's {name} is {before}, here it is "
                f"{now}; the networks cannot be the same"
            )


def other_meanings(run: str | Path, settings: Config) -> list[str]:
    """Returns texts about keys that say what weights mean, and are not those of a run's folder."""
    there, here = _meanings(load_config(run)), _meanings(settings)
    return [
        f"{key} is {there[key]} in {run}, {here[key]} here: its weights mean something else"
        for key in there
        if key in here and there[key] != here[key]
    ]


def _meanings(config):
    """Returns {key: value} of those of `MEANINGS` that a configuration has."""
    values = schema.flatten(config)
    if values["env.action_repeat"] == "auto":
        values["env.action_repeat"] = default_repeat(config.task)
    return {key: values[key] for key in MEANINGS if key in values}


def load_config(run: str | Path) -> Config:
    """Returns the configuration of a run's folder.

    Raises:
        UserError: the folder is not a run, or only the curve of one.
    """
    folder = expanded(run, "a run")
    if is_curve(folder):
        raise UserError(
            f"{run} holds a curve only, which never gets a checkpoint: give a run's own folder, or "
            "an agent that was shipped, such as the project's own in agents/"
        )
    if not folder.is_dir():
        raise UserError(
            f"{run} is not a run: there is no such folder; give one like runs/<task>/<name>/<seed>"
        )
    path = folder / run_directory.CONFIG
    if not path.is_file():
        raise UserError(
            f"{run} is not a run: it has no {run_directory.CONFIG}; "
            f"give a folder like runs/<task>/<name>/<seed>"
        )
    return files.from_yaml(path, versions.KEYS)


def add_trust(parser: argparse.ArgumentParser) -> None:
    """Adds the options --task and --trust to an `ArgumentParser`, for `check_trust`."""
    parser.add_argument(
        "--task", help="name a run's task of the form module:factory, whose module is imported"
    )
    parser.add_argument(
        "--trust", action="store_true", help="import the module that a run's task names"
    )


def check_trust(
    run: str | Path, config: Config, named: str | Literal[True] | None, how: str
) -> None:
    """Refuses a run whose task names a module, unless a person does, too: it is somebody's code.

    Args:
        run: the run's folder.
        config: its `Config`.
        named: the task that the person names, True for any, None for none.
        how: how to name it.

    Raises:
        UserError: the task names a module and the person does not, or names another task; or it
            was in a script, which no name finds.
    """
    if config.task.startswith(tasks.GIVEN):
        raise UserError(
            f"{run} was made from Python, of an environment that a script has: open it there, with "
            f"dreamer_tf.load({str(run)!r}, env=...)"
        )
    if named not in (None, True, config.task):
        raise UserError(f"--task {named}: the task of {run} is {config.task}")
    if named is None and tasks.is_code(config.task):
        raise UserError(
            f"{run} has the task {config.task}, whose module would be imported and so run: "
            f"{how} if you trust it"
        )


def load_checkpoint(run: str | Path, warn: Callable[[str], None]) -> Checkpoint:
    """Returns the newest readable checkpoint of a run's folder, in the present format.

    Raises:
        UserError: there is none, or none that this version understands.
    """
    saved = checkpoint.load_newest(expanded(run, "a run") / run_directory.CHECKPOINTS, warn)
    if saved is None:
        raise UserError(f"{run} holds no checkpoint yet: wait for the first one", status=1)
    return versions.to_current(saved)


def restore_agent(settings: Config, saved: Checkpoint) -> Agent:
    """Returns the agent of a checkpoint.

    Of TensorFlow's global state it changes only that GPUs give memory as it is needed.

    Args:
        settings: the run's `Config`.
        saved: `Checkpoint`.
    """
    spec = versions.read_spec(saved.state["spec"])
    with terminal.quiet_start():
        from dreamer_tf.networks import precision

        precision.take_memory_as_needed()
        agent = agents.make(settings, spec, precision.resolve(settings.precision))
    put_variables(agent, saved, weights_only=True)
    return agent
