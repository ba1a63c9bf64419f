"""Target networks are equal to their originals once in so many updates, and still in between."""

import numpy as np
import tensorflow as tf

from dreamer_tf.networks.layers import LayerFactory
from dreamer_tf.networks.targets import Targets
from dreamer_tf.networks.trunk import NormedPerceptron


def test_copies_follow_at_the_period_only():
    models = [NormedPerceptron(LayerFactory(name, 0, "float32"), 3, [4, 5], 2) for name in "ab"]
    learned, copy = models
    assert not np.array_equal(learned.first.kernel, copy.first.kernel)
    targets = Targets([learned], [copy], period=3)
    follow = tf.function(targets.follow, autograph=False)
    inputs = np.ones((1, 3), np.float32)
    kept = copy(inputs)
    np.testing.assert_array_equal(kept, learned(inputs))
    for update in range(1, 7):
        for weight in learned.weights:
            weight.assign(weight.value + 0.1)
        follow(tf.constant(update, tf.int64))
        if update % 3 == 0:
            kept = learned(inputs)
        np.testing.assert_array_equal(copy(inputs), kept)
        assert np.array_equal(learned(inputs), kept) == (update % 3 == 0)
