"""Latency of the policy and speed of environments."""

import tempfile
from collections.abc import Iterable, Sequence

import numpy as np
import tensorflow as tf

from benchmarks import agents, timing
from dreamer_tf.agents.random import RandomPolicy
from dreamer_tf.config import files
from dreamer_tf.envs.process import starting
from dreamer_tf.envs.process.remote import RemoteEnv, close_all
from dreamer_tf.experience.collector import Collector
from dreamer_tf.experience.episodes import Episodes


def policy(
    sizes: Iterable[str], counts: Sequence[int], rounds: int
) -> list[dict[str, str | float]]:
    """Times one policy step, arrays in and arrays out, for several numbers of environments."""
    steps = {}
    for size in sizes:
        agent = agents.make(size, "float32")
        for count in counts:
            steps[size, count] = _policy_step(agent, count)
    for step in steps.values():
        step()
    seconds = timing.alternate(steps, rounds)
    return [
        {"size": size, "environments": count, **timing.best_and_median(seconds[size, count])}
        for size, count in steps
    ]


def _policy_step(agent, count):
    image = np.random.default_rng(0).integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)
    is_first, state = np.zeros(count, bool), agent.initial_state(count)
    seed = tf.constant([0, 1])
    return lambda: agent.policy({"image": image}, is_first, state, seed, "explore")


def environments(
    task: str, qualities: Iterable[str], counts: Sequence[int], steps: int
) -> list[dict[str, str | float]]:
    """Measures environment steps a second, random actions, frames rendered in the workers.

    Raises:
        UserError: nothing here can render.
    """
    backend = starting.find_gl(files.load_config([], [("task", task)]))
    rows = []
    for quality in qualities:
        for count in counts:
            description = {"task": task, "render": quality}
            seconds, repeat = _measure(description, backend, count, max(steps // count, 20))
            row = {"task": task, "render": quality, "environments": count}
            row |= timing.best_and_median(seconds)
            row["steps/s"] = count * repeat * len(seconds) / sum(seconds)
            rows.append(row)
    return rows


def _measure(description, backend, count, steps):
    """Returns (seconds of each step of so many environments, their action repeat)."""
    workers = []
    with tempfile.TemporaryDirectory() as folder:
        try:
            for _ in range(count):
                workers.append(RemoteEnv(description, gl=backend))
            spec = workers[0].spec
            episodes = Episodes(folder, spec.record_dtype, print, environments=count)
            collector = Collector(None, workers, 0, {}, episodes, print)
            return _step_all(collector, steps), spec.action_repeat
        finally:
            close_all(workers)


def _step_all(collector, steps):
    random = RandomPolicy(collector.workers[0].spec, 0)

    def act(observation, is_first, state):
        return random(len(is_first), collector.steps), state

    collector.step(act)  # Includes the reset.
    return timing.alternate({"step": lambda: collector.step(act)}, steps)["step"]
