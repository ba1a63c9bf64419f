"""The folder of one run: making it, continuing it, refusing it, and its meta data.

LOGDIR/<task>/<name>/<seed>/
    config.yaml               the resolved configuration
    meta.json                 one entry for each start of the run
    metrics.jsonl, events.*   measurements
    episodes/, checkpoints/   experience and what an exact resume needs
"""

import contextlib
import datetime
import fcntl
import importlib.metadata
import json
import os
import platform
import re
import shlex
import shutil
import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from dreamer_tf.basics import atomic, child, machine, processor, run_files
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.run_files import CHECKPOINTS, CONFIG, EPISODES, META, METRICS
from dreamer_tf.config.command_line import Arguments
from dreamer_tf.config.files import to_yaml
from dreamer_tf.config.schema import Config
from dreamer_tf.runs.going_on import changes

DAMAGED = "meta.json.damaged"
# The status of a command that may work later.
BUSY = os.EX_TEMPFAIL
PACKAGES = (
    "tensorflow",
    "keras",
    "tensorflow-probability",
    "dm_control",
    "mujoco",
    "numpy",
)


class RunDirectory:
    """A run's folder, held exclusively by this process until `close` or the process ends.

    Attributes:
        path: the folder.
        resuming: whether an earlier process has written its configuration here.
        changes: texts that say which harmless keys have other values than before, as
            `write_meta` will write them.
        config: `Config` of this start.
        episodes, checkpoints, metrics: paths of the two folders and of `metrics.jsonl`. The folders
            exist; the file is made by who writes it.
    """

    def __init__(
        self, path: Path, config: Config, resuming: bool, changes: list[str], descriptor: int
    ):
        self.path = path
        self.config = config
        self.resuming = resuming
        self.changes = changes
        self.episodes = path / EPISODES
        self.checkpoints = path / CHECKPOINTS
        self.metrics = path / METRICS
        self._descriptor = descriptor

    @classmethod
    def open(cls, arguments: Arguments) -> Self:
        """Makes or continues the run's folder for the command line's `Arguments`.

        Raises:
            UserError: the folder holds another configuration or something foreign, another process
                uses it, or it cannot be made. Nothing has been changed then.
        """
        config = arguments.config
        path = run_path(arguments.logdir, config.task, arguments.name, config.seed)
        check_apart(path)
        descriptor = _lock(_make(path))
        try:
            resuming, changes = _prepare(path, arguments)
            for name in (EPISODES, CHECKPOINTS):
                (path / name).mkdir(exist_ok=True)
                if not os.access(path / name, os.W_OK | os.X_OK):
                    raise PermissionError(0, f"its folder {name} is not writable")
        except BaseException as error:
            os.close(descriptor)
            if isinstance(error, OSError):
                raise UserError(f"cannot write in {path}: {error.strerror}", status=1) from None
            raise
        return cls(path, config, resuming, changes, descriptor)

    def close(self) -> None:
        """Lets another process use the folder."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def run_path(logdir: str | Path, task: str, name: str, seed: int) -> Path:
    """Returns LOGDIR/<task>/<name>/<seed>, with `-` for characters unfit for a folder's name."""
    return Path(logdir) / re.sub(r"[^\w.+-]", "-", task, flags=re.ASCII) / name / str(seed)


def write_meta(
    run: RunDirectory, extra: dict[str, Any], warn: Callable[[str], None] = warnings.warn
) -> None:
    """Appends one entry to the list `sessions` in the run's meta.json.

    From now on the run has the configuration of this start. A meta.json that cannot be read is kept
    under another name.

    Args:
        run: the `RunDirectory`.
        extra: what the caller knows of this start and JSON can hold: device, precision, GL back
            end, render mode.
        warn: function that takes one line of text.

    Raises:
        UserError: it cannot be written.
    """
    path = run.path / META
    sessions = _sessions(path)
    session = {
        "date": _now(),
        "command": shlex.join(child.own_command()),
        "git": git_state(),
        "versions": {"python": platform.python_version()} | {p: _version(p) for p in PACKAGES},
        "platform": platform.platform(),
        "processor": processor.name(),
        "cores": machine.cores(),
        "changes": run.changes,
        **extra,
    }
    try:
        if not sessions and path.exists():
            os.replace(path, path.with_name(DAMAGED))
            warn(f"{path} cannot be read: it is kept as {DAMAGED}")
        if run.changes:
            atomic.write(run.path / CONFIG, to_yaml(run.config).encode())
        text = json.dumps({"sessions": [*sessions, session]}, indent=2) + "\n"
        atomic.write(path, text.encode())
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror}", status=1) from None


def write_end(run: RunDirectory, reason: str, step: int) -> None:
    """Says in the newest entry of meta.json how the session ended, where that can be written.

    Args:
        run: the `RunDirectory`.
        reason: "complete", "stopped by SIGTERM", or what went wrong.
        step: environment steps by then.
    """
    sessions = _sessions(run.path / META)
    if not sessions or not isinstance(sessions[-1], dict):
        return
    sessions[-1]["end"] = {"date": _now(), "reason": reason, "step": step}
    text = json.dumps({"sessions": sessions}, indent=2) + "\n"
    with contextlib.suppress(OSError):  # It may be the disk that ended the run.
        atomic.write(run.path / META, text.encode())


