"""Returns over a few real steps, bootstrapped where an episode goes on: D4PG and A3C.

A record holds the reward that led to it, so the step from record t to t + 1 earned reward t + 1.
Ending by the time limit is no reason for a value of 0: the last observation's value counts.
"""

import tensorflow as tf


def window_return(
    reward: tf.Tensor, valid: tf.Tensor, terminal: tf.Tensor, discount: float
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the rewards behind a time step and how the value after them counts.

    With m <= n steps there, the N-step target is the first result plus the second times the value
    of the m-th step.

    Args:
        reward: [B, n] rewards of the steps that follow.
        valid: bool [B, n], whether there is such a step; the first ones are there.
        terminal: bool [B], whether the episode terminated with the last that is there.
        discount: gamma.

    Returns:
        (sum_{i<m} gamma^i r_i [B]; gamma^m, 0 where terminal [B]; m, int32 [B]).
    """
    present = tf.cast(valid, tf.float32)
    powers = discount ** tf.range(reward.shape[1], dtype=tf.float32)
    total = tf.reduce_sum(reward * present * powers, 1)
    steps = tf.reduce_sum(tf.cast(valid, tf.int32), 1)
    bootstrap = discount ** tf.cast(steps, tf.float32) * (1.0 - tf.cast(terminal, tf.float32))
    return total, bootstrap, steps


def rollout_return(
    batch: dict[str, tf.Tensor], value: tf.Tensor, discount: float
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the n-step returns of a rollout: up to its end, or that of the episode.

    Args:
        batch: {field: [N, L + 1]} with reward, is_first, is_last and is_terminal.
        value: [N, L + 1] value estimates of the same records.
        discount: gamma.

    Returns:
        (returns [N, L] of the first L records; mask float32 [N, L], 0 where no step was made from a
        record because the next one begins an episode).
    """
    ended = batch["is_last"]
    continues = 1.0 - tf.cast(batch["is_terminal"], tf.float32)
    following, returns = value[:, -1] * continues[:, -1], []
    for t in reversed(range(1, value.shape[1])):
        # What an episode's last record is worth is not known from the records behind it.
        following = tf.where(ended[:, t], value[:, t] * continues[:, t], following)
        following = batch["reward"][:, t] + discount * following
        returns.append(following)
    mask = 1.0 - tf.cast(batch["is_first"][:, 1:], tf.float32)
    return tf.stack(returns[::-1], 1), mask
