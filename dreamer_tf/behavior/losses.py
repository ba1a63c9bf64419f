"""Losses of the actor and of the value function (equations 7 and 8).

Dreamer's are means over the H - 1 states of a trajectory that have a return. In these states the
actor chose the actions a_1 .. a_{H-1}; a_0 was chosen in the start, which has no return, so that
its entropy counts in neither. (Without a value function all H imagined states have a return, see
`NoValue`.)

    state        s_0     s_1                         ...  s_{H-1}                           s_H
    action       a_0     a_1                              a_{H-1}
    actor loss           w_1 (V_1 + scale entropies[1])   w_{H-1} (V_{H-1} + scale entropies[H-1])
    value loss           w_1 (v_1 - V_1)^2 / 2            w_{H-1} (v_{H-1} - V_{H-1})^2 / 2

The whole timeline is drawn in `imagination.py`.
"""

import math

import tensorflow as tf

from dreamer_tf.behavior.imagination import Imagined
from dreamer_tf.networks import devices, distributions


def actor_loss(
    returns: tf.Tensor,
    weights: tf.Tensor,
    entropies: tf.Tensor,
    entropy_scale: float,
    entropy_limit: float = math.inf,
) -> tf.Tensor:
    """Returns the negative mean of the weighted returns (equation 7).

    Args:
        returns: [T, N], lambda returns or others.
        weights: [T, N], or [N] for all steps alike.
        entropies: [T, N], those that count with the returns.
        entropy_scale: reward for a nat of entropy; the paper has none.
        entropy_limit: nats; while the mean of the entropies is above it, no entropy is rewarded.
    """
    objective = returns
    if entropy_scale:
        # The mean over the whole batch, whatever part of it is here.
        mean = devices.mean(tf.stop_gradient(tf.reduce_mean(entropies)))
        objective = objective + tf.where(mean < entropy_limit, entropy_scale, 0.0) * entropies
    return -tf.reduce_mean(weights * objective)


def value_loss(imagined: Imagined) -> tf.Tensor:
    """Returns the weighted regression of values onto lambda returns (equation 8).

    The returns are targets and carry no gradient; values are means of unit-variance normals.
    """
    value = distributions.normal(imagined.value)
    target = tf.stop_gradient(imagined.lambda_returns)
    return -tf.reduce_mean(imagined.weights * value.log_prob(target))
