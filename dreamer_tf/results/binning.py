"""Bins of environment steps, as the author's curves have them.

A point of those curves is the mean of the evaluation episodes in steps (low, high], with edges at
5000 + k * 100 000: training begins after 5000 steps.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from dreamer_tf.config.catalog import AGENTS
from dreamer_tf.results.scores import Run

WIDTH = 100_000
OFFSET = 5_000
# Of its last bin, a run at its end has this share at least: the others have it whole. 5e6 steps end
# 5000 before their last edge.
MOSTLY = 0.9


def fitting_offset(runs: Sequence[Run], width: int) -> int:
    """Returns the first bin's left edge: where training begins, 0 without a whole bin behind it.

    Of bins of the author's `WIDTH` it is his `OFFSET`, so that they are the same steps as his.

    Args:
        runs: `scores.Run`s, whose bins have the same edges: training begins with the first of them.
        width: steps in a bin.
    """
    begins = OFFSET if width == WIDTH else min(map(_prefill, runs), default=OFFSET)
    whole = any(_whole(begins, begins + width, run.reached, run.ended) for run in runs)
    return begins if whole else 0


@dataclasses.dataclass(frozen=True)
class BinMean:
    """What a run did in steps (low, high].

    Attributes:
        mean: mean of the values, NaN if one of them is not finite.
        error: standard error of that mean; NaN for fewer than two values.
        count: how many values.
        complete: whether the run reached `high`, or nearly did and is at its end. The mean of an
            incomplete bin is of its beginning alone, where a learning curve is lower.
    """

    low: int
    high: int
    mean: float
    error: float
    count: int
    complete: bool


def mean_within(
    steps: ArrayLike, values: ArrayLike, low: int, high: int, reached: int, ended: bool = False
) -> BinMean | None:
    """Returns the `BinMean` of (low, high], None without values there.

    Args:
        steps: [N] environment steps of the values.
        values: [N] returns.
        reached: the last step of the run.
        ended: whether it is known to have made all its steps; then `MOSTLY` of a bin is enough.
    """
    steps, values = np.asarray(steps), np.asarray(values, float)
    chosen = values[(steps > low) & (steps <= high)]
    if not len(chosen):
        return None
    error = float("nan")
    if not np.isfinite(chosen).all():
        mean = float("nan")
    else:
        mean = float(chosen.mean())
        if len(chosen) > 1:
            error = float(chosen.std(ddof=1) / np.sqrt(len(chosen)))
    complete = _whole(low, high, reached, ended)
    return BinMean(int(low), int(high), mean, error, len(chosen), complete)


def binned(
    steps: ArrayLike,
    values: ArrayLike,
    reached: int,
    width: int = WIDTH,
    offset: int = OFFSET,
    ended: bool = False,
) -> list[BinMean]:
    """Returns the `BinMean`s that have values, in order; the last may be incomplete.

    Args:
        steps, values, reached, ended: see `mean_within`.
        width: steps in a bin.
        offset: the first bin's left edge. What came before it is in no bin: evaluations of an
            agent that has not been trained.
    """
    after = np.asarray(steps, np.int64) - int(offset)
    # Those that have values alone: one absurd step, and all bins before it would take for ever.
    numbers = np.unique((after[after > 0] - 1) // int(width))
    lows = [int(offset) + int(number) * int(width) for number in numbers]
    return [mean_within(steps, values, low, low + int(width), reached, ended) for low in lows]


def _prefill(run):
    """Returns a run's steps before training; the author's where its configuration does not say."""
    entry = AGENTS.get(str(run.setting("agent")))
    if entry is not None and entry.at_once:
        return 0
    value = run.setting("train.prefill")
    return value if type(value) is int and value >= 0 else OFFSET


def _whole(low, high, reached, ended):
    return bool(reached >= (low + MOSTLY * (high - low) if ended else high))
