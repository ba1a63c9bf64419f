"""The counted cost of an update against TensorFlow's own profiler."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import IMAGE, VECTORS, random_batch, tiny_spec

from dreamer_tf import agents
from dreamer_tf.agents import flops
from dreamer_tf.agents.description import Description
from dreamer_tf.agents.dreamer import Dreamer
from dreamer_tf.config import files
from dreamer_tf.experience.sources import Rollouts, Sequences, Windows
from dreamer_tf.training import cost

SMALL = {"train.batch_size": "4", "train.batch_length": "6", "model.cnn_depth": "16"}


@pytest.mark.parametrize(
    "terminates, observations", [(False, IMAGE), (True, IMAGE), (True, VECTORS)]
)
def test_counted_operations_are_those_of_the_graph(terminates, observations):
    config = files.load_config([], list(SMALL.items()))
    spec = tiny_spec(terminates=terminates, observations=observations)
    agent = Dreamer(config, spec, "float32")
    counted = agent.describe().update_flops
    # The profiler also counts additions, activations and the optimisers.
    share = counted / profiled(agent, random_batch(4, 6, observations=observations))
    assert 0.8 < share < 1.05


def profiled(agent, experience):
    """Returns the operations of an update that TensorFlow counts."""
    batch = {name: tf.TensorSpec(x.shape, x.dtype) for name, x in experience.items()}
    graph = agent._update.get_concrete_function(batch, tf.TensorSpec([2], tf.int32)).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops


@pytest.mark.parametrize(
    "name, observations", [("d4pg", IMAGE), ("d4pg", VECTORS), ("a3c", VECTORS)]
)
def test_counted_operations_of_the_other_agents_are_those_of_the_graph(name, observations):
    small = [("train.batch_size", "8")] if name == "d4pg" else []
    config = files.load_config([], [("agent", name), ("envs", "8"), *small])
    agent = agents.make(config, tiny_spec(observations=observations), "float32")
    wanted = agent.experience
    windows = isinstance(wanted, Windows)
    length = wanted.before + 1 + wanted.after if windows else wanted.length + 1
    experience = random_batch(8, length, observations=observations)
    if windows:
        experience |= {
            "window/valid": np.ones((8, length), bool),
            "window/weight": np.ones(8, np.float32),
        }
    counted = agent.describe().update_flops
    assert 0.8 < counted / profiled(agent, experience) < 1.05


def test_rollouts_are_updates_of_all_environments():
    config = files.load_config(["a3c"], [])
    agent = SimpleNamespace(experience=Rollouts(20), spec=SimpleNamespace(action_repeat=2))
    assert cost.updates(config, agent) == 1e8 / (2 * 32 * 20)


def test_a_full_size_update_is_about_one_teraflop():
    walker = dataclasses.replace(tiny_spec(), action_size=6)
    config = files.load_config([], [])
    counted = flops.model_update(config, walker, False)
    counted += flops.imagination(config, walker, False, value=True)
    assert counted == pytest.approx(0.94e12, rel=0.05)


def test_the_papers_run_is_half_a_million_updates():
    config = files.load_config([], [])
    agent = SimpleNamespace(experience=Sequences(1, 1), spec=tiny_spec())
    assert cost.updates(config, agent) == 100 + 100 * 4995
    planning = Description("", "", {}, 1.0, charts={}, progress={}, decision_flops=10.0)
    more = 10.0 * (5000000 - 5000) / 2
    assert cost.run_seconds(config, agent, planning, speed=1.0) == 100 + 100 * 4995 + more
    assert cost.matmul_speed(size=64, seconds=0.01) > 0
