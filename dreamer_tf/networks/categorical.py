"""Distributions of returns over fixed atoms (Bellemare et al. 2017), as D4PG's critic has them."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf


@dataclass(frozen=True)
class Support:
    """Equally spaced atoms z_1 < ... < z_K.

    Attributes:
        minimum, maximum: the first and the last atom.
        atoms: their number K, at least 2.
    """

    minimum: float
    maximum: float
    atoms: int

    @property
    def values(self) -> np.ndarray:
        """The atoms, float32 [K]."""
        return np.linspace(self.minimum, self.maximum, self.atoms, dtype=np.float32)

    def mean(self, probabilities: tf.Tensor) -> tf.Tensor:
        """Returns the expectations [...] of distributions [..., K]."""
        return tf.reduce_sum(probabilities * self.values, -1)

    def project(self, places: tf.Tensor, probabilities: tf.Tensor) -> tf.Tensor:
        """Returns the distributions over the atoms that are nearest to others.

        A mass between two atoms is shared by them so that its mean stays, one outside the support
        goes to the nearer end.

        Args:
            places: [N, M], where the masses are.
            probabilities: [N, M], the masses.

        Returns:
            [N, K] masses of the atoms.
        """
        width = (self.maximum - self.minimum) / (self.atoms - 1)
        # In atoms from the first one, so that the distances to both neighbours add up to 1.
        position = tf.clip_by_value((places - self.minimum) / width, 0.0, self.atoms - 1.0)
        distance = tf.abs(position[:, :, None] - np.arange(self.atoms, dtype=np.float32))
        share = tf.maximum(1.0 - distance, 0.0)
        return tf.linalg.matvec(share, probabilities, transpose_a=True)
