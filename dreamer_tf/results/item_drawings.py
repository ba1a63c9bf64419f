"""Draws the paper's figures from `item_rows`."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dreamer_tf.results import binning, item_rows, item_table
from dreamer_tf.results.figures import STYLE
from dreamer_tf.results.item_rows import CURVE, CURVES, FLOOR, OURS, TABLE, TF2, Row
from dreamer_tf.results.item_runs import SETTINGS, method_in

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLOURS = {
    **{"Dreamer": "#1667b7", "No value": "#2e8540", "PlaNet": "#c2371e"},
    **{"Contrastive": "#7b3fa0", "Reward only": "#d98200", "D4PG": "#444444", "A3C": "#999999"},
}
COLUMNS = 4
MARGIN = 0.05
PALER = 0.7  # How much the last of several sets of runs of one method is.
LABEL_WIDTH, LABEL_HEIGHT = 2.6, 0.16  # Inches of an entry of the legend, at least.
LINE_WIDTH, LETTER_WIDTH = 0.5, 0.052  # Inches of its line with what is around it, of a letter.
THEIRS = "#0b2545"  # The author's TF2 runs.
DASHES = {"D4PG": (4, 2), "A3C": (1, 2)}
MARKS = "o^Dv<>ps"  # Of several sets of runs of one method.
MOST_MARKS = 25  # Points of a curve that has marks.
LOW = 0.01  # A bar of less than this share of the highest is marked: it looks like none.


def draw(item: str, found: Sequence[Row], width: int) -> "Figure":
    """Returns the `matplotlib.figure.Figure` of an item's `Row`s."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        if item == "table":
            return _table(found)
        return _bars(found) if item == "fig6" else _panels(item, found, width)


def _panels(item, found, width):
    tasks = item_rows.in_order(item, {row.task for row in found})
    figure, panels = _grid(len(tasks))
    looks = _looks(found)
    for panel, task in zip(panels, tasks, strict=True):
        _panel(panel, item, [row for row in found if row.task == task], looks)
        panel.set_title(task.removeprefix("dmc_").replace("_", " "), fontsize=9)
    label = SETTINGS.get(item, f"environment steps (bins of {width:,})")
    figure.supxlabel(label, fontsize=9)
    figure.supylabel("return", fontsize=9)
    _legend(figure, panels, [text for _, _, text in looks.values()])
    return figure


