"""A tiny agent and batches for tests."""

import numpy as np

from dreamer_tf.agents.description import Description
from dreamer_tf.agents.dreamer import Dreamer
from dreamer_tf.config import files
from dreamer_tf.config.schema import used_keys
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.experience.sources import Sequences

TINY = {
    "model.deter": 6,
    "model.stoch": 3,
    "model.hidden": 5,
    "model.cnn_depth": 1,
    "model.units": 7,
    "behavior.units": 7,
    "behavior.horizon": 4,
}


IMAGE = {"image": ((64, 64, 3), "|u1")}
VECTORS = {"position": ((3,), "<f4"), "velocity": ((2,), "<f4")}
BOTH = {**IMAGE, **VECTORS}


def tiny_config(**changes):
    """Returns a `Config` of tiny networks; keys as `model__free_nats=0`."""
    used = used_keys(changes.get("agent", "dreamer"))
    overrides = {key: value for key, value in TINY.items() if key in used}
    overrides |= {key.replace("__", "."): value for key, value in changes.items()}
    return files.load_config([], [(key, str(value)) for key, value in overrides.items()])


def tiny_spec(discrete=False, terminates=False, observations=IMAGE):
    """Returns an `EnvSpec` with two actions."""
    return EnvSpec(
        observations=observations,
        action_size=2,
        discrete=discrete,
        action_repeat=2,
        time_limit=100,
        terminates=terminates,
    )


def tiny_agent(
    precision="float32", discrete=False, terminates=False, observations=IMAGE, **changes
):
    """Returns a `Dreamer` of tiny networks."""
    return Dreamer(tiny_config(**changes), tiny_spec(discrete, terminates, observations), precision)


def random_batch(batch_size=3, length=5, discrete=False, seed=0, observations=IMAGE):
    """Returns random experience, {field: [B, L, ...]}."""
    random = np.random.default_rng(seed)
    shape = (batch_size, length)
    action = random.uniform(-1, 1, (*shape, 2)).astype(np.float32)
    if discrete:
        action = np.eye(2, dtype=np.float32)[random.integers(2, size=shape)]
    observed = {}
    for name, (size, dtype) in observations.items():
        if dtype == "|u1":
            observed[name] = random.integers(0, 256, (*shape, *size), dtype=np.uint8)
        else:
            observed[name] = random.normal(size=(*shape, *size)).astype(np.float32)
    return {
        **observed,
        "action": action,
        "reward": random.normal(size=shape).astype(np.float32),
        "is_first": np.zeros(shape, bool),
        "is_last": np.zeros(shape, bool),
        "is_terminal": np.zeros(shape, bool),
    }


def weights(agent):
    """Returns {path: array} of everything that a checkpoint of the agent holds."""
    return {path: variable.numpy() for path, variable in agent.variables.items()}


class Still:
    """An agent that does nothing, learns nothing and has no world model."""

    dreams = None

    def __init__(self, config, spec, precision):
        self.spec = spec
        self.variables = {}
        self.experience = Sequences(2, 3)

    def to_device(self, batch):
        return batch

    def initial_state(self, count):
        return {"calls": np.zeros([count, 1], np.float32)}

    def policy(self, observation, is_first, state, seed, mode):
        action = np.zeros([len(is_first), self.spec.action_size], np.float32)
        return action, {"calls": state["calls"] + 1}

    def update(self, batch, seed):
        return {"still_loss": batch["reward"].mean()}

    def report(self, batch, seed):
        return {}

    def symptoms(self, metrics):
        return {}

    def check(self):
        pass

    def describe(self):
        charts = {"Loss of standing still": ("still_loss",)}
        return Description("Still", "stands", {"nothing": 0}, 1, charts, {"still": "still_loss"})
