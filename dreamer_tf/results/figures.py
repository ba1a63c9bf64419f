"""Draws the figure of a task: PNG, SVG, and a CSV of exactly what they show."""

import contextlib
import io
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dreamer_tf.basics import atomic
from dreamer_tf.results import references
from dreamer_tf.results.export import as_name
from dreamer_tf.results.series import (
    EARLY,
    FIGURE,
    FLOOR,
    MEAN,
    MINUTES,
    PAPER,
    SEED,
    STEPS,
    TF2,
    Series,
    to_csv,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

OURS = ("#1667b7", "#c2371e", "#2e8540", "#7b3fa0", "#12a5b5", "#a03060", "#6b4423", "#444444")
# For more names than colours.
STROKES = ("-", (0, (4, 1.5)), (0, (1, 1)))
LOOKS = tuple((colour, stroke) for stroke in STROKES for colour in OURS)
# Beside a run so many times as long, a short one would be a line at the left edge.
LOGARITHMIC = 10
THEIRS = "#d98200"
THICK, THIN = 2.2, 1.1  # Means over all seeds, and over fewer.
MARKS = "sDv^P"
DOTS_PER_INCH = 150
STYLE = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#888888",
    "axes.labelcolor": "#333333",
    "xtick.color": "#555555",
    "ytick.color": "#555555",
    "svg.hashsalt": "dreamer_tf",  # Otherwise equal figures differ in their ids.
    "svg.fonttype": "none",
    "text.parse_math": False,  # A dollar in a name is one.
}


