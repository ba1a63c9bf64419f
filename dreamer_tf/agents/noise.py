"""The random numbers of an actor-critic in a world model, drawn before they are needed.

Learning and acting take them as an argument, so that both are pure functions.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import tensorflow as tf

from dreamer_tf.networks import distributions

MODE_SAMPLES = 100
"""Samples among which the mode of a squashed Gaussian is looked for."""


class Noise(NamedTuple):
    """All randomness of an update: posterior [L, B, S], imagine_state [H, N, S] and
    imagine_action [H, N, A], time-major as the scans consume it."""

    posterior: tf.Tensor
    imagine_state: tf.Tensor
    imagine_action: tf.Tensor


class PolicyNoise(NamedTuple):
    """All randomness of a policy step: state [N, S], action [N, A], explore [N, A], coin [N]
    and, where the mode is asked for, candidates [MODE_SAMPLES, N, A]."""

    state: tf.Tensor
    action: tf.Tensor
    explore: tf.Tensor
    coin: tf.Tensor
    candidates: tf.Tensor | None


@dataclass(frozen=True)
class NoiseDraws:
    """Draws noise that depends on nothing but a seed, an int32 [2].

    Attributes:
        stoch: size S of the stochastic state.
        horizon: imagined steps H.
        action_size: size A of an action.
        discrete: whether actions are one-hot.
        starts: function from the length of sequences to how many states of each start
            imagination.
    """

    stoch: int
    horizon: int
    action_size: int
    discrete: bool
    starts: Callable[[int], int]

    def update(self, batch_size: int, length: int, seed: tf.Tensor) -> Noise:
        """Returns the `Noise` of an update on [batch_size, length] sequences."""
        starts = batch_size * self.starts(length)
        seeds = tf.unstack(tf.random.split(seed, 3))
        return Noise(
            distributions.standard_normal([length, batch_size, self.stoch], seeds[0]),
            distributions.standard_normal([self.horizon, starts, self.stoch], seeds[1]),
            self.action([self.horizon, starts], seeds[2]),
        )

    def policy(self, count: int, mode: str, seed: tf.Tensor) -> PolicyNoise:
        """Returns the `PolicyNoise` of one step of `count` environments."""
        seeds = tf.unstack(tf.random.split(seed, 5))
        return PolicyNoise(
            distributions.standard_normal([count, self.stoch], seeds[0]),
            self.action([count], seeds[1]),
            self.action([count], seeds[2]),
            tf.random.stateless_uniform([count], seeds[3]),
            self.candidates([count], seeds[4]) if mode == "mode" else None,
        )

    def candidates(self, shape: Iterable[int], seed: tf.Tensor) -> tf.Tensor:
        """Returns noise [MODE_SAMPLES, *shape, A] for modes and entropies of the actor."""
        return self.action([MODE_SAMPLES, *shape], seed)

    def action(self, shape: Iterable[int], seed: tf.Tensor) -> tf.Tensor:
        """Returns noise [*shape, A] for `distributions.sample` of actions."""
        draw = distributions.gumbel if self.discrete else distributions.standard_normal
        return draw([*shape, self.action_size], seed)
