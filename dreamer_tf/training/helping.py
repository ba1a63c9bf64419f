"""Several processes of one run: the first leads, the others help it with its updates.

TensorFlow is imported late, see `session.py`.
"""

import contextlib
import signal

from dreamer_tf import agents
from dreamer_tf.basics import cluster, stopping
from dreamer_tf.config.schema import check_environment
from dreamer_tf.envs import check_task
from dreamer_tf.envs.process import starting
from dreamer_tf.reports import terminal
from dreamer_tf.runs import run_directory


@contextlib.contextmanager
def leading(agent, place):
    """Has the other processes of a run, where there are any, make an agent's updates, too."""
    if place.alone:
        yield
        return
    from dreamer_tf.agents.team import Team

    team = Team(agent)
    agent.together = team.lead
    try:
        yield
    finally:
        team.dismiss()


def help_with(arguments, factory):
    """Makes a run's updates with its first process until that ends; writes nothing.

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
        from dreamer_tf.agents.team import Team
        from dreamer_tf.networks import devices, precision

        precision.prepare_devices(config.devices)
        with devices.scope(config.devices):
            team = Team(agents.make(config, spec, precision.resolve(config.precision)))
    # A signal for all of them is the first one's to follow: it ends the others in its own time.
    stopping.handle(lambda number, frame: signal.signal(signal.SIGINT, signal.default_int_handler))
    team.follow()
    print("the first process has ended, and so does this one")
    return run_directory.run_path(arguments.logdir, config.task, arguments.name, config.seed)


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
