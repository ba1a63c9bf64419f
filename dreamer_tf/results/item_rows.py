"""The numbers behind the paper's figures: ours from runs, theirs from `references`.

Everything that a figure shows is a `Row`; `item_drawings` draws nothing else.
"""

import csv
import dataclasses
import io
import itertools
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from dreamer_tf.envs.tasks import PAPER_TASKS
from dreamer_tf.results import binning, references, scores, statistics
from dreamer_tf.results.finals import finals, least_end, unequal
from dreamer_tf.results.item_runs import (
    COMPARED,
    INPUTS,
    SCORES,
    SETTINGS,
    chosen,
    method_in,
    method_of,
    other_input,
    sets,
)

OURS, CURVE, TABLE, FLOOR = "ours", "paper's figure", "paper's table", "floor"
TF2 = "author's TF2 runs"
# What the paper calls Dreamer where it compares representations.
SAME = {"Reconstruction": "Dreamer"}
CURVES = {"fig7": 7, "fig8": 8, "fig9": None, "fig10": 7, "fig11": 8}
"""{figure of curves: the one whose values were read off, if any}."""
BEYOND = 1.5
DEVIATION, BOOTSTRAP = BANDS = ("deviation", "bootstrap")
ALL, COMMON = "mean of its tasks", "mean of common tasks"
MOST_SETS = 8  # Of runs, that can be told apart in a figure, and the columns of a table.


@dataclasses.dataclass(frozen=True)
class Row:
    """A number.

    Attributes:
        source: OURS, CURVE, TF2, TABLE or FLOOR.
        x: environment steps, or a setting's value; None where it is one number for all. TF2's
            points are means over the `binning.WIDTH` steps up to it; of TABLE the paper's steps.
        low, high: ends of a band, None without one.
        seeds: how many runs the value is the mean of, None where that is not known; of a mean
            over tasks, how many tasks.
        least, most: of a final return, after how many steps its runs are; else None.
    """

    task: str
    method: str
    source: str
    x: int | None
    value: float
    low: float | None = None
    high: float | None = None
    seeds: int | None = None
    least: int | None = None
    most: int | None = None


def rows(
    item: str, runs: Sequence[scores.Run], width: int = binning.WIDTH, band: str = DEVIATION
) -> tuple[list[Row], list[str]]:
    """Returns the `Row`s of an item and lines about what was left out.

    Args:
        item: see `chosen`.
        runs: `scores.Run`s; those of other methods are left out.
        width: environment steps in a bin.
        band: DEVIATION of seeds, as in the paper, or BOOTSTRAP, an interval of their mean.
    """
    shown, remarks = chosen(item, runs)
    offset = binning.fitting_offset(shown, width)
    found, ends = [], {}
    parts, said = sets(item, shown)
    remarks += said
    together = {}
    for (task, label, _), group in parts.items():
        together.setdefault((task, label), []).extend(group)
    for (task, label, setting), group in sorted(parts.items(), key=lambda each: str(each[0])):
        if item in CURVES:
            points, said = _curve(task, label, group, width, offset, band)
            found += points
            remarks += said
            continue
        # Settings are compared after as many steps, also where one of them has gone on alone.
        until = least_end(together[task, label]) if item in SETTINGS else None
        last, said = finals(group, width, until)
        remarks += said
        if last:
            row = _row(task, label, setting, [each.value for each in last], band)
            steps = [each.step for each in last]
            found.append(dataclasses.replace(row, least=min(steps), most=max(steps)))
            ends.setdefault(label, []).extend(steps)
    remarks += [f"{label}: {words}" for label, words in unequal(ends).items()]
    furthest = {}
    for row in found:
        furthest[row.task] = max(row.x or 0, furthest.get(row.task, 0))
    return found + _references(item, furthest), remarks + _from_vectors(shown, furthest)


def fitting(item: str, found: Sequence[Row]) -> tuple[list[Row], list[str]]:
    """Returns the rows of as many sets of our runs as a figure has room for; see `widest`.

    Where a setting is varied those with the most settings on a task come before those with the most
    tasks: no figure loses what it compares.
    """
    settings = {}
    for row in found:
        if row.source == OURS:
            tasks = settings.setdefault(row.method, {})
            tasks.setdefault(row.task, set()).add(row.x if item in SETTINGS else None)
    sizes = {
        label: (max(map(len, tasks.values())), len(tasks)) for label, tasks in settings.items()
    }
    labels, remarks = widest(sizes)
    kept = [row for row in found if row.source != OURS or row.method in labels]
    # What others have on a task is shown beside ours.
    tasks = {row.task for row in kept if row.source == OURS}
    return [row for row in kept if row.task in tasks], remarks


def widest(sizes: Mapping[str, int | tuple[int, ...]]) -> tuple[list[str], list[str]]:
    """Returns the `MOST_SETS` labels that a figure shows, and a line about the others.

    The largest of each method are the first, so that methods that are compared stay; then others.

    Args:
        sizes: {label of `item_runs.sets`: how many tasks it has, or another size}.
    """
    order = sorted(sorted(sizes), key=sizes.get, reverse=True)
    first = {}
    for label in order:
        first.setdefault(method_in(label), label)
    order.sort(key=lambda label: label not in first.values())
    left = sorted(order[MOST_SETS:])
    words = f"not in this figure, which has room for {MOST_SETS} sets of runs: {', '.join(left)}"
    return order[:MOST_SETS], [words] if left else []


