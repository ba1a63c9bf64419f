"""What a command to train would do, and what is left of a run that ended before it could save."""

from pathlib import Path
from typing import Any

from dreamer_tf.config.command_line import Arguments
from dreamer_tf.config.files import to_yaml
from dreamer_tf.config.schema import Config
from dreamer_tf.envs import check_task
from dreamer_tf.runs import checkpoint, going_on, resume, run_directory, saved_agent
from dreamer_tf.training.schedule import Schedule

NO_MEMORY = (
    "there is not enough memory ({}): take a smaller train.batch_size or train.batch_length, fewer "
    "envs or smaller networks"
)


def plan(arguments: Arguments) -> str:
    """Returns what the command would do, as comments, and its whole configuration, as YAML.

    Raises:
        UserError: it would be refused, as far as can be told without starting the environment.
    """
    config = arguments.config
    check_task(config.task)
    path = path_of(arguments)
    state, changes = None, []
    if (path / run_directory.CONFIG).exists() and not arguments.fresh:
        run_directory.check_apart(path)
        state = checkpoint.stored_state(path / run_directory.CHECKPOINTS)
        resume.check_whole(state, path)
        changes = going_on.changes(path / run_directory.CONFIG, arguments)
    else:
        run_directory.check_place(path, arguments.fresh)
    if arguments.init_from is not None and state is None:
        saved_agent.load_config(arguments.init_from)
    if state is None:
        how = "starts at step 0"
    elif is_finished(state, config):
        how = "is complete"
    else:
        how = f"goes on at step {state['counters']['step']}"
    if arguments.fresh and (path / run_directory.CONFIG).exists():
        changes = ["--fresh deletes the run that is there"]
    lines = [f"the run in {path} {how}", *changes, "nothing was started"]
    return "".join(f"# {line}\n" for line in lines) + to_yaml(config).rstrip()


def path_of(arguments: Arguments) -> Path:
    """Returns the folder of the run of an `Arguments`."""
    config = arguments.config
    return run_directory.run_path(arguments.logdir, config.task, arguments.name, config.seed)


def is_finished(state: dict[str, Any] | None, config: Config) -> bool:
    """Returns whether a checkpoint's state says that nothing is left to do; it may be None."""
    if state is None:
        return False
    return Schedule(config, state.get("at_once", False)).finished(resume.counters(state))


def again(arguments: Arguments) -> str:
    """Returns what a person types to go on with the run of an `Arguments`."""
    return "the same command without --fresh" if arguments.fresh else "the same command"


def after_interrupt(arguments: Arguments) -> str:
    """Returns what is left of a run that was interrupted before it could save."""
    path, same = path_of(arguments), again(arguments)
    saved = checkpoint.read_state(path / run_directory.CHECKPOINTS)
    if saved is not None:
        step = saved["counters"]["step"]
        return f"interrupted: {same} goes on from the checkpoint of step {step}"
    if next((path / run_directory.EPISODES).glob("*.npy"), None) is not None:
        return f"interrupted before the first checkpoint: {same} begins with the episodes"
    return "interrupted before anything was learned: the same command starts the run"


def out_of_memory(error: BaseException) -> str | None:
    """Returns the line for an exception that says that memory is lacking, None for any other."""
    # By its name: TensorFlow need not have been loaded.
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        reason = str(error).strip().split("\n")[0][:200]
        return NO_MEMORY.format(reason or "nothing says how much was asked for")
    return None
