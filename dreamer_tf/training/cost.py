"""What a run will cost in time and on the disk, and how fast this machine is."""

import time

import tensorflow as tf

from dreamer_tf.agents.description import Description
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.config.schema import Config
from dreamer_tf.experience.sources import Rollouts


def disk_bytes(config: Config, agent: Agent) -> tuple[float, int]:
    """Returns an estimate of the bytes of a run's (episodes, checkpoints) in the end.

    Episodes are taken to last until the time limit; shorter ones need a record and a part of a
    disk's block more each.

    Args:
        config: `Config`.
        agent: an `Agent`.
    """
    spec = agent.spec
    steps = config.steps / spec.action_repeat
    if config.replay.capacity != "all":
        steps = min(steps, config.replay.capacity)
    resets = steps * spec.action_repeat / spec.time_limit
    episodes = (steps + resets) * spec.record_dtype.itemsize
    if config.replay.capacity != "all":
        # Every environment may be at the end of an episode, which counts when it is finished.
        length = spec.time_limit / spec.action_repeat
        episodes += config.envs * length * spec.record_dtype.itemsize
    weights = sum(variable.numpy().nbytes for variable in agent.variables.values())
    # A new one is written before the oldest goes.
    return episodes, weights * (config.checkpoint.keep + 1)


def matmul_speed(size: int = 1024, seconds: float = 0.3, dtype: str = "float32") -> float:
    """Measures this machine's matrix products in floating point operations a second."""
    matrix = tf.cast(tf.random.stateless_normal([size, size], [0, 0]), dtype)
    product = tf.function(tf.matmul, autograph=False)
    product(matrix, matrix)
    count, begin = 0, time.monotonic()
    while time.monotonic() - begin < seconds:
        product(matrix, matrix).numpy()
        count += 1
    return count * 2 * size**3 / (time.monotonic() - begin)


def updates(config: Config, agent: Agent) -> float:
    """Returns about how many updates a whole run makes; the arguments as above."""
    if isinstance(agent.experience, Rollouts):
        return config.steps / (agent.spec.action_repeat * config.envs * agent.experience.length)
    train = config.train
    return train.pretrain + train.updates * (config.steps - train.prefill) / train.every


def run_seconds(config: Config, agent: Agent, described: Description, speed: float) -> float:
    """Returns a rough estimate of the seconds that a whole run computes, evaluations left out.

    Args:
        config: `Config`.
        agent: an `Agent`.
        described: its `Description`.
        speed: floating point operations a second.
    """
    prefill = 0 if isinstance(agent.experience, Rollouts) else config.train.prefill
    decisions = (config.steps - prefill) / agent.spec.action_repeat
    operations = updates(config, agent) * described.update_flops
    return (operations + decisions * described.decision_flops) / speed
