"""Statistics of the methods among some runs: numbers, and lines of them for people."""

import csv
import dataclasses
import io
import itertools
from collections.abc import Iterable, Mapping

import numpy as np

from dreamer_tf.results import item_runs, statistics
from dreamer_tf.results.finals import finals, unequal
from dreamer_tf.results.scores import Run

PROFILE, IMPROVEMENT = "share of runs above", "probability of improvement"
LEVELS = np.linspace(0, 1, 51)


@dataclasses.dataclass(frozen=True)
class Number:
    """A statistic of a method.

    Attributes:
        kind: a name in `statistics.STATISTICS`, PROFILE or IMPROVEMENT.
        method: its label.
        other: which method IMPROVEMENT is over, else "".
        level: the score that PROFILE is at, else None.
        low, high: the ends of its 95 % interval, NaN without one.
        tasks, runs: how many it is of; of IMPROVEMENT the common tasks and both methods' runs.
    """

    kind: str
    method: str
    other: str
    level: float | None
    value: float
    low: float
    high: float
    tasks: int
    runs: int


def scores_of(
    runs: Iterable[Run], width: int
) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Returns {method: {task: scores [runs]}} of the control suite, and lines of notes.

    Notes say what was left out, and what makes methods hard to compare: what they are from if not
    from pixels, and their steps if not all have the same. Scores are final returns divided by the
    most that an episode can have, 1000 unless it has another limit; methods and runs are those of
    `item_runs.sets` and `finals`.

    Args:
        runs: `scores.Run`s; other tasks' are left out.
        width: a run's return is the mean of its evaluations in so many last steps.
    """
    suite = of_suite(runs)
    shown, remarks = item_runs.chosen("statistics", suite)
    parts, said = item_runs.sets("statistics", shown)
    remarks += said
    found, those = {}, {}
    for (task, label, _), group in parts.items():
        last, said = finals(group, width)
        remarks += said
        if last:
            values = np.array([each.value for each in last])
            found.setdefault(label, {})[task] = values / _most(group[0])
            those.setdefault(label, []).extend(last)
    return found, remarks + _unlike(those)


def _unlike(those):
    """Returns a line for each method, {label: `Final`s}, with what others may not share."""
    steps = unequal({label: [each.step for each in last] for label, last in those.items()})
    lines = []
    for label, last in those.items():
        runs = [each.run for each in last]
        words = [*_inputs(runs), *([steps[label]] if steps else [])]
        if words:
            lines.append(f"{label}: {'; '.join(words)}")
    return lines


def _most(run):
    """Returns the largest return of a run's episodes: at most 1 in each environment step."""
    limit = run.setting("env.time_limit")
    known = isinstance(limit, int) and not isinstance(limit, bool) and limit > 0
    return float(limit) if known else statistics.MOST


def _inputs(runs):
    """Returns what runs are from if not from pixels, and on which tasks if not on all."""
    found = []
    for seen in item_runs.INPUTS.values():
        tasks = sorted({run.task for run in runs if item_runs.other_input(run) == seen})
        if tasks:
            everywhere = all(item_runs.other_input(run) == seen for run in runs)
            found.append(seen if everywhere else f"{seen} on {', '.join(tasks)}")
    return found


def of_suite(runs: Iterable[Run]) -> list[Run]:
    """Returns the runs on tasks of the control suite."""
    return [run for run in runs if run.task.startswith("dmc_")]


def numbers(found: Mapping[str, Mapping[str, np.ndarray]]) -> list[Number]:
    """Returns the `Number`s of `scores_of`: statistics, profiles of several runs, improvements."""
    result = []
    for label, tasks in found.items():
        size = len(tasks), sum(map(len, tasks.values()))
        for kind, statistic in statistics.STATISTICS.items():
            each = statistics.estimate(statistic, tasks)
            result.append(Number(kind, label, "", None, each.value, each.low, each.high, *size))
        if size[1] == 1:
            continue  # One run is above or not: no distribution.
        each = statistics.estimate(lambda scores: statistics.profile(scores, LEVELS), tasks)
        for level, *ends in zip(LEVELS, each.value, each.low, each.high, strict=True):
            result.append(Number(PROFILE, label, "", float(level), *map(float, ends), *size))
    for one, other in itertools.combinations(found, 2):
        common = [task for task in found[one] if task in found[other]]
        ours, theirs = ({task: found[each][task] for task in common} for each in (one, other))
        # Of single runs it would be 0 or 1, whatever the methods are.
        if any(min(len(ours[task]), len(theirs[task])) > 1 for task in common):
            each = statistics.estimate(statistics.probability_of_improvement, ours, theirs)
            size = len(common), sum(map(len, [*ours.values(), *theirs.values()]))
            ends = each.value, each.low, each.high
            result.append(Number(IMPROVEMENT, one, other, None, *ends, *size))
    return result


def table(found: Iterable[Number]) -> list[list[str]]:
    """Returns the statistics as lists of strings, headings first, a method in each of the others.

    Args:
        found: `Number`s.
    """
    cells = {}
    for each in found:
        if each.kind in statistics.STATISTICS:
            row = cells.setdefault(each.method, [each.method, str(each.tasks), str(each.runs)])
            row.append(_cell(each))
    return [["method", "tasks", "runs", *statistics.STATISTICS], *cells.values()]


def improvements(found: Iterable[Number]) -> list[str]:
    """Returns a line for each pair of methods that can be compared."""
    return [
        f"P({each.method} > {each.other}), {each.tasks} common task{'s' * (each.tasks > 1)}: "
        f"{_cell(each)}"
        for each in found
        if each.kind == IMPROVEMENT
    ]


def to_csv(found: Iterable[Number]) -> str:
    """Returns `Number`s as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Number)])
    for each in found:
        cells = ["" if value is None else value for value in dataclasses.astuple(each)]
        writer.writerow(["" if value != value else value for value in cells])
    return text.getvalue()


def _cell(number):
    if np.isnan(number.low):
        return f"{number.value:.3f}"
    return f"{number.value:.3f} [{number.low:.3f}, {number.high:.3f}]"
