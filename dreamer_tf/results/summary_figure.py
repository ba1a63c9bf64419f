"""Draws the statistics of `summary`: intervals, performance profiles, improvements."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dreamer_tf.basics import atomic
from dreamer_tf.results import item_drawings, item_figures, item_rows, statistics, summary
from dreamer_tf.results.figures import STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = 0.24  # Inches of a method or pair.
COLUMNS = 3  # Of the legend.
LOWER = "optimality gap"  # Of all statistics, the one that is better if it is lower.


def write(found: Sequence[summary.Number], out: str | Path) -> list[Path]:
    """Writes OUT/statistics.png, .pdf and .csv of `summary.Number`s; returns the paths."""
    paths = item_figures.save(draw(found), Path(out) / "statistics")
    paths.append(Path(out) / "statistics.csv")
    atomic.write(paths[-1], summary.to_csv(found).encode())
    return paths


def draw(found: Sequence[summary.Number]) -> "Figure":
    """Returns the `matplotlib.figure.Figure` of `summary.Number`s.

    It has room for as many methods as `item_rows.widest` says, and names the others.
    """
    import matplotlib
    from matplotlib.figure import Figure

    sizes = {each.method: each.tasks for each in found if not each.other}
    shown, left = item_rows.widest(sizes)
    found = [each for each in found if {each.method, each.other} <= {*shown, ""}]
    methods = [method for method in sizes if method in shown]
    pairs = [each for each in found if each.kind == summary.IMPROVEMENT]
    profiles = [each for each in found if each.kind == summary.PROFILE]
    legend = 0.18 * -(-len(methods) // COLUMNS)
    heights = [LINE * len(methods) + 0.9]
    if profiles:
        heights.append(max(2.6, LINE * len(pairs) + 0.9) + legend)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9.2, sum(heights)), layout="constrained")
        above, *below = figure.subfigures(len(heights), 1, height_ratios=heights, squeeze=False)[
            :, 0
        ]
        _statistics(above, found, methods)
        for each in below:
            _comparisons(each, profiles, pairs, methods)
        for line in left:
            figure.supxlabel("\n".join(textwrap.wrap(line, 140)), fontsize=7)
    return figure


def _statistics(figure, found, methods):
    panels = figure.subplots(1, len(statistics.STATISTICS), sharey=True)
    for panel, kind in zip(panels, statistics.STATISTICS, strict=True):
        rows = [each for each in found if each.kind == kind]
        _intervals(panel, rows, methods)
        panel.set_title(kind, fontsize=9)
        panel.set_xlabel(f"{'lower' if kind == LOWER else 'higher'} is better", fontsize=8)
    sizes = {row.method: f"{_count(row.tasks, 'task')}, {_count(row.runs, 'run')}" for row in rows}
    panels[0].set_yticks(range(len(methods)), [f"{each} ({sizes[each]})" for each in methods])
    panels[0].invert_yaxis()


def _comparisons(figure, profiles, pairs, methods):
    left, right = figure.subplots(1, 2) if pairs else (figure.subplots(), None)
    _profiles(left, profiles, methods)
    figure.legend(loc="outside upper left", ncols=COLUMNS, fontsize=7, frameon=False)
    if pairs:
        _pairs(right, pairs)


def _intervals(panel, rows, methods):
    for row in rows:
        at, colour = methods.index(row.method), item_drawings.colour(row.method, methods)
        if np.isfinite(row.low):
            panel.barh(at, row.high - row.low, 0.6, row.low, color=colour, alpha=0.35)
        panel.plot([row.value] * 2, [at - 0.3, at + 0.3], color=colour, lw=2)
    panel.set_ylim(-0.5, len(methods) - 0.5)
    panel.locator_params(axis="x", nbins=5)


def _count(number, word):
    return f"{number} {word}{'s' if number > 1 else ''}"


def _profiles(panel, found, methods):
    for method in dict.fromkeys(each.method for each in found):
        rows = [each for each in found if each.method == method]
        x, colour = [row.level for row in rows], item_drawings.colour(method, methods)
        label = f"{method}, {_count(rows[0].tasks, 'task')}"
        panel.step(x, [row.value for row in rows], where="post", color=colour, lw=1.4, label=label)
        ends = [row.low for row in rows], [row.high for row in rows]
        if np.isfinite(ends[0]).any():
            panel.fill_between(x, *ends, step="post", color=colour, alpha=0.2, lw=0)
    panel.set(xlabel="score", ylabel=summary.PROFILE, xlim=(0, 1), ylim=(0, 1.02))


def _pairs(panel, rows):
    for at, row in enumerate(rows):
        panel.plot(row.value, at, "o", color="#222222", ms=4)
        if np.isfinite(row.low):
            panel.plot([row.low, row.high], [at, at], color="#222222", lw=1.4)
    panel.axvline(0.5, color="#999999", lw=0.8, dashes=(4, 3))
    panel.set_yticks(range(len(rows)), [f"{row.method} > {row.other}" for row in rows])
    panel.set(xlabel=summary.IMPROVEMENT, xlim=(-0.02, 1.02), ylim=(len(rows) - 0.5, -0.5))
