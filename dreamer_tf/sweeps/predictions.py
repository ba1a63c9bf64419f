"""Figure 5: what trained models predict of episodes that they were not trained on."""

import subprocess
from collections.abc import Iterable
from pathlib import Path

from dreamer_tf.basics import child
from dreamer_tf.basics.errors import UserError
from dreamer_tf.results import item_figures
from dreamer_tf.sweeps.plans import Plan

SEED = 1000  # Of the environment: neither training nor a run's evaluations have this episode.


def write(
    plans: Iterable[Plan], logdir: str | Path, out: str | Path
) -> tuple[list[Path], list[str]]:
    """Writes OUT/fig5-<task>.png, .pdf, .gif and .csv of every run that has a checkpoint.

    Of vectors that are observed there are fig5-<task>_vectors.png and .pdf.

    Args:
        plans: `Plan`s.
        logdir: folder of all runs.
        out: made if it is missing.

    Returns:
        (paths, lines about what was left out).

    Raises:
        UserError: there is nothing to draw.
    """
    paths, remarks = [], []
    out = Path(out)
    for plan in plans:
        folder = plan.folder(logdir)
        if not any((folder / "checkpoints").glob("*.npz")):
            remarks.append(f"{folder}: it has no checkpoint yet")
            continue
        out.mkdir(parents=True, exist_ok=True)
        movie = out / f"fig5-{plan.task}.gif"
        pictures = movie.with_suffix(".png"), movie.with_name(f"{movie.stem}_vectors.png")
        for path in (movie, *pictures):
            path.unlink(missing_ok=True)  # What is there afterwards was made now.
        error = _predict(folder, movie)
        if error:
            remarks.append(f"{folder}: {error}")
            continue
        for picture in filter(Path.exists, pictures):
            item_figures.picture_to_pdf(picture)
            paths += [picture, picture.with_suffix(".pdf")]
        paths += [path for path in (movie, movie.with_suffix(".csv")) if path.exists()]
    if not paths:
        raise UserError(f"nothing to draw for fig5: {'; '.join(remarks[:3])}", status=1)
    return paths, remarks


def _predict(folder, movie):
    """Films the prediction of one held-out episode; returns what went wrong or None."""
    root = str(Path(__file__).resolve().parents[2])
    command = [*child.python("dreamer_tf.evaluate", [root]), str(folder), "--episodes", "1"]
    result = subprocess.run(
        [*command, "--seed", str(SEED), "--predict", str(movie)],
        capture_output=True,
        text=True,
    )
    if result.returncode == 0:
        return None
    lines = result.stderr.strip().splitlines()
    return lines[-1].removeprefix("error: ") if lines else f"status {result.returncode}"
