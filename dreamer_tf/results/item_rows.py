"""The numbers behind the paper's figures: ours from runs, theirs from `references`.

Everything that a figure shows is a `Row`; `item_figures` draws nothing else.
"""

import csv
import dataclasses
import io

import numpy as np

from dreamer_tf.envs.tasks import PAPER_TASKS
from dreamer_tf.results import binning, references, scores

OURS, CURVE, TABLE, FLOOR = "ours", "paper's figure", "paper's table", "floor"
OBJECTIVES = {"contrastive": "Contrastive", "reward_only": "Reward only"}
METHODS = {"no_value": "No value", "planet": "PlaNet", "d4pg": "D4PG", "a3c": "A3C"}
# What the paper calls Dreamer where it compares representations.
SAME = {"Reconstruction": "Dreamer"}
CURVES = {"fig7": 7, "fig8": 8, "fig9": None, "fig10": 7, "fig11": 8}
"""{figure of curves: the one whose values were read off, if any}."""
SETTINGS = {"fig4": "horizon", "fig12": "action repeat"}
SCORES = ("fig6", "table")
COMPARED = {
    **dict.fromkeys(("fig4", "fig7", "fig10"), ("Dreamer", "No value", "PlaNet")),
    **dict.fromkeys(("fig8", "fig11"), ("Dreamer", "Contrastive", "Reward only")),
    **dict.fromkeys(("fig9", "fig12"), ("Dreamer",)),
    **dict.fromkeys(SCORES, ("Dreamer", "PlaNet", "D4PG", "A3C")),
}
"""{item: the methods that it compares}."""


@dataclasses.dataclass(frozen=True)
class Row:
    """A number.

    Attributes:
        source: OURS, CURVE, TABLE or FLOOR.
        x: environment steps, or a setting's value; None where it is one number for all.
        low, high: ends of a band, None without one.
        seeds: how many runs the value is the mean of, None where that is not known.
    """

    task: str
    method: str
    source: str
    x: int | None
    value: float
    low: float | None = None
    high: float | None = None
    seeds: int | None = None


def method_of(run):
    """Returns the paper's name of a run's method, None for one that it does not have."""
    agent = run.setting("agent") or "dreamer"
    if agent != "dreamer":
        return METHODS.get(agent)
    return OBJECTIVES.get(run.setting("model.objective"), "Dreamer")


def rows(item, runs, width=binning.WIDTH):
    """Returns the `Row`s of an item and lines about what was left out.

    Args:
        item: "fig4", "fig6" to "fig12" or "table".
        runs: `scores.Run`s; those of other methods are left out.
        width: environment steps in a bin.
    """
    found, remarks = [], []
    grouped = {}
    longest = max((run.reached for run in runs), default=0)
    # The author's bins begin where training does; runs that are over by then have their own.
    offset = binning.OFFSET if longest >= binning.OFFSET + width else 0
    prefix = "atari_" if item == "fig9" else "dmc_"
    # Where there is none of the paper's kind, whatever there is: a toy task, others' environments.
    wanted = {run.task for run in runs if run.task.startswith(prefix)} or {run.task for run in runs}
    for run in runs:
        method = method_of(run)
        if run.task not in wanted:
            remarks.append(f"{run.task}, {run.name}: not a task of {item}")
        elif method not in COMPARED[item]:
            remarks.append(f"{run.task}, {run.name}: not a method of {item}")
        elif not len(run.curve(scores.EVALUATION).steps):
            remarks.append(f"{run.task}, {run.name}, seed {run.seed}: no evaluation yet")
        else:
            setting = _setting(item, run, method)
            grouped.setdefault((run.task, method, setting), {}).setdefault(run.name, []).append(run)
    for (task, method, setting), named in sorted(grouped.items(), key=str):
        for name, group in named.items():
            # Runs of another name differ in more than the seed: they are not averaged.
            label = method if len(named) == 1 else f"{method} ({name})"
            if item in CURVES:
                found += _curve(task, label, group, width, offset)
            else:
                found.append(_row(task, label, setting, [final(run, width) for run in group]))
    tasks = {row.task for row in found}
    return found + _references(item, tasks), remarks


def final(run, width):
    """Returns the mean of a run's evaluations in its last `width` steps."""
    curve = run.curve(scores.EVALUATION)
    return float(np.mean(curve.values[curve.steps > curve.steps[-1] - width]))


def to_csv(found):
    """Returns rows as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([field.name for field in dataclasses.fields(Row)])
    for row in found:
        writer.writerow(["" if value is None else value for value in dataclasses.astuple(row)])
    return text.getvalue()


def in_order(tasks):
    """Returns tasks in the paper's order, others behind."""
    known = [task for task in PAPER_TASKS if task in tasks]
    return known + sorted(set(tasks) - set(known))


def _setting(item, run, method):
    """Returns the value that a figure has on its x axis, None for curves and scores."""
    if item == "fig4":
        return run.setting("planner.horizon" if method == "PlaNet" else "behavior.horizon")
    if item == "fig12":
        repeat = run.setting("env.action_repeat")
        return repeat if isinstance(repeat, int) else 2
    return None


def _row(task, method, x, values):
    mean, spread = float(np.mean(values)), float(np.std(values))
    low, high = (mean - spread, mean + spread) if len(values) > 1 else (None, None)
    return Row(task, method, OURS, x, mean, low, high, len(values))


def _curve(task, method, group, width, offset):
    """Returns the mean over seeds of every bin, as the paper draws it: with the deviation."""
    bins = {}
    for run in group:
        curve = run.curve(scores.EVALUATION)
        for each in binning.binned(curve.steps, curve.values, run.reached, width, offset):
            if each.complete:
                bins.setdefault(each.high, []).append(each.mean)
    return [_row(task, method, high, values) for high, values in sorted(bins.items())]


def _references(item, tasks):
    """Returns what is known of the tasks that are drawn."""
    found = []
    number = 4 if item == "fig4" else CURVES.get(item)
    if number is not None:
        found += [
            Row(point.task, SAME.get(point.method, point.method), CURVE, point.x, point.value)
            for point in references.figure(number)
            if point.task in tasks
        ]
    lines = COMPARED[item] if item in SCORES else ("D4PG", "A3C")
    if item != "fig12":
        found += [
            Row(score.task, score.method, TABLE, None, score.value)
            for score in references.paper_table()
            if score.task in tasks and score.method in lines
        ]
    for task in tasks:
        known = references.floors(task)
        if known:
            highest = max(known, key=lambda floor: floor.mean)
            found.append(Row(task, highest.label, FLOOR, None, highest.mean))
    return found
