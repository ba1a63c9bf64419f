"""Exploration noise on top of the actor's samples (section 3.3 and appendices A and C)."""

import numpy as np
import tensorflow as tf

from dreamer_tf.config.sections import ExplorationConfig


def additive_noise(action: tf.Tensor, scale: float | np.ndarray, noise: tf.Tensor) -> tf.Tensor:
    """Adds Gaussian noise of standard deviation `scale` and clips to [-1, 1]."""
    return tf.clip_by_value(action + scale * noise, -1.0, 1.0)


def epsilon_greedy(
    action: tf.Tensor, epsilon: float | tf.Tensor, choice: tf.Tensor, coin: tf.Tensor
) -> tf.Tensor:
    """Replaces one-hot actions by random ones with probability epsilon.

    Args:
        action: [N, A] one-hot actions.
        epsilon: probability in [0, 1].
        choice: [N, A] Gumbel noise; its argmax is the random action.
        coin: [N] uniform numbers in [0, 1).
    """
    uniform = tf.one_hot(tf.argmax(choice, -1), action.shape[-1])
    return tf.where((coin < epsilon)[:, None], uniform, action)


def epsilon_schedule(config: ExplorationConfig, updates: tf.Tensor | tf.Variable) -> tf.Tensor:
    """Returns epsilon after so many updates: linear from its first to its last value.

    Args:
        config: `ExplorationConfig`.
        updates: scalar tensor, gradient updates made.
    """
    progress = tf.cast(updates, tf.float32) / float(config.epsilon_updates)
    change = config.epsilon_final - config.epsilon
    return config.epsilon + change * tf.minimum(progress, 1.0)
