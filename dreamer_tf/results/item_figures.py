"""Writes the paper's figures: PNG, PDF, and a CSV of exactly what they show."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.results import item_drawings, item_rows, item_runs, item_table, scores
from dreamer_tf.results.figures import DOTS_PER_INCH, STYLE, without_warnings
from dreamer_tf.results.item_rows import OURS

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write(
    item: str,
    folders: Sequence[str | Path],
    out: str | Path,
    width: int | None = None,
    band: str = item_rows.DEVIATION,
) -> tuple[list[Path], list[str]]:
    """Writes OUT/<item>.png, .pdf and .csv.

    Args:
        item: see `item_runs.chosen`.
        folders: folders of runs.
        out: made if it is missing.
        width: environment steps in a bin; by default what fits the item's runs.
        band: see `item_rows.rows`.

    Returns:
        (paths, lines about what was left out).

    Raises:
        UserError: there is nothing to draw.
    """
    runs, skipped = scores.find(folders)
    shown = item_runs.chosen(item, runs)[0]
    fitting = item_runs.fitting_width if item in item_rows.CURVES else item_runs.final_width
    width = width or fitting(shown)
    skipped += [
        f"{run.task}, {run.name}, seed {run.seed}: {remark}"
        for run in shown
        for remark in run.remarks
    ]
    found, remarks = item_rows.rows(item, runs, width, band)
    if not any(row.source == OURS for row in found):
        why = "; ".join((skipped + remarks)[:3]) or "no run has reached the end of a bin"
        raise UserError(f"nothing to draw for {item}: {why}", status=1)
    if item == "table":
        found += item_rows.averages(found)
    else:
        found, left = item_rows.fitting(item, found)
        remarks += left
    paths = save(item_drawings.draw(item, found, width), Path(out) / item)
    paths.append(Path(out) / f"{item}.csv")
    atomic.write(paths[-1], item_rows.to_csv(found).encode())
    if item == "table":
        paths.append(Path(out) / "table.txt")
        text = "\n".join(item_table.lines(item_table.cells(found)))
        atomic.write(paths[-1], f"{text}\n".encode())
    return paths, skipped + remarks


def save(figure: "Figure", base: Path) -> list[Path]:
    """Writes BASE.png and BASE.pdf of a figure, its folder made if it is missing."""
    base.parent.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind in ("png", "pdf"):
        paths.append(base.with_name(f"{base.name}.{kind}"))
        atomic.write(paths[-1], encoded(figure, kind))
    return paths


def encoded(figure: "Figure", kind: str = "png") -> bytes:
    """Returns a figure as the bytes of a PNG or PDF."""
    import matplotlib

    data = io.BytesIO()
    metadata = {"CreationDate": None} if kind == "pdf" else None
    # Ticks are made as late as here, and look as they are told to now.
    with matplotlib.rc_context(STYLE), without_warnings():
        figure.savefig(data, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    return data.getvalue()


def picture_to_pdf(path: Path) -> None:
    """Writes the picture of a PNG file as a PDF beside it, every pixel as it is."""
    from matplotlib.figure import Figure
    from matplotlib.image import imread

    pixels = imread(path)
    height, width = pixels.shape[:2]
    figure = Figure(figsize=(width / DOTS_PER_INCH, height / DOTS_PER_INCH))
    panel = figure.add_axes((0, 0, 1, 1))
    panel.imshow(pixels, interpolation="none")
    panel.axis("off")
    atomic.write(path.with_suffix(".pdf"), encoded(figure, "pdf"))
