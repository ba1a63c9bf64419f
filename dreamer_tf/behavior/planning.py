"""Online planning in latent space by the cross-entropy method (the paper's PlaNet baseline)."""

from collections.abc import Callable

import tensorflow as tf

from dreamer_tf.config.sections import PlannerConfig
from dreamer_tf.networks import distributions
from dreamer_tf.world_model.rssm import State, scan

VARIANCE_FLOOR = 1e-6


def plan(
    transition: Callable[[State, tf.Tensor, tf.Tensor], State],
    reward: Callable[[tf.Tensor], tf.Tensor],
    start: State,
    settings: PlannerConfig,
    action_size: int,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Returns the first actions [N, A] of the best action sequences found, in [-1, 1].

    A Gaussian over sequences is fitted again and again to the best of its samples. Their score is
    the plain sum of the rewards that the model predicts; nothing of an earlier plan is kept.

    Args:
        transition: function of (`State` [M, ...], actions [M, A], noise [M, S]) that returns the
            next `State`.
        reward: function from features [H, M, F] to rewards [H, M].
        start: `State` [N, ...].
        settings: `PlannerConfig`.
        action_size: A.
        seed: int32 [2].
    """
    count, stoch = start.stoch.shape
    horizon, candidates = settings.horizon, settings.candidates
    # Row n * candidates + k follows candidate k from start n.
    starts = State(*(tf.repeat(value, candidates, 0) for value in start))
    seeds = tf.random.split(seed, 2 * settings.iterations)

    def improve(i, mean, std):
        noise = distributions.standard_normal(
            [horizon, count, candidates, action_size], seeds[2 * i]
        )
        actions = mean[:, :, None] + std[:, :, None] * noise
        actions = tf.clip_by_value(actions, -1.0, 1.0)
        states = scan(
            lambda state, inputs: transition(state, *inputs),
            starts,
            (
                tf.reshape(actions, [horizon, -1, action_size]),
                distributions.standard_normal(
                    [horizon, count * candidates, stoch], seeds[2 * i + 1]
                ),
            ),
        )
        scores = tf.reduce_sum(reward(states.features), 0)
        best = tf.math.top_k(tf.reshape(scores, [count, candidates]), settings.elites).indices
        elites = tf.gather(tf.transpose(actions, [1, 2, 0, 3]), best, batch_dims=1)
        mean, variance = tf.nn.moments(elites, 1)
        std = tf.sqrt(variance + VARIANCE_FLOOR)
        return i + 1, tf.transpose(mean, [1, 0, 2]), tf.transpose(std, [1, 0, 2])

    shape = [horizon, count, action_size]
    _, mean, _ = tf.while_loop(
        lambda i, mean, std: i < settings.iterations,
        improve,
        (0, tf.zeros(shape), tf.ones(shape)),
    )
    return mean[0]