def _grid(count):
    from matplotlib.figure import Figure

    columns = min(COLUMNS, count)
    lines = -(-count // columns)
    size = (max(4.5, 2.6 * columns), 2.2 * lines + 0.9)
    figure = Figure(figsize=size, layout="constrained")
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for panel in panels[count:]:
        panel.remove()
    return figure, panels[:count]


def _looks(found):
    """Returns {method: (colour, mark, text of the legend)} of ours, the same in all panels."""
    ours = [row for row in found if row.source == OURS]
    labels, result = [row.method for row in ours], {}
    for method in dict.fromkeys(labels):
        own = [row for row in ours if row.method == method]
        least, most = min(row.seeds for row in own), max(row.seeds for row in own)
        words = str(most) if least == most else f"{least} to {most}"
        words += f" seed{'s' if most > 1 else ''}"
        if item_rows.in_steps(own):
            words += f", after {item_rows.in_steps(own)} steps"
        if any(_fewer(own)):
            words += "; dashed: not all of them"
        mark = MARKS[_among(method, labels)[0] % len(MARKS)]
        result[method] = colour(method, labels), mark, f"{method}, ours ({words})"
    return result


def _fewer(rows):
    """Returns which rows of a set of runs are of fewer seeds than another one of the same task."""
    most = {}
    for row in rows:
        most[row.task] = max(row.seeds, most.get(row.task, 0))
    return [row.seeds < most[row.task] for row in rows]


def _panel(panel, item, found, looks):
    for method in dict.fromkeys(row.method for row in found if row.source == OURS):
        own = [row for row in found if row.method == method and row.source == OURS]
        _line(panel, sorted(own, key=lambda row: row.x), *looks[method])
    for row in found:
        if row.source == TABLE:
            look = {"color": COLOURS[row.method], "dashes": DASHES.get(row.method, (3, 3))}
            panel.axhline(row.value, lw=1, label=_paper([row]), **look)
        if row.source == TF2:
            _bin(panel, row)
        if row.source == FLOOR:
            panel.axhline(row.value, lw=1, color="#bbbbbb", label="floor (nothing learned)")
    for method in dict.fromkeys(row.method for row in found if row.source == CURVE):
        theirs = [row for row in found if row.method == method and row.source == CURVE]
        x, y = [row.x for row in theirs], [row.value for row in theirs]
        look = {"mfc": "none", "color": COLOURS[method], "ms": 4, "lw": 0.8}
        panel.plot(x, y, ":s", label=f"{method}, paper's figure", **look)
    ends = [end for row in found for end in (row.value, row.low, row.high) if end is not None]
    # All is seen whole, with some room, and 0 as well.
    low, high = min(0, *ends), max(0, *ends)
    room = MARGIN * (high - low) or 1
    panel.set_ylim(low - room * (low < 0), high + room)
    if item in CURVES:
        panel.set_xlim(left=0)
        panel.ticklabel_format(axis="x", style="sci", scilimits=(0, 4))
    else:
        panel.locator_params(axis="x", integer=True, min_n_ticks=1)


def _line(panel, own, look, mark, label):
    """Draws means of a set of runs with their band; dashed, hollow where some seeds are missing."""
    fewer = np.array(_fewer(own))
    x, y = [row.x for row in own], np.array([row.value for row in own])
    style = {"color": look, "lw": 1.5, "ms": 3, "marker": mark if len(own) < MOST_MARKS else ""}
    panel.plot(x, np.where(fewer, np.nan, y), label=label, **style)
    if fewer.any():
        # Also to the points beside them.
        around = fewer.copy()
        around[1:] |= fewer[:-1]
        around[:-1] |= fewer[1:]
        style |= {"ls": (0, (2, 1.5)), "mfc": "white", "markevery": np.flatnonzero(fewer).tolist()}
        panel.plot(x, np.where(around, y, np.nan), **style)
    if any(row.low is not None for row in own):
        # None becomes NaN, a gap: one seed has no band.
        ends = [np.array([getattr(row, end) for row in own], float) for end in ("low", "high")]
        panel.fill_between(x, *ends, color=look, alpha=0.2, lw=0)


def _bin(panel, row):
    """Draws a bin of the author's TF2 runs, as wide as it is, its seeds' deviation as a box."""
    left, look = row.x - binning.WIDTH, {"color": THEIRS, "zorder": 1}
    label = f"{row.method}, author's TF2 runs, bins of {binning.WIDTH // 1000}k"
    panel.plot([left, row.x], [row.value] * 2, lw=2, solid_capstyle="butt", label=label, **look)
    if row.low is not None:
        panel.fill_between([left, row.x], row.low, row.high, alpha=0.12, lw=0, **look)


def colour(label: str, labels: Iterable[str]) -> tuple[float, ...]:
    """Returns the colour of a method's label, lighter for each further set of its runs.

    Args:
        label: "method" or "method (name)".
        labels: all that are shown, in their order.
    """
    from matplotlib.colors import to_rgb

    number, count = _among(label, labels)
    paler = PALER * number / max(3, count - 1)
    return tuple(paler + (1 - paler) * part for part in to_rgb(COLOURS[method_in(label)]))


def _among(label, labels):
    """Returns which of the labels of its method one is, and how many those are."""
    of_method = [each for each in dict.fromkeys(labels) if method_in(each) == method_in(label)]
    return of_method.index(label), len(of_method)


def _paper(rows):
    """Returns what the legend says of the paper's final scores."""
    steps = item_rows.in_steps(rows)
    return f"{rows[0].method}, paper" + f" after {steps} steps" * bool(steps)


def _bars(found):
    """Returns bars by task, ours beside the paper's, which are hatched."""
    tasks = item_rows.in_order("fig6", {row.task for row in found})
    figure, (panel,) = _grid(1)
    figure.set_size_inches(max(5.0, 0.55 * len(tasks) + 3), 3.6)
    kinds = dict.fromkeys((row.method, row.source) for row in found if row.source != FLOOR)
    room, looks = 0.8 / len(kinds), _looks(found)
    highest = max(abs(row.value) for row in found)
    for number, (method, source) in enumerate(sorted(kinds, key=lambda kind: kind[1] != OURS)):
        bars = [row for row in found if (row.method, row.source) == (method, source)]
        at = [tasks.index(row.task) + room * (number + 0.5) - 0.4 for row in bars]
        if source == OURS:
            shade, _, label = looks[method]
            look = {"color": shade, "label": label, "yerr": _errors(bars)}
        else:
            shade = COLOURS[method]
            look = {"fc": "white", "ec": shade, "lw": 0.6, "hatch": "/////", "label": _paper(bars)}
        values = np.array([row.value for row in bars])
        panel.bar(at, values, room, **look)
        low = np.abs(values) < LOW * highest
        if low.any():
            look = {"color": shade, "ms": 4, "mec": "#222222", "mew": 0.5, "clip_on": False}
            panel.plot(np.array(at)[low], values[low], "o", **look)
    for row in found:
        if row.source == FLOOR:
            left = tasks.index(row.task) - 0.4
            label = "floor (nothing learned)"
            panel.plot([left, left + 0.8], [row.value] * 2, color="#222222", lw=1, label=label)
    names = [task.removeprefix("dmc_").replace("_", " ") for task in tasks]
    panel.set_xticks(np.arange(len(tasks)), names, rotation=45, ha="right")
    panel.set_ylabel("return")
    _legend(figure, [panel], [text for _, _, text in looks.values()])
    return figure


def _errors(rows):
    """Returns how far bands reach down and up, [2, N]; None where no row has one."""
    if all(row.low is None for row in rows):
        return None
    below = [0 if row.low is None else row.value - row.low for row in rows]
    return below, [0 if row.high is None else row.high - row.value for row in rows]


def _table(found):
    """Returns the table of `item_table` as a picture."""
    cells = item_table.cells(found)
    figure, (panel,) = _grid(1)
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    figure.set_size_inches(0.5 + 0.075 * sum(each + 3 for each in widths), 0.3 + 0.2 * len(cells))
    panel.axis("off")
    drawn = panel.table(
        cells[1:],
        colLabels=cells[0],
        colWidths=[(each + 3) / sum(width + 3 for width in widths) for each in widths],
        cellLoc="right",
        colLoc="right",
        edges="horizontal",
        bbox=(0, 0, 1, 1),
    )
    drawn.auto_set_font_size(False)
    drawn.set_fontsize(8)
    for line in range(len(cells)):
        drawn[line, 0].set_text_props(ha="left")
        for each in range(len(cells[0])):
            drawn[line, each].set_edgecolor("#bbbbbb")
    return figure


def _legend(figure, panels, first):
    """Draws the legend of all panels, some labels first."""
    shown = dict.fromkeys(first)
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            shown[label] = shown.get(label) or handle
    width, height = figure.get_size_inches()
    longest = LINE_WIDTH + LETTER_WIDTH * max(map(len, shown))
    columns = max(1, int(width / max(LABEL_WIDTH, longest)))
    lines = -(-len(shown) // columns)
    figure.set_size_inches(width, height + LABEL_HEIGHT * lines)
    figure.legend(
        shown.values(),
        shown.keys(),
        loc="outside upper left",
        ncols=columns,
        fontsize=7,
        frameon=False,
    )