def _sessions(path):
    """Returns the entries of a meta.json, none where it cannot be read."""
    try:
        return list(json.loads(path.read_text(encoding="utf-8"))["sessions"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def git_state() -> dict[str, str | bool] | None:
    """Returns {"commit": hash, "dirty": whether files differ from it}, None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    changes = _git(root, "status", "--porcelain")
    return None if commit is None or changes is None else {"commit": commit, "dirty": changes != ""}


def _git(root, *words):
    command = ["git", "-C", str(root), *words]
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=20)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return result.stdout.strip() if result.returncode == 0 else None


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_place(path: Path, fresh: bool = False) -> None:
    """Looks whether a run can begin in a folder, which may be missing; makes and deletes nothing.

    Args:
        path: the folder.
        fresh: whether an earlier run in it would be deleted.

    Raises:
        UserError: it cannot.
    """
    check_apart(path)
    nearest = next(each for each in (path, *path.absolute().parents) if each.exists())
    if not nearest.is_dir():
        raise _unfit(path, f"{nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise _unfit(path, f"{nearest} is not writable")
    if path.is_dir():
        _check_own(path)
        if fresh:
            _check_clear(path)


def check_apart(path: Path) -> None:
    """Raises a UserError if a run's folder is that of an exported curve, or inside another run."""
    if run_files.is_curve(path):
        raise UserError(
            f"{path} holds the exported curve of a run, which cannot go on: choose another --name "
            "or --logdir"
        )
    for each in path.resolve().parents:
        if all((each / name).is_file() for name in (CONFIG, META)):
            raise UserError(
                f"{path} would be inside another run, {each}: give --logdir the folder that all "
                "runs are in"
            )


def _unfit(path, reason):
    return UserError(f"cannot make the run directory {path}: {reason}; choose another --logdir")


def _make(path):
    """Makes the folder and those above it; leaves none of them behind where that fails."""
    made = []
    try:
        missing = [each for each in (path, *path.parents) if not each.exists()]
        for each in reversed(missing):
            each.mkdir(exist_ok=True)
            made.append(each)
        # A folder that exists already need not be one or may be someone else's.
        if not path.is_dir():
            raise NotADirectoryError(0, "it is not a folder")
        if not os.access(path, os.W_OK | os.X_OK):
            raise PermissionError(0, "it is not writable")
    except OSError as error:
        with contextlib.suppress(OSError):
            for each in reversed(made):
                each.rmdir()
        raise _unfit(path, error.strerror) from None
    return path


def _lock(path):
    """Returns a descriptor of the folder that holds its lock. Children do not inherit it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserError(
            f"another process is running in {path}: wait for it or choose another --name or --seed",
            status=BUSY,
        ) from None
    except OSError as error:
        # Some network file systems cannot lock folders.
        warnings.warn(
            f"cannot lock {path} ({error.strerror}): do not start the same run twice", stacklevel=3
        )
    return descriptor


def _prepare(path, arguments):
    """Makes the locked folder that of a new run, or finds what a run in it would change.

    Returns:
        (whether it holds a run, texts that say which harmless keys change).
    """
    stored = path / CONFIG
    holds = _check_own(path)
    if holds and arguments.fresh:
        _clear(path)
        holds = False
    if not holds:
        atomic.write(stored, to_yaml(arguments.config).encode())
        return False, []
    return True, changes(stored, arguments)


def _check_own(path):
    """Returns whether a folder holds a run; raises a UserError if it holds something else."""
    entries = {each.name for each in path.iterdir()} - {CONFIG + atomic.TEMPORARY}
    if entries and CONFIG not in entries:
        raise UserError(
            f"{path} is not empty and holds no {CONFIG}, so it is no run of ours: "
            "choose another --name or --logdir"
        )
    return bool(entries)


def _check_clear(path):
    """Raises a UserError if there is anything in a run's folder that a run does not make."""
    for each in path.iterdir():
        if not _is_own(each):
            raise UserError(f"--fresh deletes nothing: {each} was not made by a run; move it away")


def _clear(path):
    """Deletes what a run makes, the config last, unless there is anything else."""
    _check_clear(path)
    for each in sorted(path.iterdir(), key=lambda each: each.name == CONFIG):
        shutil.rmtree(each) if each.is_dir() else each.unlink()


def _is_own(path):
    if path.is_symlink():
        return False
    if path.name in (EPISODES, CHECKPOINTS):
        return path.is_dir() and all(_is_data(each) for each in path.iterdir())
    name = path.name.removesuffix(atomic.TEMPORARY)
    own = name == DAMAGED or run_files.is_own(name)
    return own and path.is_file()


def _is_data(path):
    # Unfinished files have .npy or .npz somewhere in their names as well.
    regular = path.is_file() and not path.is_symlink()
    return regular and (".npy" in path.name or ".npz" in path.name)
