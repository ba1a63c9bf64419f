"""The evidence of a run in a few kilobytes: its curve, its configuration, how it was started."""

import csv
import io
import json
import math
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.run_files import META
from dreamer_tf.results import scores

RETURNS = (scores.TRAINING, scores.EVALUATION, f"{scores.EVALUATION}_error")
HEALTH = ("action_ent", "actor_grad_norm", "div")
COLUMNS = ("step", "update", "wall_time", *RETURNS, *HEALTH)
# A path that says where something lies on this machine: absolute, or from a home folder.
LOCAL = re.compile(r"(?<![\w./~-])~?(?:/[^\s/'\"=,:]+)+/?")


def export(run: scores.Run, folder: str | Path, written: set[Path]) -> Path:
    """Writes curve.csv, config.yaml and meta.json of a run into FOLDER/<task>/<name>/<seed>/.

    Args:
        run: `scores.Run`.
        folder: where all exported runs go.
        written: set of the folders that were written so far, to which the run's is added.

    Returns:
        The run's new folder.

    Raises:
        UserError: there is a run already, or meta.json cannot be read.
        OSError: something cannot be read or written.
    """
    target = Path(folder, *map(as_name, (run.task, run.name, run.seed)))
    if target in written:
        raise UserError(f"another run was written to {target}: export it to another --out")
    if target.resolve() == run.folder.resolve() or (target / scores.METRICS).exists():
        raise UserError(f"{target} is a run itself: choose another --out")
    texts = {scores.CURVE: to_csv(curve_rows(run.rows))}
    for name, change in ((scores.CONFIG, _unchanged), (META, without_paths)):
        if (run.folder / name).is_file():
            texts[name] = change((run.folder / name).read_text(encoding="utf-8", errors="replace"))
    if not _goes_on(target / scores.CURVE, texts[scores.CURVE]):
        raise UserError(
            f"{target} has another curve, or more of this one: move it away, or choose "
            "another --out"
        )
    target.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        atomic.write(target / name, text.encode())
    written.add(target)
    return target


def _goes_on(path, text):
    """Returns whether a curve begins with what a file holds of it, if there is one."""
    if not path.exists():
        return True
    # Its last line is what came after the last return until then.
    before = path.read_text(encoding="utf-8", errors="replace").splitlines()[:-1]
    return text.splitlines()[: len(before)] == before


def as_name(text: str) -> str:
    """Returns a text as the name of a file or folder: no separators, and not only dots."""
    name = re.sub(r"[^\w.+-]", "-", text)
    return name if name.strip(".") else "-" * max(1, len(name))


def curve_rows(rows: Sequence[dict[str, float]]) -> list[dict[str, float]]:
    """Returns one row for each line with a return, and one for what came after the last of them.

    A row's health metrics are means over the lines since the row before it.

    Args:
        rows: list of {name: float}, see `scores.Run`.

    Returns:
        The list of {column: float} with the columns that are known.
    """
    result, sums = [], {}
    for number, row in enumerate(rows):
        for name in HEALTH:
            if name in row:
                sums.setdefault(name, []).append(row[name])
        if any(name in row for name in RETURNS) or number == len(rows) - 1:
            kept = {name: row[name] for name in COLUMNS if name in row and name not in HEALTH}
            result.append(kept | {name: sum(each) / len(each) for name, each in sums.items()})
            sums = {}
    return result


def to_csv(rows: Iterable[dict[str, float]]) -> str:
    """Returns rows as the text of a CSV file; what a row lacks is empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_format(row.get(name)) for name in COLUMNS] for row in rows)
    return text.getvalue()


def without_paths(text: str) -> str:
    """Returns meta.json without where things lay on this machine.

    Of a recorded command, `--logdir` and its value go. Of any absolute path, here and elsewhere,
    the last name stays.

    Raises:
        UserError: it is not JSON; it could not be told what would be published.
    """
    try:
        meta = json.loads(text)
    except (ValueError, RecursionError):
        raise UserError(f"{META} cannot be read: it is not JSON", status=1) from None
    return json.dumps(_clean(meta), indent=2) + "\n"


def _clean(value, key=None):
    if isinstance(value, dict):
        return {name: _clean(each, name) for name, each in value.items()}
    if isinstance(value, list):
        return [_clean(each) for each in value]
    if not isinstance(value, str):
        return value
    if key != "command":
        return _last_names(value)
    try:
        words = iter(shlex.split(value))
    except ValueError:
        return LOCAL.sub(_last_name, value)
    kept = []
    for word in words:
        if word == "--logdir":
            next(words, None)
        elif not word.startswith("--logdir="):
            kept.append(_last_names(word))
    return shlex.join(kept)


def _last_names(text):
    # A word that is a path altogether may have blanks in it.
    if text.startswith(("/", "~/")):
        return Path(text).name
    return LOCAL.sub(_last_name, text)


def _last_name(found):
    return Path(found[0]).name


def _unchanged(text):
    return text


def _format(value):
    """Returns a number in at most seven significant digits, whole ones in full."""
    if value is None:
        return ""
    if math.isfinite(value) and value == int(value):
        return str(int(value))
    return f"{value:.7g}"
