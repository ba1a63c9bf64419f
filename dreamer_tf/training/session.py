"""One session of a run: makes its parts, hands them to the Trainer, says how it ended.

TensorFlow is imported late, inside functions: a wrong command line or task is answered at once.
"""

import contextlib
import dataclasses
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.basics import atomic, cluster, stopping
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.catalog import AGENTS
from dreamer_tf.config.command_line import Arguments
from dreamer_tf.config.files import to_yaml
from dreamer_tf.config.schema import Config, check_environment
from dreamer_tf.envs import check_task
from dreamer_tf.envs.process import starting
from dreamer_tf.envs.process.remote import close_all
from dreamer_tf.envs.tasks import is_atari, is_code
from dreamer_tf.experience.folder import remove_all
from dreamer_tf.reports import summary, terminal
from dreamer_tf.reports.display import Display
from dreamer_tf.runs import checkpoint, going_on, resume, run_directory, saved_agent, versions
from dreamer_tf.runs.checkpoint import Checkpoint
from dreamer_tf.runs.run_directory import RunDirectory
from dreamer_tf.training import assembly, helping, idle, outlook
from dreamer_tf.training.assembly import Machine, Ready

if TYPE_CHECKING:
    from dreamer_tf.training.trainer import Trainer

UNLIMITED = (
    "the environment has no time limit of its own, its episodes are cut after {} steps; "
    "--env.time_limit sets another number"
)
ONE_NAME = (
    "note: {} is all that is known of the environment of this run: one that is another "
    "needs a name= of its own"
)
NOT_FINITE = (
    "{} is not finite: the run stops, its last good checkpoint is untouched. The same command "
    "would meet it again: add --train.skip_nonfinite true to leave such updates out, or try "
    "--precision float32 or a lower learning rate under another --name"
)


@dataclasses.dataclass(frozen=True)
class Extras:
    """What a command line cannot bring.

    Attributes:
        loggers: `RunLogger`s that are told what the run measures, too.
        factory: the pickled function that makes the environment, None where the task names it.
    """

    loggers: tuple = ()
    factory: bytes | None = None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a session ended: the run's folder, and the signal that stopped it or None."""

    path: Path
    stop_signal: int | None = None


def run_to_end(arguments: Arguments, extras: Extras = Extras()) -> Outcome:  # noqa: B008 - it cannot be changed
    """Starts or continues the run of an `Arguments`, until it is complete or a signal stops it.

    Args:
        arguments: `Arguments`.
        extras: `Extras`.

    Returns:
        An `Outcome`.

    Raises:
        UserError: the command cannot be followed, something is not finite, memory is lacking; or,
            with the status `stopping.INTERRUPTED`, Ctrl-C came before training could save for it,
            or twice.
        WorkerError: the environment keeps failing.
    """
    interrupts = stopping.Interrupts()
    stopping.handle(interrupts)
    try:
        with contextlib.ExitStack() as opened:
            return _run_with(arguments, extras, opened)
    except BaseException as error:
        # Before training handles signals, or the second one. TensorFlow may make anything of it.
        if isinstance(error, KeyboardInterrupt) or interrupts.number is not None:
            return _interrupted(arguments, interrupts.number)
        lacking = outlook.out_of_memory(error)
        if lacking is not None:
            raise UserError(lacking, status=1) from error
        raise


def _interrupted(arguments, number):
    """Says what is left; returns the `Outcome` of a signal, raises the UserError of Ctrl-C."""
    text = outlook.after_interrupt(arguments)
    if number in (None, signal.SIGINT):
        raise UserError(text, stopping.INTERRUPTED) from None
    print(f"{text} ({signal.Signals(number).name})")
    return Outcome(outlook.path_of(arguments), number)