def in_steps(rows: Iterable[Row]) -> str:
    """Returns after how many steps some rows are, as "25k to 1.5e6"; "" where that is not known.

    Those are steps of ours at their ends, or of the paper's final scores.
    """
    ends = [
        end
        for row in rows
        for end in ((row.x, row.x) if row.source == TABLE else (row.least, row.most))
        if end is not None
    ]
    return " to ".join(dict.fromkeys(map(_short, (min(ends), max(ends))))) if ends else ""


def _short(steps):
    steps = float(f"{steps:.3g}")
    if steps >= 1e6:
        return f"{steps:g}".replace("e+0", "e")
    return f"{steps / 1e3:g}k" if steps >= 1e3 else f"{steps:g}"


def averages(found: Iterable[Row]) -> list[Row]:
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
            # In one order, so that the same runs print the same table: sums depend on it.
            average = float(np.mean([values[task] for task in sorted(tasks)]))
            result.append(Row(name, method, source, None, average, seeds=len(tasks)))
    return result


def to_csv(found: Iterable[Row]) -> str:
    """Returns rows as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Row)])
    for row in found:
        writer.writerow(["" if value is None else value for value in dataclasses.astuple(row)])
    return text.getvalue()


def in_order(item: str, tasks: Collection[str]) -> list[str]:
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
    """Returns the mean over seeds of every bin that has a finite one, and lines about others."""
    bins, remarks = {}, []
    for run in group:
        curve, name = run.curve(scores.EVALUATION), f"{run.task}, {run.name}, seed {run.seed}"
        own = binning.binned(curve.steps, curve.values, run.reached, width, offset, run.ended)
        complete = [each for each in own if each.complete]
        finite = [each for each in complete if np.isfinite(each.mean)]
        for each in finite:
            bins.setdefault(each.high, []).append(each.mean)
        if not complete:
            remarks.append(
                f"{name}: no evaluation in a complete bin of {width} steps behind {offset}, at "
                f"{run.reached}"
            )
        elif len(finite) < len(complete):
            remarks.append(f"{name}: bins that are not finite: {len(complete) - len(finite)}")
    points = [_row(task, label, high, values, band) for high, values in sorted(bins.items())]
    return points, remarks + _falls(task, label, points)


def _falls(task, label, points):
    """Returns a line about where seeds of a curve end before others, [] if none does.

    The mean is of other seeds from there on, and may rise or fall for that alone.
    """
    # How many a point or one behind it has: a bin may be empty between two that are not.
    counts = list(itertools.accumulate([point.seeds for point in points[::-1]], max))[::-1]
    falls = [
        f"{counts[number]} behind {points[number - 1].x} steps"
        for number in range(1, len(points))
        if counts[number] < counts[number - 1]
    ]
    if not falls:
        return []
    return [f"{task}, {label}: the mean is of {counts[0]} seeds, {', '.join(falls)}"]


def _from_vectors(shown, tasks):
    found = {
        (run.task, run.name, other_input(run))
        for run in shown
        if other_input(run) and run.task in tasks and run.task.startswith("dmc_")
        if (method_of(run), other_input(run)) != ("A3C", INPUTS["vector"])
    }
    return [
        f"{task}, {name}: shown, but {seen}; all but A3C in the paper are from pixels"
        for task, name, seen in sorted(found)
    ]


def _finals(tasks, methods):
    """Returns the paper's final scores."""
    return [
        Row(score.task, score.method, TABLE, score.steps, score.value)
        for score in references.paper_table()
        if score.task in tasks and score.method in methods
    ]


def _instead(item, furthest):
    """Returns what stands for the paper's curves where none of their points is within reach.

    These are the final scores of methods that the paper's figure compares, and the curve of the
    author's own runs with the other code base, of which the first bin is always shown.
    """
    found = _finals(furthest, [each for each in ("Dreamer", "PlaNet") if each in COMPARED[item]])
    for each in references.tf2_bins():
        if each.task not in furthest:
            continue
        if each.high <= max(binning.OFFSET + binning.WIDTH, BEYOND * furthest[each.task]):
            known = np.isfinite(each.deviation)
            ends = [each.mean + sign * each.deviation if known else None for sign in (-1, 1)]
            point = (each.high, float(each.mean), *ends, each.seeds)
            found.append(Row(each.task, "Dreamer", TF2, *point))
    return found


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
        found += _finals(furthest, lines)
    if item in CURVES:
        drawn = {row.task for row in found if (row.method, row.source) == ("Dreamer", CURVE)}
        found += _instead(item, {task: x for task, x in furthest.items() if task not in drawn})
    for task in sorted(furthest):
        known = references.floors(task)
        if known:
            highest = max(known, key=lambda floor: floor.mean)
            found.append(Row(task, highest.label, FLOOR, None, highest.mean))
    return found
