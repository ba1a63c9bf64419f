"""Draws the paper's figures from `item_rows`: PNG, PDF, and a CSV of exactly what they show."""

import io
from pathlib import Path

import numpy as np

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.results import binning, item_rows, scores
from dreamer_tf.results.figures import DOTS_PER_INCH, STYLE
from dreamer_tf.results.item_rows import CURVE, CURVES, FLOOR, OURS, SETTINGS, TABLE

COLOURS = {
    **{"Dreamer": "#1667b7", "No value": "#2e8540", "PlaNet": "#c2371e"},
    **{"Contrastive": "#7b3fa0", "Reward only": "#d98200", "D4PG": "#444444", "A3C": "#999999"},
}
COLUMNS = 4
LIGHTER = (1.0, 0.65, 0.4, 0.25)  # Of several sets of runs of one method.
LABEL_WIDTH, LABEL_HEIGHT = 2.6, 0.16  # Inches of an entry of the legend.
DASHES = {"D4PG": (4, 2), "A3C": (1, 2)}


def write(item, folders, out, width=None):
    """Writes OUT/<item>.png, .pdf and .csv.

    Args:
        item: see `item_rows.rows`.
        folders: folders of runs.
        out: made if it is missing.
        width: environment steps in a bin; by default what fits the longest run.

    Returns:
        (paths, lines about what was left out).

    Raises:
        UserError: there is nothing to draw.
    """
    import matplotlib

    runs, skipped = scores.find(folders)
    width = width or fitting_width(runs)
    found, remarks = item_rows.rows(item, runs, width)
    if not any(row.source == OURS for row in found):
        why = "; ".join((skipped + remarks)[:3]) or "no run has reached the end of a bin"
        raise UserError(f"nothing to draw for {item}: {why}", status=1)
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    paths = []
    with matplotlib.rc_context(STYLE):
        figure = draw(item, found, width)
        for kind in ("png", "pdf"):
            data = io.BytesIO()
            metadata = {"CreationDate": None} if kind == "pdf" else None
            figure.savefig(data, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
            paths.append(out / f"{item}.{kind}")
            atomic.write(paths[-1], data.getvalue())
    paths.append(out / f"{item}.csv")
    atomic.write(paths[-1], item_rows.to_csv(found).encode())
    return paths, skipped + remarks


def png(item, found, width):
    """Returns the figure of an item's `Row`s as the bytes of a PNG."""
    import matplotlib

    data = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        draw(item, found, width).savefig(data, format="png", dpi=DOTS_PER_INCH)
    return data.getvalue()


def draw(item, found, width):
    """Returns the `matplotlib.figure.Figure` of an item's `Row`s."""
    if item in item_rows.SCORES:
        return _bars(found)
    tasks = item_rows.in_order({row.task for row in found})
    figure, panels = _grid(len(tasks))
    for panel, task in zip(panels, tasks, strict=True):
        _panel(panel, item, [row for row in found if row.task == task])
        panel.set_title(task.removeprefix("dmc_").replace("_", " "), fontsize=9)
    label = SETTINGS.get(item, f"environment steps (bins of {width:,})")
    figure.supxlabel(label, fontsize=9)
    figure.supylabel("return", fontsize=9)
    _legend(figure, panels)
    return figure


def fitting_width(runs):
    """Returns a bin's width of which half of the runs have some: the author's, or less."""
    usual = np.median([run.reached for run in runs])
    width = binning.WIDTH
    while width > 100 and usual < 3 * width:
        width //= 10
    return width


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


def _panel(panel, item, found):
    for method in dict.fromkeys(row.method for row in found if row.source == OURS):
        own = [row for row in found if row.method == method and row.source == OURS]
        own.sort(key=lambda row: row.x)
        seeds = max(row.seeds for row in own)
        label = f"{method}, ours ({seeds} seed{'s' if seeds > 1 else ''})"
        x, y = [row.x for row in own], [row.value for row in own]
        colour = _colour(method, found)
        panel.plot(x, y, "-o", ms=3, lw=1.5, color=colour, label=label)
        banded = [row for row in own if row.low is not None]
        if banded:
            ends = ([row.low for row in banded], [row.high for row in banded])
            at = [row.x for row in banded]
            panel.fill_between(at, *ends, color=colour, alpha=0.2, lw=0)
    furthest = max(row.x for row in found if row.source == OURS)
    for row in found:
        if row.source == TABLE:
            look = {"color": COLOURS[row.method], "dashes": DASHES.get(row.method, (3, 3))}
            panel.axhline(row.value, lw=1, label=f"{row.method}, paper", **look)
        if row.source == FLOOR:
            panel.axhline(row.value, lw=1, color="#bbbbbb", label="floor (nothing learned)")
    for method in dict.fromkeys(row.method for row in found if row.source == CURVE):
        theirs = [row for row in found if row.method == method and row.source == CURVE]
        # Of curves, what is far beyond our own steps would only squeeze them.
        theirs = [row for row in theirs if item not in CURVES or row.x <= 1.5 * furthest]
        if theirs:
            x, y = [row.x for row in theirs], [row.value for row in theirs]
            look = {"mfc": "none", "color": COLOURS[method], "ms": 4, "lw": 0.8}
            panel.plot(x, y, ":s", label=f"{method}, paper's figure", **look)
    panel.set_ylim(bottom=min(0, *(row.value for row in found)))
    if item in CURVES:
        panel.set_xlim(left=0)
        panel.ticklabel_format(axis="x", style="sci", scilimits=(0, 4))


def _colour(label, found):
    """Returns the colour of a method, lighter for each further set of its runs."""
    from matplotlib.colors import to_rgba

    method = label.partition(" (")[0]
    labels = dict.fromkeys(row.method for row in found if row.method.startswith(method))
    number = list(labels).index(label)
    return to_rgba(COLOURS[method], LIGHTER[min(number, len(LIGHTER) - 1)])


def _bars(found):
    """Returns bars by task, ours beside the paper's."""
    from matplotlib.colors import to_rgba

    tasks = item_rows.in_order({row.task for row in found})
    figure, (panel,) = _grid(1)
    figure.set_size_inches(max(5.0, 0.9 * len(tasks) + 3), 3.6)
    kinds = dict.fromkeys((row.method, row.source) for row in found if row.source != FLOOR)
    room = 0.8 / len(kinds)
    for number, (method, source) in enumerate(sorted(kinds, key=lambda kind: kind[1] != OURS)):
        bars = {row.task: row for row in found if (row.method, row.source) == (method, source)}
        at = [tasks.index(task) + room * (number + 0.5) - 0.4 for task in bars]
        own = source == OURS
        panel.bar(
            at,
            [row.value for row in bars.values()],
            room,
            color=_colour(method, found) if own else to_rgba(COLOURS[method], 0.35),
            label=f"{method}, {'ours' if own else 'paper'}",
            yerr=[(row.high or row.value) - row.value for row in bars.values()] if own else None,
        )
    for row in found:
        if row.source == FLOOR:
            left = tasks.index(row.task) - 0.4
            label = "floor (nothing learned)"
            panel.plot([left, left + 0.8], [row.value] * 2, color="#222222", lw=1, label=label)
    names = [task.removeprefix("dmc_").replace("_", " ") for task in tasks]
    panel.set_xticks(np.arange(len(tasks)), names, rotation=45, ha="right")
    panel.set_ylabel("return")
    _legend(figure, [panel])
    return figure


def _legend(figure, panels):
    shown = {}
    for panel in panels:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            shown.setdefault(label, handle)
    width, height = figure.get_size_inches()
    columns = max(1, int(width / LABEL_WIDTH))
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
