"""Puts together the `Trainer` of a session.

TensorFlow is imported late, see `session.py`.
"""

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, NamedTuple

from dreamer_tf import agents
from dreamer_tf.agents.acting import Acting
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.config.schema import Config, flatten
from dreamer_tf.envs.process.remote import RemoteEnv
from dreamer_tf.experience.collector import Collector
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sources import make_source
from dreamer_tf.reports.display import Display
from dreamer_tf.reports.loggers import RunLogger
from dreamer_tf.reports.means import Means
from dreamer_tf.runs import resume
from dreamer_tf.runs.checkpoint import Checkpoint
from dreamer_tf.runs.run_directory import RunDirectory
from dreamer_tf.training.evaluator import Evaluator

if TYPE_CHECKING:
    from dreamer_tf.training.trainer import Trainer


class Machine(NamedTuple):
    """What a session runs on: device for people, resolved precision, GL back end or None."""

    device: str
    precision: str
    gl: str | None


class Ready(NamedTuple):
    """What a session has before it touches the folder of its run.

    Attributes:
        machine: `Machine`.
        display: `Display`.
        start_worker: see `starting.worker_starter`.
        workers: the environments that experience comes from, started.
        weights: `Checkpoint` that a new run begins with, or None.
    """

    machine: Machine
    display: Display
    start_worker: Callable[..., RemoteEnv]
    workers: list[RemoteEnv]
    weights: Checkpoint | None = None


def make_trainer(
    config: Config,
    run: RunDirectory,
    agent: Agent,
    ready: Ready,
    saved: Checkpoint | None,
    loggers: Iterable[RunLogger] = (),
) -> "Trainer":
    """Returns the `Trainer` of a run whose newest checkpoint is `saved` or None."""
    from dreamer_tf.reports.logger import Logger
    from dreamer_tf.reports.loggers import Loggers
    from dreamer_tf.training.parts import Parts, Reports
    from dreamer_tf.training.trainer import Trainer

    display, start_worker, precision = ready.display, ready.start_worker, ready.machine.precision
    state = None if saved is None else saved.state
    capacity = None if config.replay.capacity == "all" else config.replay.capacity
    floor = -1 if state is None else state["replay_floor"]
    dtype = agent.spec.record_dtype
    initial = agent.initial_state(config.envs)
    start = functools.partial(start_worker, training=True)
    logger = Logger(run.metrics, run.path, state["metrics_offset"] if state else 0)
    logger.describe(config, agent.describe(), "-".join(run.path.parts[-3:]))
    episodes = Episodes(run.episodes, dtype, display.warn, config.envs, capacity, floor)
    parts = Parts(
        agent=agent,
        source=make_source(agent.experience, episodes, config.seed, agent.to_device),
        collector=Collector(start, ready.workers, config.seed, initial, episodes, display.warn),
        episodes=episodes,
        evaluator=Evaluator(start_worker, agent, config.seed, display.warn, config.evaluate.action),
        acting=make_acting(config, agent, precision),
    )
    counters, means = resume.counters(state), Means(state["means"] if state else None)
    logger = Loggers(logger, loggers, display.warn)
    logger.begin(run.path, flatten(config), counters.step)
    reports = Reports(logger, display)
    return Trainer(config, counters, means, parts, reports, run.checkpoints, precision)


def make_acting(config: Config, agent: Agent, precision: str) -> Acting | None:
    """Returns the `Acting` of a run that collects while it learns, else None."""
    if not config.train.overlap:
        return None
    return Acting(agent, agents.make(config, agent.spec, precision))
