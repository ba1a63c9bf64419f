"""The contrastive objective: which observation belongs to which state (section 4, equation 12).

A state model q(s | o) says how well every observation of a batch explains every state. The term
J_S = ln q(s_t | o_t) - ln sum_o' q(s_t | o') is large where the right observation stands out, so
that a state has to hold what tells its image from the others, and no pixel is ever predicted.
"""

import math

import numpy as np
import tensorflow as tf

from dreamer_tf.networks import distributions

# The candidates of the TF1 code: cyclic shifts in the batch and in time, the aligned one included.
BATCH_SHIFTS = range(-5, 5)
TIME_SHIFTS = range(-15, 15)


def log_densities(mean: tf.Tensor, std: tf.Tensor, states: tf.Tensor) -> tf.Tensor:
    """Returns the log density of every state under every observation's normal, [N, M] in nats.

    One matrix product: the squares are multiplied out, so that nothing of size N x M x F exists.
    The sharper the normals, the more digits that costs: of 230 features 2e-4 nats at a deviation of
    1, 0.02 at 0.1, 1.4 at the least one, 0.011.

    Args:
        mean, std: [M, F] float32, the state model's normals.
        states: [N, F] float32.
    """
    precision = 1.0 / tf.square(std)
    left = tf.concat([tf.square(states), states], -1)
    right = tf.concat([-0.5 * precision, mean * precision], -1)
    constant = tf.reduce_sum(0.5 * tf.square(mean) * precision + tf.math.log(std), -1)
    constant += 0.5 * mean.shape[-1] * math.log(2 * math.pi)
    return tf.matmul(left, right, transpose_b=True) - constant


def over_window(densities: tf.Tensor, batch: int, length: int) -> tf.Tensor:
    """Returns candidates for each observation: the TF1 code.

    The candidates are the states shifted cyclically by up to 5 sequences and 15 steps, so that the
    sum runs over states for a fixed observation, not over observations for a fixed state.

    Args:
        densities: [N, N], see `log_densities`; row and column b * L + t are step t of sequence b.
        batch, length: B sequences of L steps.

    Returns:
        [N, at most 300].
    """
    sequences, steps = np.divmod(np.arange(batch * length), length)
    columns = [
        (sequences + i) % batch * length + (steps + j) % length
        for i in _distinct(BATCH_SHIFTS, batch)
        for j in _distinct(TIME_SHIFTS, length)
    ]
    return tf.gather(tf.transpose(densities), np.stack(columns, 1), batch_dims=1)


def contrast(
    state_model: distributions.tfd.Independent, features: tf.Tensor, how: str
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the term J_S of every step and how often the right candidate is the likeliest.

    Args:
        state_model: diagonal normal over features with batch shape [B, L].
        features: [B, L, F].
        how: `model.contrast`: for a state all observations of the batch (equation 12), or for an
            observation a `window` of states.

    Returns:
        (J_S [B, L] in nats, at most 0; accuracy, a scalar).
    """
    batch, length, size = features.shape
    normal = state_model.distribution
    mean, std = (tf.reshape(each, [-1, size]) for each in (normal.loc, normal.scale))
    densities = log_densities(mean, std, tf.reshape(features, [-1, size]))
    candidates = over_window(densities, batch, length) if how == "window" else densities
    own = tf.linalg.diag_part(densities)
    term = own - tf.reduce_logsumexp(candidates, -1)
    accuracy = tf.reduce_mean(tf.cast(own >= tf.reduce_max(candidates, -1), tf.float32))
    return tf.reshape(term, [batch, length]), accuracy


def _distinct(shifts, size):
    """Returns the shifts that differ from each other in a cycle of `size`."""
    return list({shift % size: shift for shift in shifts}.values())
