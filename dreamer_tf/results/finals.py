"""What a run returned in the end, and which runs' ends may stand beside each other."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from dreamer_tf.results import scores


@dataclasses.dataclass(frozen=True)
class Final:
    """The final return of a `scores.Run`: the mean of its last evaluations up to `step`."""

    run: scores.Run
    value: float
    step: int


def finals(
    group: Sequence[scores.Run], width: int, until: "End | None" = None
) -> tuple[list[Final], list[str]]:
    """Returns the `Final`s of a set's runs that count, and lines about what they are and are not.

    All count as they were when the shortest of those that are at their ends had made its steps:
    prolonging one seed changes no mean. Those that have not come so far do not count beside them.
    Where none is at its end, each counts as it is.

    Args:
        group: runs that have evaluations, alike in all but their seeds and steps.
        width: environment steps that a final return covers.
        until: an `End` of others, after which nothing counts of runs that have come there, or None.
    """
    ends = [each for each in (until, least_end(group)) if each is not None]
    until, furthest = min(ends, key=lambda end: end.planned) if ends else (None, None)
    far = [run for run in group if until is not None and run.reached >= until]
    found, remarks = [], []
    for run in group:
        name = f"{run.task}, {run.name}, seed {run.seed}"
        planned = "an unknown number of" if run.planned is None else run.planned
        cut = run in far and run.planned != until
        value = final(run, width, furthest if cut else None)
        if far and run not in far:
            remarks.append(f"{name}: at {run.reached} of {planned} steps, others are further")
        elif value is None:
            remarks.append(f"{name}: no evaluation up to {until} steps, where others end")
        elif not np.isfinite(value):
            remarks.append(f"{name}: its last return is not finite")
        else:
            step = until if run in far else run.reached
            found.append(Final(run, value, step))
            if not far and run.planned is not None:
                remarks.append(f"{name}: shown as it is at {step} of {planned} steps")
            elif cut and run.reached > until:
                remarks.append(
                    f"{name}: shown as it was at {step} of {planned} steps, where others end"
                )
    return found, remarks


def final(run: scores.Run, width: int, until: int | None = None) -> float | None:
    """Returns the mean of a run's evaluations in its last `width` steps, or in those before a step.

    None if it has none before that step.
    """
    curve = run.curve(scores.EVALUATION)
    steps, values = curve.steps, curve.values
    if until is not None:
        steps, values = steps[steps <= until], values[steps <= until]
    return float(np.mean(values[steps > steps[-1] - width])) if len(steps) else None


class End(NamedTuple):
    """Where runs end: after as many steps as were planned, and what the furthest has made.

    One may have gone on to the end of an episode, or by as many steps as its environments make at
    once: that counts of it, and so of others.
    """

    planned: int
    reached: int


def least_end(runs: Sequence[scores.Run]) -> End | None:
    """Returns the `End` of the shortest of those runs that are at their ends, None without any."""
    ended = [run for run in runs if run.ended]
    if not ended:
        return None
    planned = min(run.planned for run in ended)
    return End(planned, max(run.reached for run in ended if run.planned == planned))


def unequal(steps: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Returns {label: "after ... steps"} of {label: steps}, {} where all steps are the same."""
    if len({each for those in steps.values() for each in those}) < 2:
        return {}
    ends = {label: dict.fromkeys((min(those), max(those))) for label, those in steps.items()}
    return {label: f"after {' to '.join(map(str, each))} steps" for label, each in ends.items()}
