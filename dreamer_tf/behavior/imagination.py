"""Rolling the world model forward under the actor (section 3, Figure 3b)."""

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
