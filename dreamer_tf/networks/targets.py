"""Target networks: copies that stay as they are while their originals learn."""

from collections.abc import Iterable

import keras
import tensorflow as tf


class Targets:
    """Copies of models, made equal to them once in so many updates.

    Args:
        models: the models that learn.
        copies: as many models with the same layers; equal to them from now on.
        period: updates from one copy to the next.
    """

    def __init__(self, models: Iterable[keras.Model], copies: Iterable[keras.Model], period: int):
        self._pairs = [
            (copy, weight)
            for model, other in zip(models, copies, strict=True)
            for weight, copy in zip(model.weights, other.weights, strict=True)
        ]
        self._period = period
        self.copy()

    def copy(self) -> None:
        """Makes the copies equal to the originals."""
        for copy, weight in self._pairs:
            copy.assign(weight.value)

    def follow(self, updates: tf.Tensor | tf.Variable) -> None:
        """Copies where it is due; to be called after every update.

        Args:
            updates: scalar tensor, the updates made, the last one included.
        """
        tf.cond(updates % self._period == 0, self.copy, lambda: None)
