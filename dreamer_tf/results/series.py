"""What a figure of one task shows, as plain numbers: drawn by `figures`, and written beside it."""

import csv
import dataclasses
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from dreamer_tf.results import binning, check, references, scores

STEPS, MINUTES = "steps", "minutes"
SEED, MEAN = "seed", "mean"
TF2, FIGURE, PAPER, EARLY, FLOOR = "tf2", "figure", "paper", "early", "floor"
# Of a curve with fewer whole bins little would be seen: it gets bins of a tenth.
FEWEST_BINS = 5
COLUMNS = ("task", "panel", "kind", "name", "seed", "x", "y", "low", "high", "left", "seeds")


@dataclasses.dataclass(frozen=True)
class Series:
    """Points that are drawn in one way.

    Attributes:
        panel: STEPS or MINUTES, what x is.
        kind: SEED and MEAN are ours. TF2, FIGURE, PAPER, EARLY and FLOOR are from `references`;
            PAPER and FLOOR are horizontal lines, with one y and no x.
        name: of the runs, or what the legend says.
        seed: of a SEED, else "".
        x, y: [N].
        low, high: [N] or empty, ends of bars.
        left: [N] or empty, where the bins begin whose right edges are x.
        seeds: [N] or empty, how many seeds a point averages.
    """

    panel: str
    kind: str
    name: str
    x: np.ndarray
    y: np.ndarray
    seed: str = ""
    low: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))
    high: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))
    left: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))
    seeds: np.ndarray = dataclasses.field(default_factory=lambda: np.array([]))


def fitting_width(runs: Sequence[scores.Run]) -> dict[str, int]:
    """Returns {name: steps of a bin}: the author's, or tenths of it where its runs are short."""
    return {name: _fitting_width(group) for (_, name), group in check.groups(runs).items()}


def _fitting_width(group):
    longest = max(run.reached for run in group)
    width = binning.WIDTH
    while width > 100 and longest < binning.fitting_offset(group, width) + FEWEST_BINS * width:
        width //= 10
    return width


def of_task(
    task: str, runs: Sequence[scores.Run], width: int | Mapping[str, int], early: bool = False
) -> list[Series]:
    """Returns the list of `Series` of a task's figure.

    Args:
        task: name of the task.
        runs: its `scores.Run`s.
        width: environment steps in a bin of our means, or those of each name.
        early: whether early points of other methods are shown.
    """
    series = []
    for (_, name), group in check.groups(runs).items():
        metric = scores.EVALUATION
        label = name
        if not any(len(run.curve(metric).steps) for run in group):
            metric, label = scores.TRAINING, f"{name} (training)"
        steps = width[name] if isinstance(width, Mapping) else width
        series += _of_group(label, group, metric, steps)
    # What is beyond both our own steps and the first known bin would only squeeze the rest.
    furthest = max(binning.OFFSET + binning.WIDTH, *(run.reached for run in runs))
    return series + _references(task, furthest, early) + _levels(task)


def to_csv(task: str, series: Iterable[Series]) -> str:
    """Returns everything that is drawn as the text of a CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for each in series:
        arrays = (each.x, each.y, each.low, each.high, each.left, each.seeds)
        for number in range(len(each.y)):
            columns = [array[number] if len(array) else "" for array in arrays]
            words = [task, each.panel, each.kind, each.name, each.seed]
            writer.writerow(words + [_format(value) for value in columns])
    return text.getvalue()


def _of_group(label, group, metric, width):
    """Returns the curves of some seeds and their mean over complete bins, on both axes.

    A bin that is not finite is left out of the mean, as it is in `item_rows`; its curve shows it.
    """
    series, bins = [], {}
    offset = binning.fitting_offset(group, width)
    for run in group:
        curve = run.curve(metric)
        series.append(Series(STEPS, SEED, label, curve.steps, curve.values, run.seed))
        timed = np.isfinite(curve.minutes)
        if timed.any():
            x, y = curve.minutes[timed], curve.values[timed]
            series.append(Series(MINUTES, SEED, label, x, y, run.seed))
        own = binning.binned(curve.steps, curve.values, run.reached, width, offset, run.ended)
        for found in own:
            if found.complete and np.isfinite(found.mean):
                point = found.mean, run.minutes_at(found.high), run.seed
                bins.setdefault(found.high, []).append(point)
    edges = sorted(bins)
    if not edges:
        return series
    means, minutes = (
        np.array([np.mean([point[number] for point in bins[edge]]) for edge in edges])
        for number in (0, 1)
    )
    seeds = np.array([len(bins[edge]) for edge in edges])
    left = np.array(edges) - width
    series.append(Series(STEPS, MEAN, label, left + width, means, left=left, seeds=seeds))
    timed = [number for number, minute in enumerate(minutes) if np.isfinite(minute)]
    # Seeds are not equally fast: from some of them to fewer or more the mean time leaps, also back.
    of_seeds = [[seed for _, _, seed in bins[edge]] for edge in edges]
    for _, stretch in itertools.groupby(timed, of_seeds.__getitem__):
        at = list(stretch)
        series.append(Series(MINUTES, MEAN, label, minutes[at], means[at], seeds=seeds[at]))
    return series


def _references(task, furthest, early):
    """Returns the curves of others up to some step."""
    series = []
    bins = [each for each in references.tf2_bins() if each.task == task and each.high <= furthest]
    if bins:
        mean, deviation = (
            np.array([getattr(each, name) for each in bins]) for name in ("mean", "deviation")
        )
        x = np.array([each.high for each in bins])
        left = np.array([each.low for each in bins])
        seeds = np.array([each.seeds for each in bins])
        label = "author's TF2 runs from pixels, bins of 100k, deviation of seeds"
        series.append(
            Series(STEPS, TF2, label, x, mean, "", mean - deviation, mean + deviation, left, seeds)
        )
    for number, method in ((7, "Dreamer"), (8, "Reconstruction")):
        points = [
            each
            for each in references.figure(number)
            if each.task == task and each.method == method and each.x <= furthest
        ]
        if points:
            label = f"paper's figure {number}, read off"
            series.append(_points(FIGURE, label, points))
            break
    if early:
        points = [each for each in references.early() if each.task == task and each.x <= furthest]
        for method in sorted({each.method for each in points}):
            chosen = [each for each in points if each.method == method]
            series.append(_points(EARLY, method, chosen))
    return series


def _points(kind, label, points):
    x, y = np.array([each.x for each in points]), np.array([each.value for each in points])
    deviation = np.array([each.deviation for each in points])
    if np.isnan(deviation).all():
        return Series(STEPS, kind, label, x, y)
    return Series(STEPS, kind, label, x, y, low=y - deviation, high=y + deviation)


def _levels(task):
    """Returns the horizontal lines: the paper's final scores, and the floors."""
    none = np.array([])
    series = []
    for panel in (STEPS, MINUTES):
        for score in references.paper_table():
            if score.task == task:
                steps = f"{score.steps:.0e}".replace("e+0", "e")
                label = f"{score.method}, {score.input}, {steps} steps"
                series.append(Series(panel, PAPER, label, none, np.array([score.value])))
        for floor in references.floors(task):
            series.append(Series(panel, FLOOR, floor.label, none, np.array([floor.mean])))
    return series


def _format(value):
    if isinstance(value, str):
        return value
    return "" if np.isnan(value) else f"{value:.10g}"
