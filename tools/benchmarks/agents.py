"""Agents and random experience of the sizes that are compared."""

import numpy as np
import tensorflow as tf

from dreamer_tf import config as configuration
from dreamer_tf.agents.dreamer import Dreamer
from dreamer_tf.envs.spec import EnvSpec

PRESETS = {"full": [], "cpu": ["cpu"]}


def walker_spec(action_size=6):
    """Returns the `EnvSpec` of dmc_walker_walk, or of another number of actions."""
    return EnvSpec(
        observations={"image": ((64, 64, 3), "|u1")},
        action_size=action_size,
        discrete=False,
        action_repeat=2,
        time_limit=1000,
        terminates=False,
    )


def make(size, precision, spec=None, **keys):
    """Returns a `Dreamer` of a size in `PRESETS`; keys as in `model__cnn_depth=16`."""
    overrides = [(key.replace("__", "."), str(value)) for key, value in keys.items()]
    config = configuration.load_config(PRESETS[size], overrides)
    return Dreamer(config, spec or walker_spec(), precision)


def random_batch(agent):
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
