"""Timing of several variants side by side, so that a machine's moods reach all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def alternate(functions: Mapping[Any, Callable[[], object]], rounds: int) -> dict[Any, list[float]]:
    """Calls every function once a round, in turn.

    Args:
        functions: {name: function without arguments that returns when its work is done}.
        rounds: number of calls of each.

    Returns:
        {name: seconds of each call}.
    """
    seconds = {name: [] for name in functions}
    for _ in range(rounds):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def best_and_median(seconds: Sequence[float]) -> dict[str, float]:
    """Returns {"best": ..., "median": ...} of a list of seconds."""
    return {"best": min(seconds), "median": statistics.median(seconds)}
