"""Agents and random experience of the sizes that are compared."""

import numpy as np
import tensorflow as tf

from dreamer_tf.agents.dreamer import Dreamer
from dreamer_tf.config import files
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.spec import EnvSpec

PRESETS = {"full": [], "cpu": ["cpu"], "debug": ["debug"]}


def walker_spec() -> EnvSpec:
    """Returns the `EnvSpec` of dmc_walker_walk."""
    return EnvSpec(
        observations={"image": ((64, 64, 3), "|u1")},
        action_size=6,
        discrete=False,
        action_repeat=2,
        time_limit=1000,
        terminates=False,
    )


def make(size: str, precision: str, xla: bool = False) -> Dreamer:
    """Returns a `Dreamer` of a size in `PRESETS`.

    It has no entropy bonus, as neither the author's code nor others that it is compared with do.
    """
    return Dreamer(config_of(size, xla), walker_spec(), precision)


def config_of(size: str, xla: bool = False) -> Config:
    """Returns the `Config` of a size in `PRESETS`, see `make`."""
    overrides = [("behavior.entropy_scale", "0"), ("xla", str(xla).lower())]
    return files.load_config(PRESETS[size], overrides)


def random_batch(agent: Dreamer) -> dict[str, tf.Tensor]:
    """Returns random experience of the agent's batch size, {field: [B, L, ...]}."""
    train, spec = agent.config.train, agent.spec
    shape = (train.batch_size, train.batch_length)
    random = np.random.default_rng(0)
    batch = {
        "image": random.integers(0, 256, (*shape, 64, 64, 3), dtype=np.uint8),
        "action": random.uniform(-1, 1, (*shape, spec.action_size)).astype(np.float32),
        "reward": random.uniform(size=shape).astype(np.float32),
        "is_first": np.zeros(shape, bool),
        "is_terminal": np.zeros(shape, bool),
    }
    return {name: tf.constant(value) for name, value in batch.items()}
