"""Value estimates along imagined trajectories (section 3, equations 4 to 6)."""

import tensorflow as tf


def lambda_return(
    reward: tf.Tensor, value: tf.Tensor, discount: tf.Tensor, bootstrap: tf.Tensor, lambda_: float
) -> tf.Tensor:
    """Returns the exponentially weighted average of n-step returns, V_lambda (equation 6).

    Computed by the equivalent recursion
    V_i = r_i + g_i * ((1 - lambda) * v_{i+1} + lambda * V_{i+1}).

    Args:
        reward: [T, N] rewards r_i.
        value: [T, N] values v_i of the same states.
        discount: [T, N] discounts g_i.
        bootstrap: [N] value of the state after the last one; also the recursion's start.
        lambda_: weight in [0, 1]; 0 gives one-step returns, 1 the full return.

    Returns:
        [T, N] returns.
    """
    next_values = tf.concat([value[1:], bootstrap[None]], 0)
    targets = tf.unstack(reward + discount * next_values * (1.0 - lambda_))
    factors = tf.unstack(discount * lambda_)
    returns, following = [], bootstrap
    for target, factor in zip(reversed(targets), reversed(factors), strict=True):
        following = target + factor * following
        returns.append(following)
    return tf.stack(returns[::-1])


def reward_to_go(reward: tf.Tensor, discount: tf.Tensor) -> tf.Tensor:
    """Returns the discounted rewards from each state to the horizon, V_R (equation 4).

    The paper prints it without a discount; its code had one.

    Args:
        reward: [H, N] rewards r_i.
        discount: [H, N] discounts g_i; r_j counts g_i ... g_{j-1} times in the return of i.

    Returns:
        [H, N] returns.
    """
    return lambda_return(reward, tf.zeros_like(reward), discount, tf.zeros_like(reward[0]), 1.0)


def trajectory_weights(discount: tf.Tensor, start_weight: tf.Tensor) -> tf.Tensor:
    """Returns how likely an imagined episode is still going on: w_i = w_1 g_1 ... g_{i-1}.

    Args:
        discount: [T, N] discounts g_i of the states that the weights are for.
        start_weight: [N] weight w_1; 0 for trajectories that begin after an episode's end.

    Returns:
        [T, N] weights without gradient.
    """
    return tf.stop_gradient(tf.math.cumprod(tf.concat([start_weight[None], discount[:-1]], 0)))
