"""Statistics over tasks and runs, as reinforcement learning reports them (Agarwal et al., 2021).

Scores are {task: [..., runs]}, 0 for nothing, 1 for the most; of the control suite, returns by
`MOST`. Intervals are stratified bootstraps: the runs of each task are drawn anew, the tasks stay.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import trim_mean

RESAMPLES = 2000
CONFIDENCE = 0.95
MOST = 1000.0  # The largest return of a task of the control suite with its own limit.


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A statistic and its interval, numbers or arrays; NaN where a task has only one run.

    Drawing a single run anew gives that run, so that an interval would be too narrow.
    """

    value: float | np.ndarray
    low: float | np.ndarray
    high: float | np.ndarray


def interquartile_mean(scores: Mapping[str, ArrayLike]) -> float | np.ndarray:
    """Returns the mean of the middle half of all runs of all tasks, tasks alike.

    Its definition has equally many runs of each task; where a task has fewer, each counts more.
    """
    runs = [np.asarray(each) for each in scores.values()]
    alike = math.lcm(*(each.shape[-1] for each in runs))
    runs = [np.repeat(each, alike // each.shape[-1], -1) for each in runs]
    return trim_mean(np.concatenate(runs, -1), 0.25, -1)


def median(scores: Mapping[str, ArrayLike]) -> float | np.ndarray:
    """Returns the median over tasks of the means over runs."""
    return np.median(_task_means(scores), 0)


def mean(scores: Mapping[str, ArrayLike]) -> float | np.ndarray:
    """Returns the mean over tasks of the means over runs."""
    return np.mean(_task_means(scores), 0)


def optimality_gap(scores: Mapping[str, ArrayLike]) -> float | np.ndarray:
    """Returns how much is missing to 1, where more than 1 does not make up for less."""
    return 1 - np.mean([np.minimum(runs, 1.0).mean(-1) for runs in scores.values()], 0)


STATISTICS = {
    "IQM": interquartile_mean,
    "median": median,
    "mean": mean,
    "optimality gap": optimality_gap,
}


def profile(scores: Mapping[str, ArrayLike], levels: Sequence[float] | np.ndarray) -> np.ndarray:
    """Returns for each of some levels [L] the share of runs that score more, tasks alike."""
    levels = np.asarray(levels)
    shares = [
        (np.asarray(runs)[..., None, :] > levels[:, None]).mean(-1) for runs in scores.values()
    ]
    return np.mean(shares, 0)


def probability_of_improvement(
    scores: Mapping[str, ArrayLike], others: Mapping[str, ArrayLike]
) -> float | np.ndarray:
    """Returns how likely a run of the first is better than one of the second on a task.

    The mean over their common tasks of the share of pairs that the first wins, ties a half.

    Raises:
        ValueError: they have no task in common.
    """
    common = [task for task in scores if task in others]
    if not common:
        raise ValueError("no task is common to both")
    shares = []
    for task in common:
        difference = np.asarray(scores[task])[..., None] - np.asarray(others[task])[..., None, :]
        shares.append(np.mean((difference > 0) + 0.5 * (difference == 0), (-2, -1)))
    return np.mean(shares, 0)


def estimate(
    statistic: Callable[..., float | np.ndarray],
    *scores: Mapping[str, Sequence[float] | np.ndarray],
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Estimate:
    """Returns the `Estimate` of a function of one or several {task: [runs]}.

    Args:
        statistic: function of the scores that returns a number or an array; of resamples, whose
            runs are [resamples, runs], it returns one for each.
        scores: what it is called with.
        seed: of the resamples.
        resamples: how many.
    """
    value = statistic(*scores)
    if any(len(runs) < 2 for each in scores for runs in each.values()):
        unknown = np.full(np.shape(value), np.nan)[()]
        return Estimate(value, unknown, unknown)
    random = np.random.default_rng(seed)
    drawn = statistic(*(_resampled(each, random, resamples) for each in scores))
    tail = 100 * (1 - CONFIDENCE) / 2
    return Estimate(value, *np.percentile(drawn, [tail, 100 - tail], axis=0))


def _resampled(scores, random, resamples):
    return {
        task: np.asarray(runs)[random.integers(len(runs), size=(resamples, len(runs)))]
        for task, runs in scores.items()
    }


def _task_means(scores):
    return [np.mean(runs, -1) for runs in scores.values()]
