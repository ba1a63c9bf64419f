"""The numbers behind the paper's figures: ours from runs, theirs from `references`.

Everything that a figure shows is a `Row`; `item_figures` draws nothing else.
"""

import csv
import dataclasses
import io

import numpy as np

from dreamer_tf.envs.tasks import PAPER_TASKS
from dreamer_tf.results import binning, references, scores, statistics
from dreamer_tf.results.item_runs import COMPARED, SCORES, chosen, finals, sets

OURS, CURVE, TABLE, FLOOR = "ours", "paper's figure", "paper's table", "floor"
# What the paper calls Dreamer where it compares representations.
SAME = {"Reconstruction": "Dreamer"}
CURVES = {"fig7": 7, "fig8": 8, "fig9": None, "fig10": 7, "fig11": 8}
"""{figure of curves: the one whose values were read off, if any}."""
BEYOND = 1.5
DEVIATION, BOOTSTRAP = BANDS = ("deviation", "bootstrap")
ALL, COMMON = "mean of its tasks", "mean of common tasks"


@dataclasses.dataclass(frozen=True)
class Row:
    """A number.

    Attributes:
        source: OURS, CURVE, TABLE or FLOOR.
        x: environment steps, or a setting's value; None where it is one number for all.
        low, high: ends of a band, None without one.
        seeds: how many runs the value is the mean of, None where that is not known; of a mean
            over tasks, how many tasks.
    """

    task: str
    method: str
    source: str
    x: int | None
    value: float
    low: float | None = None
    high: float | None = None
    seeds: int | None = None


def rows(item, runs, width=binning.WIDTH, band=DEVIATION):
    """Returns the `Row`s of an item and lines about what was left out.

    Args:
        item: see `chosen`.
        runs: `scores.Run`s; those of other methods are left out.
        width: environment steps in a bin.
        band: DEVIATION of seeds, as in the paper, or BOOTSTRAP, an interval of their mean.
    """
    shown, remarks = chosen(item, runs)
    longest = max((run.reached for run in shown), default=0)
    # The author's bins begin where training does; runs that are over by then have their own.
    offset = binning.OFFSET if longest >= binning.OFFSET + width else 0
    found = []
    for (task, label, setting), group in sorted(sets(item, shown).items(), key=str):
        if item in CURVES:
            found += _curve(task, label, group, width, offset, band)
            continue
        values, said = finals(group, width)
        remarks += said
        if values:
            found.append(_row(task, label, setting, values, band))
    furthest = {}
    for row in found:
        furthest[row.task] = max(row.x or 0, furthest.get(row.task, 0))
    return found + _references(item, furthest), remarks + _from_vectors(shown, furthest)


def averages(found):
    """Returns means over tasks of each method: of its tasks, and of those all in the paper have.

    Their `task` is ALL or COMMON, their `seeds` says how many tasks. The paper's own averages
    are over 18 tasks for D4PG and A3C, over 20 for the others. COMMON is only of methods that have
    all of those tasks.
    """
    columns = {}
    for row in found:
        if row.source != FLOOR:
            columns.setdefault((row.method, row.source), {})[row.task] = row.value
    theirs = [set(values) for (_, source), values in columns.items() if source == TABLE]
    common = set.intersection(*theirs) if theirs else set()
    result = []
    for (method, source), values in columns.items():
        kinds = [(ALL, set(values))] + [(COMMON, common)] * (set() < common <= set(values))
        for name, tasks in kinds:
            average = float(np.mean([values[task] for task in tasks]))
            result.append(Row(name, method, source, None, average, seeds=len(tasks)))
    return result


def to_csv(found):
    """Returns rows as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Row)])
    for row in found:
        writer.writerow(["" if value is None else value for value in dataclasses.astuple(row)])
    return text.getvalue()


def in_order(item, tasks):
    """Returns tasks in the order of the paper, others behind.

    Figure 6 has them by Dreamer's score in the paper, all else by name.
    """
    order = list(PAPER_TASKS)
    if item == "fig6":
        theirs = {
            score.task: score.value
            for score in references.paper_table()
            if score.method == "Dreamer"
        }
        order.sort(key=theirs.get, reverse=True)
    return [task for task in order if task in tasks] + sorted(set(tasks) - set(order))


def _row(task, label, x, values, band):
    mean, low, high = float(np.mean(values)), None, None
    if len(values) > 1 and band == BOOTSTRAP:
        interval = statistics.estimate(statistics.mean, {task: values})
        low, high = float(interval.low), float(interval.high)
    elif len(values) > 1:
        spread = float(np.std(values))
        low, high = mean - spread, mean + spread
    return Row(task, label, OURS, x, mean, low, high, len(values))


def _curve(task, label, group, width, offset, band):
    """Returns the mean over seeds of every bin that has a finite one."""
    bins = {}
    for run in group:
        curve = run.curve(scores.EVALUATION)
        for each in binning.binned(curve.steps, curve.values, run.reached, width, offset):
            if each.complete and np.isfinite(each.mean):
                bins.setdefault(each.high, []).append(each.mean)
    return [_row(task, label, high, values, band) for high, values in sorted(bins.items())]


def _from_vectors(shown, tasks):
    found = {
        (run.task, run.name)
        for run in shown
        if run.observation == "vector" and run.task in tasks and run.task.startswith("dmc_")
    }
    return [
        f"{task}, {name}: shown, but from vectors; all but A3C in the paper are from pixels"
        for task, name in sorted(found)
    ]


def _references(item, furthest):
    """Returns what is known of the tasks that are drawn, {task: our largest x}."""
    found = []
    number = 4 if item == "fig4" else CURVES.get(item)
    if number is not None:
        found += [
            Row(point.task, SAME.get(point.method, point.method), CURVE, point.x, point.value)
            for point in references.figure(number)
            # Of curves, what is far beyond our own steps would only squeeze them.
            if point.task in furthest
            and (item not in CURVES or point.x <= BEYOND * furthest[point.task])
        ]
    lines = COMPARED[item] if item in SCORES else ("D4PG", "A3C")
    if item != "fig12":
        found += [
            Row(score.task, score.method, TABLE, None, score.value)
            for score in references.paper_table()
            if score.task in furthest and score.method in lines
        ]
    for task in sorted(furthest):
        known = references.floors(task)
        if known:
            highest = max(known, key=lambda floor: floor.mean)
            found.append(Row(task, highest.label, FLOOR, None, highest.mean))
    return found