def write(
    folder: str | Path, task: str, series: Sequence[Series], width: int | Mapping[str, int]
) -> list[Path]:
    """Writes FOLDER/<task>.png, .svg and .csv.

    Args:
        folder: made if it is missing.
        task: name of the task.
        series: list of `Series`.
        width: environment steps in a bin of our means, or those of each name, for the caption.

    Returns:
        The three paths.

    Raises:
        OSError: they cannot be written.
    """
    import matplotlib

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    base = as_name(task)
    paths = []
    with matplotlib.rc_context(STYLE), without_warnings():
        figure = draw(task, series, width)
        for kind in ("png", "svg"):
            data = io.BytesIO()
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(data, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
            paths.append(folder / f"{base}.{kind}")
            atomic.write(paths[-1], data.getvalue())
    paths.append(folder / f"{base}.csv")
    atomic.write(paths[-1], to_csv(task, series).encode())
    return paths


def draw(task: str, series: Sequence[Series], width: int | Mapping[str, int]) -> "Figure":
    """Returns a `matplotlib.figure.Figure` with a panel for steps and, if known, for minutes."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        return _figure(task, series, width)


def _figure(task, series, width):
    # Not pyplot, which would look for a display and keep every figure.
    from matplotlib.figure import Figure

    panels = [STEPS]
    if any(each.panel == MINUTES and each.kind == SEED for each in series):
        panels.append(MINUTES)
    names = len({each.name for each in series if each.kind == SEED})
    height = 4.6 + 0.06 * max(0, names - 9)  # Three names share a line of the legend.
    figure = Figure(figsize=(5.2 * len(panels) + 1.6, height), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    looks = _in_turn(series, (SEED, MEAN), LOOKS) | _marks()
    seeds = Counter(each.name for each in series if (each.panel, each.kind) == (STEPS, SEED))
    bottom, top = _vertical(series)
    _name_ours(axes[0], series, looks, seeds)
    for panel, ax in zip(panels, axes, strict=True):
        shown = [each for each in series if each.panel == panel]
        ax.set_ylim(bottom, top)
        _draw_floors(ax, [each for each in shown if each.kind == FLOOR])
        for each in shown:
            _draw_series(ax, each, looks, seeds)
        _limit(ax, shown)
        ax.grid(axis="y", color="#eeeeee", zorder=0)
    _label_axes(axes, panels, width)
    _label_levels(axes[-1], [each for each in series if each.panel == panels[-1]], top)
    figure.suptitle(task, fontweight="bold", x=0.01, ha="left")
    handles, labels = axes[0].get_legend_handles_labels()
    if handles:
        figure.legend(
            handles, labels, loc="outside lower left", ncols=min(3, len(labels)), frameon=False
        )
    return figure


def legend(name: str) -> str:
    """Returns the label of a name: matplotlib shows none that begins with an underscore."""
    return f" {name}" if name.startswith("_") else name


@contextlib.contextmanager
def without_warnings() -> Iterator[None]:
    """Has nobody told of letters that the font lacks, which are drawn as boxes."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def _in_turn(series, kinds, looks):
    """Returns {(kind, name): one of the looks}, in the order in which the names come."""
    names = dict.fromkeys(each.name for each in series if each.kind in kinds)
    return {
        (kind, name): looks[number % len(looks)]
        for number, name in enumerate(names)
        for kind in kinds
    }


def _marks():
    """Returns {(EARLY, name): mark}: the same for a method's points in every figure."""
    names = sorted({each.method for each in references.early()})
    return {(EARLY, name): mark for name, mark in zip(names, MARKS, strict=False)}


def _name_ours(ax, series, looks, seeds):
    """Has the legend name each of our colours once, and of how many seeds a thinner mean is."""
    means = {each.name: each.seeds for each in series if (each.panel, each.kind) == (STEPS, MEAN)}
    for name, count in seeds.items():
        label, found = legend(name), means.get(name, np.array([]))
        fewer = sorted(set(found[found < count].astype(int)))
        if fewer:
            ends = " to ".join(str(each) for each in dict.fromkeys((fewer[0], fewer[-1])))
            label += f" (thinner: {ends} of {count} seeds)"
        colour, stroke = looks[SEED, name]
        lw = THICK if (found == count).any() else THIN
        ax.plot([], [], color=colour, ls=stroke, lw=lw, label=label)


def _draw_series(ax, series, looks, seeds):
    """Draws one series, floors excepted, as `_in_turn` chose it."""
    x, y, kind, look = series.x, series.y, series.kind, looks.get((series.kind, series.name))
    if kind == SEED:
        colour, stroke = look
        style = {"marker": ".", "markersize": 4 if len(x) > 1 else 8} if len(x) < 60 else {}
        alpha = 0.45 if len(x) < 200 else 0.25
        ax.plot(x, y, color=colour, ls=stroke, lw=0.8, alpha=alpha, zorder=3, **style)
    elif kind == MEAN:
        _draw_mean(ax, series, look, seeds[series.name])
    elif kind == PAPER:
        strong = series.name.startswith("Dreamer")
        colour = THEIRS if strong else "#999999"
        ax.axhline(y[0], color=colour, lw=1.3 if strong else 0.9, ls=(0, (5, 3)), zorder=2)
    elif kind == TF2:
        _draw_bins(ax, series)
    elif kind == FIGURE:
        ax.plot(x, y, "D", color="white", mec=THEIRS, ms=5, label=series.name, zorder=5)
    elif kind == EARLY:
        ax.plot(x, y, look, color="white", mec="#666666", ms=5, label=series.name, zorder=3)
        if len(series.low):
            ax.vlines(x, series.low, series.high, color="#666666", lw=0.9, zorder=2)


def _draw_mean(ax, series, look, count):
    """Draws a mean over seeds: thinner and hollow where some of them have no bin.

    There it may rise or fall by nothing else than that a seed is missing.
    """
    fewer = series.seeds < count
    beside = fewer.copy()  # The points between which the line is thinner.
    beside[1:] |= fewer[:-1]
    beside[:-1] |= fewer[1:]
    style = {"color": look[0], "ls": look[1], "zorder": 6}
    style |= {"marker": "o", "markersize": 4} if len(series.x) < 25 else {}
    for shown, own in ((beside, {"lw": THIN, "mfc": "white"}), (~fewer, {"lw": THICK})):
        if shown.any():
            ax.plot(series.x, np.where(shown, series.y, np.nan), **style, **own)


def _draw_bins(ax, series):
    """Draws means over bins: each as wide as its bin, with the seeds' deviation as a box."""
    ax.hlines(series.y, series.left, series.x, color=THEIRS, lw=2.2, label=series.name, zorder=5)
    ax.plot(series.x, series.y, color=THEIRS, lw=0.8, alpha=0.7, ls=":", zorder=4)
    known = np.isfinite(series.low)
    boxes = zip(
        *(each[known] for each in (series.left, series.x, series.low, series.high)), strict=True
    )
    for left, right, low, high in boxes:
        ax.fill_between([left, right], low, high, color=THEIRS, alpha=0.25, lw=0, zorder=1)


def _draw_floors(ax, floors):
    """Draws where policies are that have learned nothing, and shades what is below the best."""
    if not floors:
        return
    best, lowest = max(each.y[0] for each in floors), ax.get_ylim()[0]
    ax.axhspan(lowest, best, color="#000000", alpha=0.05, lw=0, zorder=0)
    for each in floors:
        ax.axhline(each.y[0], color="#777777", lw=0.9, ls=":", zorder=2)


def _limit(ax, series):
    """Sets the limits of x; a logarithmic axis where some runs are very much longer than others."""
    ends = {}
    for each in series:
        if each.kind == SEED:
            ends[each.name] = _finite(each.x, [ends.get(each.name, 0)]).max()
    if ends and max(ends.values()) > LOGARITHMIC * min(ends.values()) > 0:
        ax.set_xscale("log")
        ax.set_xlim(min(ends.values()) / LOGARITHMIC, 1.1 * _right(series))
    else:
        ax.set_xlim(0, 1.03 * _right(series))


def _label_axes(axes, panels, width):
    for ax, panel in zip(axes, panels, strict=True):
        ax.set_xlabel("environment steps" if panel == STEPS else "minutes of running")
        ax.xaxis.set_major_formatter(_short)
        ax.xaxis.set_minor_formatter("")
    axes[0].set_ylabel("return")
    captions = [
        f"thin: evaluations of a seed; thick: mean of seeds in bins of {_of_widths(width)}",
        "dashed: final scores in the paper; dotted, grey: policies that have learned nothing",
    ]
    if len(axes) == 1:
        captions = ["\n".join(captions)]
    for ax, caption in zip(axes, captions, strict=True):
        ax.set_title(caption, fontsize=8, color="#666666", loc="left")


def _label_levels(ax, series, top):
    """Names the horizontal lines at the right edge, close ones together, without overlap."""
    levels = sorted(
        (each.y[0], each.name, each.kind) for each in series if each.kind in (PAPER, FLOOR)
    )
    gap, lowest = 0.042 * (top - ax.get_ylim()[0]), -np.inf
    merged = []
    for value, name, kind in levels:
        if kind == FLOOR and merged and merged[-1][2] == FLOOR and value - merged[-1][0] < gap / 2:
            merged[-1][1] += f", {name}: {value:.0f}"
        else:
            merged.append([value, f"{name}: {value:.0f}", kind])
    line = {"arrowstyle": "-", "lw": 0.5, "shrinkA": 0, "shrinkB": 0, "relpos": (0, 0.5)}
    for value, name, kind in merged:
        lowest = max(value, lowest + gap)
        colour = THEIRS if name.startswith("Dreamer") else "#777777"
        ax.annotate(
            name,
            (1.0, value),
            (1.03, lowest),
            xycoords=("axes fraction", "data"),
            textcoords=("axes fraction", "data"),
            fontsize=7.5,
            color=colour,
            va="center",
            style="italic" if kind == FLOOR else "normal",
            arrowprops=line | {"color": colour},
        )


def _vertical(series):
    """Returns the limits of y: 0 is the lower one unless something is below it."""
    bottom = min([0.0, *_finite(*(each.y for each in series))])
    top = _finite([bottom], *(part for each in series for part in (each.y, each.high))).max()
    margin = 0.05 * (top - bottom) or 1.0
    return bottom - margin * (bottom < 0), top + margin


def _right(series):
    values = _finite(*(each.x for each in series))
    return values.max() or 1.0 if len(values) else 1.0


def _finite(*arrays):
    """Returns the numbers of some arrays that can be drawn."""
    values = np.concatenate([[], *arrays])
    return values[np.isfinite(values)]


def _of_widths(width):
    """Returns the steps of bins in words, from the least to the most."""
    widths = width.values() if isinstance(width, Mapping) else [width]
    return " to ".join(dict.fromkeys((_short(min(widths)), _short(max(widths)))))


def _short(steps, position=None):
    """Returns 250000 as 250k."""
    if steps >= 1e6:
        return f"{steps / 1e6:g}M"
    return f"{steps / 1e3:g}k" if steps >= 1e3 else f"{steps:g}"
