"""Forward and backward passes as functions to be timed."""

from collections.abc import Callable, Iterable

import keras
import tensorflow as tf


def gradient(
    loss: Callable[[], tf.Tensor], targets: Iterable[keras.Variable | tf.Tensor]
) -> Callable[[], float]:
    """Returns a compiled function of a loss and its gradients that waits for its one number."""
    values = [getattr(target, "value", target) for target in targets]

    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(values)
            found = loss()
        return tf.add_n([tf.reduce_sum(each) for each in tape.gradient(found, values)])

    return lambda: float(compute())
