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

V_i = r_i + g_i ((1 - lambda) v_{i+1} + lambda V_{i+1}), where V_H = v_H (or
v_{H-1}, see `evaluate`); w_i = w_1 g_1 ... g_{i-1}, where w_1 is the start's weight.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from dreamer_tf.behavior import returns
from dreamer_tf.networks import distributions
from dreamer_tf.world_model.rssm import RSSM, State, scan
from dreamer_tf.world_model.world_model import WorldModel


class Imagined(NamedTuple):
    """Imagined trajectories of H states and their H - 1 value targets, time-major.

    features: [H, N, F]; reward, value, discount, lambda_returns, weights: [H - 1, N];
    bootstrap: [N], the value that ends the returns, see `evaluate`.
    """

    features: tf.Tensor
    reward: tf.Tensor
    value: tf.Tensor
    discount: tf.Tensor
    bootstrap: tf.Tensor
    lambda_returns: tf.Tensor
    weights: tf.Tensor


def start_states(
    states: State, is_terminal: tf.Tensor, can_end: bool, every: int = 1
) -> tuple[State, tf.Tensor]:
    """Flattens posterior states [B, L, ...] into start states [N, ...] for imagination.

    Args:
        states: `State` of posterior samples.
        is_terminal: [B, L] bool.
        can_end: whether the model predicts ends of episodes. If so, the last step of each
            sequence, which may be terminal, is left out, and trajectories that would begin after
            an end within the sequence get the weight 0.
        every: one of so many states is taken, the last of them, which has seen the most.

    Returns:
        (`State` [N, ...] without gradient, weights [N]). Row b * L' + i is step
        (i + 1) * every - 1 of sequence b, where L' is `starts(L, can_end, every)`.
    """
    length = starts(is_terminal.shape[1], can_end, every) * every

    def flatten(tensor):
        taken = tensor[:, every - 1 : length : every]
        return tf.stop_gradient(tf.reshape(taken, [-1, *tensor.shape[2:]]))

    ended = is_terminal if can_end else tf.zeros_like(is_terminal)
    return State(*map(flatten, states)), flatten(1.0 - tf.cast(ended, tf.float32))


def starts(length: int, can_end: bool, every: int) -> int:
    """Returns how many states of a sequence start imagination; as in `start_states`."""
    return (length - int(can_end)) // every


class Rollout(NamedTuple):
    """H imagined steps, time-major; entry t of each belongs to the action that led to features t.

    features: [H, N, F]; entropies: [H, N] of the policy in nats, estimated from the same noise
    where there is no closed form.
    """

    features: tf.Tensor
    entropies: tf.Tensor


def imagine(
    rssm: RSSM,
    actor: Callable[[tf.Tensor], distributions.tfd.Distribution],
    start: State,
    state_noise: tf.Tensor,
    action_noise: tf.Tensor,
    onehot_gradient: str = "straight_through",
) -> Rollout:
    """Rolls the prior forward with the actor's actions.

    The start state is not part of the trajectory. The actor's input carries no gradient: what
    an action does to later states reaches the actor through the dynamics alone.

    Args:
        rssm: `RSSM`.
        actor: head from features to an action distribution.
        start: `State` [N, ...].
        state_noise: [H, N, S] standard normal.
        action_noise: [H, N, A] standard normal, or Gumbel for one-hot actions.
        onehot_gradient: see `distributions.sample`.

    Returns:
        `Rollout`.
    """

    def step(carry, noise):
        policy = actor(tf.stop_gradient(carry[0].features))
        action = distributions.sample(policy, noise[1], onehot_gradient)
        entropy = distributions.entropy(policy, noise[1][None])
        return rssm.prior_step(carry[0], action, noise[0]), entropy

    states, entropies = scan(step, (start, None), (state_noise, action_noise))
    return Rollout(states.features, entropies)


def evaluate(
    world_model: WorldModel,
    value_head: Callable[[tf.Tensor], distributions.tfd.Distribution],
    features: tf.Tensor,
    start_weight: tf.Tensor,
    discount: float,
    lambda_: float,
    *,
    bootstrap: str = "horizon",
) -> Imagined:
    """Predicts rewards, values and discounts of imagined states and their lambda returns.

    Args:
        world_model: `WorldModel` for rewards and, with a discount head, discounts.
        value_head: head from features to a value distribution.
        features: [H, N, F].
        start_weight: [N], see `start_states`.
        discount: constant discount where there is no discount head.
        lambda_: see `returns.lambda_return`.
        bootstrap: `"horizon"` ends the returns with the value of the last state, `"early"` with
            that of the one before, as the TF1 code does.

    Returns:
        `Imagined`.
    """
    # Split rather than sliced: TensorFlow is slow at the gradient of a slice.
    valued, _ = tf.split(features, [features.shape[0] - 1, 1])
    reward, discounts = predict_rewards(world_model, valued, discount)
    value = value_head(features).mean()
    last = value[-1] if bootstrap == "horizon" else value[-2]
    targets = returns.lambda_return(reward, value[:-1], discounts, last, lambda_)
    weights = returns.trajectory_weights(discounts, start_weight)
    return Imagined(features, reward, value[:-1], discounts, last, targets, weights)


def predict_rewards(
    world_model: WorldModel, features: tf.Tensor, discount: float | None
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns rewards and discounts, [...] each, of imagined features [..., F].

    Args:
        discount: constant discount where the world model has no discount head.
    """
    reward = world_model.reward(features).mean()
    if world_model.discount_head is not None:
        return reward, world_model.discounts(features)
    return reward, discount * tf.ones_like(reward)
