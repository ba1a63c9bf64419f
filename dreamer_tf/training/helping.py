"""Several processes of one run: the first leads, the others help it with its updates.

TensorFlow is imported late, see `session.py`.
"""

import contextlib
import signal
import threading
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dreamer_tf import agents
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.basics import cluster, stopping
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.command_line import Arguments
from dreamer_tf.config.files import to_yaml
from dreamer_tf.config.schema import Config, check_environment
from dreamer_tf.envs import check_task
from dreamer_tf.envs.process import starting
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.reports import terminal
from dreamer_tf.runs import run_directory

if TYPE_CHECKING:
    from dreamer_tf.agents.team import Team


def make_agent(
    config: Config, spec: EnvSpec, precision: str, say: Callable[[str], None]
) -> "tuple[Agent, Team | None]":
    """Returns the agent of a run and its `Team`, None where the run has one process.

    Args:
        config: `Config`.
        spec: `EnvSpec` of the environments.
        precision: resolved compute precision.
        say: function that prints one line.

    Raises:
        UserError: the other processes do not come.
    """
    from dreamer_tf.agents.team import Team, all_there
    from dreamer_tf.networks import devices

    alone = cluster.place(config.devices).alone
    if not alone:
        others = ", ".join(cluster.place(config.devices).addresses)
        say(f"processes  waits until all of {others} are there")
    with (
        all_there("another process of this run has ended while it started"),
        devices.scope(config.devices),
    ):
        agent = agents.make(config, spec, precision)
        if alone:
            return agent, None
        text = f"{to_yaml(config)}{spec.to_json()}{precision}"
        return agent, Team(agent, zlib.crc32(text.encode()))


@contextlib.contextmanager
def leading(agent: Agent, team: "Team | None") -> Iterator[None]:
    """Has the other processes of a run, where there are any, make an agent's updates, too."""
    if team is None:
        yield
        return
    agent.together = team.lead
    try:
        yield
    finally:
        team.dismiss()


def help_with(arguments: Arguments, factory: bytes | None) -> Path:
    """Makes a run's updates with its first process until that ends; writes nothing.

    A signal is for all processes, and the first one's to follow: it ends the others. After a second
    Ctrl-C this one does not wait for that.

    Args:
        arguments: the `Arguments`, the same in all processes.
        factory: see `session.Extras`.

    Returns:
        The path of the run in the first process.

    Raises:
        UserError: the command cannot be followed, or another process has ended unexpectedly.
        WorkerError: the environment does not start.
    """
    config = arguments.config
    spec = _environment_spec(config, factory)
    place = cluster.place(config.devices)
    count, first = len(place.addresses), place.addresses[0]
    print(f"process {place.number + 1} of {count} helps the one of {first}", flush=True)
    with terminal.quiet_start():
        from dreamer_tf.networks import precision

        precision.prepare_devices(config.devices)
        resolved = precision.resolve(config.precision, config.devices)
    _, team = make_agent(config, spec, resolved, lambda line: print(line, flush=True))
    try:
        stopping.handle(_wait)
        _follow(team)
    except KeyboardInterrupt:
        raise UserError("interrupted: this process no longer helps the run", status=130) from None
    print("the first process has ended, and so does this one")
    return run_directory.run_path(arguments.logdir, config.task, arguments.name, config.seed)


def _wait(number, frame):
    print("the first process ends this one; Ctrl-C does so at once", flush=True)
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _follow(team):
    """Follows in a thread: waiting for the first process, TensorFlow lets no signal through."""
    failed = []

    def follow():
        try:
            team.follow()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=follow, name="follow", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(0.2)
    if failed:
        raise failed[0]


def _environment_spec(config, factory):
    """Returns the `EnvSpec` of the run, from an environment that is closed again."""
    check_task(config.task)
    backend = starting.find_gl(config)
    worker = starting.worker_starter(config, backend, factory=factory)(training=True)
    try:
        check_environment(config, worker.spec)
        return worker.spec
    finally:
        worker.close()