def _run_with(arguments, extras, opened):
    """As `run_to_end`; an `ExitStack` closes what is opened here."""
    if cluster.place(arguments.config.devices).number > 0:
        return Outcome(helping.help_with(arguments, extras.factory))
    path = outlook.path_of(arguments)
    run = None
    if extras.factory is not None and not arguments.fresh and path.exists():
        print(ONE_NAME.format(arguments.config.task))
    if arguments.fresh or not (path / run_directory.CONFIG).exists():
        run_directory.check_place(path, arguments.fresh)
    elif is_complete(path, arguments):
        print(f"{path} is complete, nothing to do")
        return Outcome(path)
    else:
        run = RunDirectory.open(arguments)
        opened.callback(run.close)
    weights = initial_weights(arguments.init_from, run)
    check_task(arguments.config.task)
    starting.allow_open_files(arguments.config.envs + 1)  # Evaluations have a worker, too.
    backend = starting.find_gl(arguments.config)
    start_worker = starting.worker_starter(arguments.config, backend, factory=extras.factory)
    workers = []
    opened.callback(close_all, workers)
    display = Display(arguments.config.steps)
    opened.callback(display.close)
    display.open()
    display.doing("starting the environment")
    # All started before the first is waited for: each takes a moment to load its simulator.
    for _ in range(arguments.config.envs):
        workers.append(start_worker(training=True))
    # A wrong task is found here, before anything is on the disk.
    spec = workers[0].spec
    check_environment(arguments.config, spec)
    if weights is not None:
        saved_agent.check_same_networks(arguments.init_from, weights, arguments.config, spec)
        for text in saved_agent.other_meanings(arguments.init_from, arguments.config):
            display.say(f"note: {text}")
    machine = machine_of(arguments.config, backend, display)
    ready = Ready(machine, display, start_worker, workers, weights)
    return train(arguments, extras, run, ready, opened)


def machine_of(config: Config, backend: str | None, display: Display) -> Machine:
    """Returns the `Machine` that TensorFlow finds, with the GL back end.

    Raises:
        UserError: it has not what the configuration asks for.
    """
    display.doing("loading TensorFlow")
    with terminal.quiet_start():
        from dreamer_tf.networks import precision

        device = precision.prepare_devices(config.devices)
        return Machine(device, precision.resolve(config.precision, config.devices), backend)


def is_complete(path: Path, arguments: Arguments) -> bool:
    """Returns whether nothing is left to do for the run in a folder, which may be read-only.

    Raises:
        UserError: the folder holds another configuration, or its checkpoints are damaged.
    """
    state = checkpoint.stored_state(path / run_directory.CHECKPOINTS)
    resume.check_whole(state, path)
    going_on.changes(path / run_directory.CONFIG, arguments)
    if not outlook.is_finished(state, arguments.config):
        return False
    # A kill may have left some, or it was not asked for before; what is stored says so from now on.
    if not arguments.config.replay.keep and remove_all(path / run_directory.EPISODES):
        atomic.write(path / run_directory.CONFIG, to_yaml(arguments.config).encode())
        print(f"{path}: its episodes are deleted now (replay.keep false)")
    return True


def initial_weights(source: Path | None, run: RunDirectory | None) -> Checkpoint | None:
    """Returns the `Checkpoint` of --init_from, None without it or where the run has its own."""
    if source is None:
        return None
    if run is not None and checkpoint.read_state(run.checkpoints) is not None:
        print(f"warning: {run.path} goes on with its own weights, --init_from is not used")
        return None
    saved_agent.load_config(source)
    return saved_agent.load_checkpoint(source, lambda text: print(f"warning: {text}"))


