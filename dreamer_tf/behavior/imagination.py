"""Imagination: rolling the world model forward under the actor to learn from it (section 3).

One trajectory of H steps. The actor reads s_t and chooses a_t, which leads to s_{t+1}; s_0 is a
posterior state and not part of the trajectory. Below each state stands what belongs to it; in
brackets are indices of arrays.

                  a_0       a_1                      a_{H-1}
    state     s_0 ----> s_1 ----> s_2  ...  s_{H-1} ----> s_H

    features            [0]       [1]       [H-2]         [H-1]
    entropies [0]       [1]       [2]       [H-1]                of the action chosen there
    reward              r_1       r_2       r_{H-1}
    discount            g_1       g_2       g_{H-1}
    value               v_1       v_2       v_{H-1}       v_H    the last is the bootstrap
    lambda_returns      V_1       V_2       V_{H-1}
    weights             w_1       w_2       w_{H-1}
                        [0]       [1]       [H-2]                index in these five arrays

V_i = r_i + g_i ((1 - lambda) v_{i+1} + lambda V_{i+1}), where V_H = v_H; w_i = w_1 g_1 ... g_{i-1},
where w_1 is the start's weight.
"""

from typing import NamedTuple

import tensorflow as tf

from dreamer_tf.behavior import returns
from dreamer_tf.networks import distributions
from dreamer_tf.world_model.rssm import State, scan


class Imagined(NamedTuple):
    """Imagined trajectories of H states and their H - 1 value targets, time-major.

    features: [H, N, F]; reward, value, discount, lambda_returns, weights: [H - 1, N];
    bootstrap: [N], the value of the last state.
    """

    features: tf.Tensor
    reward: tf.Tensor
    value: tf.Tensor
    discount: tf.Tensor
    bootstrap: tf.Tensor
    lambda_returns: tf.Tensor
    weights: tf.Tensor


def start_states(states, is_terminal, can_end):
    """Flattens posterior states [B, L, ...] into start states [N, ...] for imagination.

    Args:
        states: `State` of posterior samples.
        is_terminal: [B, L] bool.
        can_end: whether the model predicts ends of episodes. If so, the last step of each
            sequence, which may be terminal, is left out, and trajectories that would begin after
            an end within the sequence get the weight 0.

    Returns:
        (`State` [N, ...] without gradient, weights [N]). Row b * L' + t is step t of sequence b.
    """
    length = is_terminal.shape[1] - int(can_end)

    def flatten(tensor):
        return tf.stop_gradient(tf.reshape(tensor[:, :length], [-1, *tensor.shape[2:]]))

    ended = is_terminal if can_end else tf.zeros_like(is_terminal)
    return State(*map(flatten, states)), flatten(1.0 - tf.cast(ended, tf.float32))


def imagine(rssm, actor, start, state_noise, action_noise):
    """Rolls the prior forward with the actor's actions.

    The start state is not part of the trajectory. The actor's input carries no gradient: what
    an action does to later states reaches the actor through the dynamics alone.

    Args:
        rssm: `RSSM`.
        actor: head from features to an action distribution.
        start: `State` [N, ...].
        state_noise: [H, N, S] standard normal.
        action_noise: [H, N, A] standard normal, or Gumbel for one-hot actions.

    Returns:
        (features [H, N, F], entropies [H, N] of the policy in nats, estimated from the same noise
        where there is no closed form). Entropy t is that of the action which leads to features t.
    """

    def step(carry, noise):
        state, _ = carry
        policy = actor(tf.stop_gradient(state.features))
        action = distributions.sample(policy, noise[1])
        entropy = distributions.entropy(policy, noise[1][None])
        return rssm.prior_step(state, action, noise[0]), entropy

    states, entropies = scan(step, (start, None), (state_noise, action_noise))
    return states.features, entropies


def evaluate(world_model, value_head, features, start_weight, discount, lambda_):
    """Predicts rewards, values and discounts of imagined states and their lambda returns.

    Args:
        world_model: `WorldModel` for rewards and, with a discount head, discounts.
        value_head: head from features to a value distribution.
        features: [H, N, F].
        start_weight: [N], see `start_states`.
        discount: constant discount where there is no discount head.
        lambda_: see `returns.lambda_return`.

    Returns:
        `Imagined`.
    """
    # Split rather than sliced: TensorFlow is slow at the gradient of a slice.
    valued, _ = tf.split(features, [features.shape[0] - 1, 1])
    reward = world_model.reward(valued).mean()
    value = value_head(features).mean()
    if world_model.discount_head is not None:
        discounts = world_model.discount_head(valued).mean()
    else:
        discounts = discount * tf.ones_like(reward)
    targets = returns.lambda_return(reward, value[:-1], discounts, value[-1], lambda_)
    weights = returns.trajectory_weights(discounts, start_weight)
    return Imagined(features, reward, value[:-1], discounts, value[-1], targets, weights)
