"""Bins of environment steps, as the author's curves have them.

A point of those curves is the mean of the evaluation episodes in steps (low, high], with edges at
5000 + k * 100 000: training begins after 5000 steps.
"""

import dataclasses

import numpy as np

WIDTH = 100_000
OFFSET = 5_000


@dataclasses.dataclass(frozen=True)
class BinMean:
    """What a run did in steps (low, high].

    Attributes:
        mean: mean of the values, NaN if one of them is not finite.
        error: standard error of that mean; NaN for fewer than two values.
        count: how many values.
        complete: whether the run reached `high`. The mean of an incomplete bin is of its
            beginning alone, where a learning curve is lower.
    """

    low: int
    high: int
    mean: float
    error: float
    count: int
    complete: bool


def mean_within(steps, values, low, high, reached):
    """Returns the `BinMean` of (low, high], None without values there.

    Args:
        steps: [N] environment steps of the values.
        values: [N] returns.
        reached: the last step of the run.
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
    return BinMean(int(low), int(high), mean, error, len(chosen), bool(reached >= high))


def binned(steps, values, reached, width=WIDTH, offset=OFFSET):
    """Returns the `BinMean`s that have values, in order; the last may be incomplete.

    Args:
        steps, values, reached: see `mean_within`.
        width: steps in a bin.
        offset: the first bin's left edge. What came before it is in no bin: evaluations of an
            agent that has not been trained.
    """
    lows = range(int(offset), max(int(np.max(steps, initial=0)), int(offset)), int(width))
    found = (mean_within(steps, values, low, low + width, reached) for low in lows)
    return [each for each in found if each is not None]
