"""The counted cost of an update against TensorFlow's own profiler."""

import pytest
import tensorflow as tf
from agents_for_tests import random_batch, tiny_spec

from dreamer_tf import config as configuration
from dreamer_tf import cost
from dreamer_tf.agents.dreamer import Dreamer

SMALL = {"train.batch_size": "4", "train.batch_length": "6", "model.cnn_depth": "16"}


@pytest.mark.parametrize("terminates", [False, True])
def test_counted_operations_are_those_of_the_graph(terminates):
    config = configuration.load_config([], list(SMALL.items()))
    agent = Dreamer(config, tiny_spec(terminates=terminates), "float32")
    batch = {name: tf.TensorSpec(x.shape, x.dtype) for name, x in random_batch(4, 6).items()}
    graph = agent._update.get_concrete_function(batch, tf.TensorSpec([2], tf.int32)).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation()
    options["output"] = "none"
    profiled = tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
    counted = cost.update_flops(config, 2, terminates)
    # The profiler also counts additions, activations and the optimisers.
    assert 0.8 < counted / profiled < 1.05


def test_a_full_size_update_is_about_one_teraflop():
    assert cost.update_flops(configuration.load_config([], []), 6, False) == pytest.approx(
        0.94e12, rel=0.05
    )


def test_the_papers_run_is_half_a_million_updates():
    config = configuration.load_config([], [])
    assert cost.run_seconds(config, flops=1.0, speed=1.0) == 100 + 100 * 4995
    assert cost.matmul_speed(size=64, seconds=0.01) > 0