def train(
    arguments: Arguments,
    extras: Extras,
    run: RunDirectory | None,
    ready: Ready,
    opened: contextlib.ExitStack,
) -> Outcome:
    """Makes or restores the parts of a run and trains; returns the `Outcome`.

    Args:
        arguments: `Arguments`.
        extras: `Extras`.
        run: the opened `RunDirectory` that is continued, None for a new run.
        ready: `Ready`.
        opened: closes at the session's end what is opened here.
    """
    config, display, weights = arguments.config, ready.display, ready.weights
    display.doing("making the networks")
    with terminal.quiet_start():
        resolved = ready.machine.precision
        agent, team = helping.make_agent(config, ready.workers[0].spec, resolved, display.say)
        opened.enter_context(helping.leading(agent, team))
    if run is None:  # Now --fresh deletes the earlier one: what could fail at the start has not.
        run = RunDirectory.open(arguments)
        opened.callback(run.close)
    saved = versions.to_current(checkpoint.load_newest(run.checkpoints, display.warn))
    resume.check_fits(saved, agent.spec, resolved)
    introduce(arguments, run, agent, ready)
    if weights is not None:
        saved_agent.put_variables(agent, weights, weights_only=True)
        display.say(f"weights    from {weights.path}")
    # Of its own tasks the program knows how each is rendered.
    renders = ready.workers[0].can_render or not is_code(config.task)
    trainer = assembly.make_trainer(config, run, agent, ready, saved, extras.loggers)
    try:
        if saved is not None:
            display.doing("restoring the run")
        trainer.resume(saved)
        display.recall(summary.read(run.metrics))
        if weights is not None:
            trainer.save()  # From now on the run does not need the other one.
        complete = trainer.run()
    except FloatingPointError as error:
        run_directory.write_end(run, f"{error} is not finite", trainer.counters.step)
        raise UserError(NOT_FINITE.format(error), status=1) from None
    except BaseException as error:
        run_directory.write_end(run, str(error) or type(error).__name__, trainer.counters.step)
        raise
    finally:
        trainer.close()
    return say_end(arguments, run, trainer, complete, agent.dreams is not None, extras, renders)


def introduce(arguments: Arguments, run: RunDirectory, agent: Agent, ready: Ready) -> None:
    """Prints what begins or goes on, and what a person should know of it; writes meta.json.

    Args:
        arguments: `Arguments`.
        run: `RunDirectory`.
        agent: the `Agent`.
        ready: `Ready`.
    """
    from dreamer_tf.networks import precision
    from dreamer_tf.training.startup import describe

    config, display = arguments.config, ready.display
    worker, described = ready.workers[0], agent.describe()
    display.describe(described.progress)
    describe(display.say, config, run, agent, described, ready.machine)
    unlimited = [] if worker.limited else [UNLIMITED.format(agent.spec.time_limit)]
    alone = cluster.notes(config.devices, "devices" not in AGENTS[config.agent].unused)
    unused = idle.notes(config, agent.spec, arguments.given)
    for text in (*run.changes, *worker.notes, *unlimited, *alone, *unused):
        display.say(f"note: {text}")
    session = {
        "device": ready.machine.device,
        "precision": ready.machine.precision,
        "onednn": precision.uses_onednn(),
        "gl": ready.machine.gl,
        "render": config.env.render,
        "init_from": None if ready.weights is None else str(ready.weights.path),
    }
    run_directory.write_meta(run, session, display.warn)


def say_end(
    arguments: Arguments,
    run: RunDirectory,
    trainer: "Trainer",
    complete: bool,
    dreams: bool,
    extras: Extras,
    renders: bool,
) -> Outcome:
    """Writes and prints why a session ended and, of a complete run, what was learned.

    Args:
        arguments: `Arguments`.
        run: `RunDirectory`.
        trainer: the `Trainer`, closed.
        complete: whether nothing is left to do.
        dreams: whether the agent has a world model to dream in.
        extras: `Extras`.
        renders: whether the environment can be filmed.

    Returns:
        `Outcome`.
    """
    if not complete and trainer.stop_signal is None:
        run_directory.write_end(run, "stopped by a logger", trainer.counters.step)
        print(f"stopped by a logger; {outlook.again(arguments)} continues the run")
        return Outcome(run.path)
    if not complete:
        name = signal.Signals(trainer.stop_signal).name
        run_directory.write_end(run, f"stopped by {name}", trainer.counters.step)
        by = "" if name in ("SIGINT", "SIGTERM") else f" by {name}"
        print(f"stopped{by}; {outlook.again(arguments)} continues the run")
        return Outcome(run.path, trainer.stop_signal)
    run_directory.write_end(run, "complete", trainer.counters.step)
    config = arguments.config
    lives = config.env.life_loss and is_atari(config.task)
    given = extras.factory is not None
    prefill = trainer.schedule.prefill
    for line in summary.lines(run.path, config.task, prefill, dreams, lives, given, renders):
        print(line)
    print(f"{run.path} is complete")
    return Outcome(run.path)
