"""Finding and reading runs: folders of this code, exported curves, logs of the author's code.

A run is a folder with `metrics.jsonl` or `curve.csv` in it, wherever it lies. What cannot be read
is left out and said in one line; nothing is guessed or filled in.
"""

import dataclasses
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.run_files import CONFIG, CURVE, METRICS
from dreamer_tf.results import logs
from dreamer_tf.results.logs import EVALUATION, TRAINING

TASK = re.compile(r"(dmc|gym|atari|toy)_\w")
DEEPEST = 4  # Folders below the one that was named.


@dataclasses.dataclass(frozen=True)
class Curve:
    """One measurement of a run, each array [N].

    Attributes:
        steps: environment steps, int64.
        minutes: of running, all sessions together; NaN where the log does not say.
        values: as logged, NaN and infinity included.
        errors: standard errors of evaluations, NaN where the log does not say.
    """

    steps: np.ndarray
    minutes: np.ndarray
    values: np.ndarray
    errors: np.ndarray


@dataclasses.dataclass(frozen=True)
class Run:
    """What a run's folder holds.

    Attributes:
        rows: the measurements in their order, {name: float}, each with `step`.
        reached: the last step.
        planned: steps that the configuration asks for, None if it does not say.
        settings: the configuration as nested dictionaries, {} if there is none.
        remarks: what is damaged or odd in the folder, a few words each.
    """

    folder: Path
    task: str
    name: str
    seed: str
    rows: tuple
    reached: int
    planned: int | None
    settings: dict
    remarks: tuple

    @property
    def finished(self) -> bool:
        """Whether it has made all its steps, as far as the configuration says how many."""
        return self.planned is None or self.reached >= self.planned

    @property
    def ended(self) -> bool:
        """Whether it is known to have made all its steps."""
        return self.planned is not None and self.finished

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks, and that it is not at its end."""
        unfinished = f"stopped or running, {self.planned} were asked for"
        return (*self.remarks, *([] if self.finished else [unfinished]))

    @property
    def observation(self) -> str:
        """What the configuration says of it, "" if nothing."""
        return str(self.setting("env.observation") or "")

    def setting(self, key: str) -> Any:
        """Returns the value of a key, "section.name" or "name", None where it is not said."""
        section, _, name = key.rpartition(".")
        values = self.settings.get(section) if section else self.settings
        return values.get(name) if isinstance(values, dict) else None

    def curve(self, name: str) -> Curve:
        """Returns the `Curve` of a measurement; it is empty where there is none."""
        rows = [row for row in self.rows if name in row]
        unknown = float("nan")
        return Curve(
            np.array([row["step"] for row in rows], np.int64),
            np.array([row.get("wall_time", unknown) / 60 for row in rows], float),
            np.array([row[name] for row in rows], float),
            np.array([row.get(f"{name}_error", unknown) for row in rows], float),
        )

    def minutes_at(self, step: int) -> float:
        """Returns the minutes after which the run was at `step`, NaN if it does not say."""
        times = [row["wall_time"] for row in self.rows if "wall_time" in row]
        steps = [row["step"] for row in self.rows if "wall_time" in row]
        after = [time for at, time in zip(steps, times, strict=True) if at <= step]
        return after[-1] / 60 if after else float("nan")

    def describe(self) -> str:
        """Returns one line for a person."""
        evaluations = len(self.curve(EVALUATION).steps)
        text = f"{self.task}, {self.name}, seed {self.seed}: {self.reached} steps"
        text += f", {evaluations or 'no'} evaluation{'s' if evaluations != 1 else ''}"
        return "; ".join([text, *self.notes])


def find(paths: Sequence[str | Path]) -> tuple[list[Run], list[str]]:
    """Reads all runs in and below some folders.

    Args:
        paths: folders: a run's, or any above it.

    Returns:
        The list of `Run`, ordered by task, name and seed, and a list of lines that say what was
        skipped and why.

    Raises:
        UserError: a path is no folder, or none of them holds a readable run.
    """
    runs, skipped = {}, []
    for path in map(Path, paths):
        if not path.is_dir():
            reason = "is not a folder" if path.exists() else "does not exist"
            raise UserError(f"{path} {reason}: name folders that hold runs")
        for folder in _search(path, skipped):
            try:
                run = read(folder)
            except UserError as error:
                skipped.append(f"{folder}: {error}")
                continue
            earlier = runs.setdefault((run.task, run.name, run.seed), run)
            if earlier.folder.resolve() != folder.resolve():
                skipped.append(f"{folder}: the same task, name and seed as {earlier.folder}")
    if not runs:
        why = f" ({skipped[0]})" if skipped else ""
        below = f"no runs in {', '.join(map(str, paths))} or in {DEEPEST} levels of folders below"
        raise UserError(f"{below}{why}")
    return [runs[key] for key in sorted(runs)], skipped


def read(folder: str | Path) -> Run:
    """Returns the `Run` in a folder.

    Raises:
        UserError: it cannot be read, holds no returns, or nothing tells its task.
    """
    folder = Path(folder)
    source = folder / CURVE
    try:
        source = folder / METRICS if (folder / METRICS).is_file() else source
        text = source.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise UserError(f"{source.name} cannot be read: {error.strerror}") from None
    rows, remarks = (logs.json_rows if source.name == METRICS else logs.csv_rows)(text)
    if not any(EVALUATION in row or TRAINING in row for row in rows):
        raise UserError(f"{source.name} holds no returns", status=1)
    rows, repeated = logs.without_superseded(rows)
    remarks += repeated
    for name in (EVALUATION, TRAINING):
        broken = sum(not math.isfinite(row.get(name, 0)) for row in rows)
        if broken:
            remarks.append(f"{broken} values of {name} are not finite")
    settings = _settings(folder, remarks)
    task, name, seed = _identity(folder, settings)
    reached = max(row["step"] for row in rows)
    planned = logs.whole(settings.get("steps")) or None
    return Run(folder, task, name, seed, tuple(rows), reached, planned, settings, tuple(remarks))


def is_run(folder: Path) -> bool:
    """Returns whether a folder holds a run, as far as it may be looked into."""
    try:
        return (folder / METRICS).is_file() or (folder / CURVE).is_file()
    except OSError:
        return False


def _search(folder, skipped, depth=0):
    """Returns the folders of runs; folders beside them that hold none are said to be skipped."""
    if is_run(folder):
        return [folder]
    if depth == DEEPEST:
        return []
    found, empty = [], []
    try:
        children = sorted(each for each in folder.iterdir() if each.is_dir())
    except OSError as error:
        skipped.append(f"{folder}: {error.strerror}")
        return []
    for child in children:
        below = _search(child, skipped, depth + 1)
        found += below
        if not below:
            empty.append(child)
    if found:
        below = (
            f" or in {DEEPEST - depth - 1} levels of folders below" if depth < DEEPEST - 1 else ""
        )
        skipped += [f"{each}: no {METRICS} and no {CURVE} in it{below}" for each in empty]
    return found


def _settings(folder, remarks):
    """Returns config.yaml as nested dictionaries, {} if there is none that can be read."""
    path = folder / CONFIG
    import omegaconf
    import yaml

    try:
        if not path.is_file():
            return {}
        settings = omegaconf.OmegaConf.to_container(omegaconf.OmegaConf.load(path))
    except (
        OSError,
        ValueError,
        RecursionError,
        yaml.YAMLError,
        omegaconf.errors.OmegaConfBaseException,
    ):
        settings = None
    if isinstance(settings, dict):
        return settings
    remarks.append(f"{CONFIG} cannot be read")
    return {}


def _identity(folder, settings):
    """Returns task, name and seed as the configuration has them, else as the folders do."""
    parts = folder.resolve().parts
    task, seed = settings.get("task"), settings.get("seed")
    if isinstance(task, str) and task:
        if seed is None or parts[-1] == str(seed):
            return task, parts[-2], parts[-1]
        return task, parts[-1], str(seed)
    for index in range(len(parts) - 1, 0, -1):
        if TASK.match(parts[index]) and index + 1 < len(parts):
            below = parts[index + 1 :]
            return parts[index], below[0], below[1] if len(below) > 1 else "-"
    raise UserError(f"neither a {CONFIG} nor the names of folders tell its task")
