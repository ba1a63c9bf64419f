"""An agent's variables in a checkpoint, and the agent of a run."""

from pathlib import Path

from dreamer_tf import checkpoint, config, program, resume, run_directory
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.errors import UserError

PREFIX = "agent/"


def variable_arrays(agent):
    """Returns {"agent/path": array} of all that the agent needs to go on exactly."""
    return {PREFIX + path: variable.numpy() for path, variable in agent.variables.items()}


def put_variables(agent, saved, optimizers=True):
    """Assigns a checkpoint's arrays to the agent's variables, all of them or none.

    Args:
        agent: an `Agent`.
        saved: `Checkpoint`.
        optimizers: whether to learn on. To act, the weights are enough, and they do not depend on
            the precision that the checkpoint was trained in.

    Raises:
        UserError: the checkpoint holds other variables or other shapes.
    """
    arrays = {
        name.removeprefix(PREFIX): array
        for name, array in saved.arrays.items()
        if name.startswith(PREFIX)
    }
    variables = agent.variables
    if not optimizers:
        arrays, variables = _without_optimizers(arrays), _without_optimizers(variables)
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
        variable.assign(arrays[path])


def _without_optimizers(paths):
    return {path: each for path, each in paths.items() if not path.startswith("optimizer/")}


def load_config(run):
    """Returns the configuration of a run's folder.

    Raises:
        UserError: the folder is not a run.
    """
    path = Path(run) / run_directory.CONFIG
    if not path.is_file():
        raise UserError(
            f"{run} is not a run: it has no {run_directory.CONFIG}; "
            f"give a folder like runs/<task>/<name>/<seed>"
        )
    return config.from_yaml(path)


def load_checkpoint(run, warn):
    """Returns the newest readable checkpoint of a run's folder.

    Raises:
        UserError: there is none.
    """
    saved = checkpoint.load_newest(Path(run) / run_directory.CHECKPOINTS, warn)
    if saved is None:
        raise UserError(f"{run} holds no checkpoint yet: wait for the first one", status=1)
    resume.check_format(saved.state)
    return saved


def restore_agent(settings, saved):
    """Returns the agent of a checkpoint.

    Args:
        settings: the run's `Config`.
        saved: `Checkpoint`.
    """
    with program.quiet_start():
        from dreamer_tf import precision
        from dreamer_tf.agents.dreamer import Dreamer

        precision.prepare_devices()
    spec = EnvSpec.from_json(saved.state["spec"])
    agent = Dreamer(settings, spec, precision.resolve(settings.precision))
    put_variables(agent, saved, optimizers=False)
    return agent
