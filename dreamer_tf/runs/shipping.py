"""An agent to give away: what acting and dreaming need of a run, in a folder of a few megabytes."""

import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.paths import expanded
from dreamer_tf.config.files import to_yaml
from dreamer_tf.runs import checkpoint, run_directory, saved_agent

# What of the sessions in meta.json is of use to others; commands and folders are not.
SESSION = ("date", "git", "versions", "device", "precision", "render")


def ship(run: str | Path, out: str | Path, half: bool, warn: Callable[[str], None]) -> int:
    """Writes the weights of a run's newest checkpoint, its configuration and where it comes from.

    Args:
        run: the run's folder.
        out: folder to make; it must not exist.
        half: whether kernels are stored in float16, which halves the size. Biases and everything
            else that is small stay in float32.
        warn: function that takes one line of text.

    Returns:
        The size in bytes.

    Raises:
        UserError: it is no run, has no checkpoint, or there is something at `out` already.
    """
    run, out = expanded(run, "a run"), expanded(out, "--out")
    config = saved_agent.load_config(run)
    saved = saved_agent.load_checkpoint(run, warn)
    if out.exists():
        raise UserError(f"{out} exists already: give another folder, or delete it")
    out.parent.mkdir(parents=True, exist_ok=True)
    # Whole or not at all, whatever comes between.
    with tempfile.TemporaryDirectory(prefix=f"{out.name}.tmp", dir=out.parent) as made:
        _write(Path(made) / out.name, run, config, saved, half, warn)
        os.rename(Path(made) / out.name, out)
    return sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


def _write(out, run, config, saved, half, warn):
    weights = saved_agent.weight_arrays(saved)
    arrays = {saved_agent.PREFIX + path: _stored(each, half) for path, each in weights.items()}
    state = {name: saved.state[name] for name in ("format", "spec", "counters", "precision")}
    counters = state["counters"]
    if not half and any(each.dtype == np.float16 for each in weights.values()):
        warn(f"{run} has its kernels in half precision already: they stay what they are")
    folder = out / run_directory.CHECKPOINTS
    folder.mkdir(parents=True)
    checkpoint.save(folder, arrays, state, update=counters["update"], step=counters["step"], keep=2)
    atomic.write(out / run_directory.CONFIG, to_yaml(config).encode())
    atomic.write(out / run_directory.META, _meta(run / run_directory.META).encode())


def _stored(array, half):
    if not half or array.ndim < 2 or array.dtype != np.float32:
        return array
    with np.errstate(over="ignore"):  # What does not fit is found below.
        small = array.astype(np.float16)
    if not np.isfinite(small).all():
        raise UserError("a weight does not fit into half precision: ship it with --full", status=1)
    return small


def _meta(path):
    """Returns the shareable part of a run's meta.json."""
    try:
        sessions = json.loads(path.read_text(encoding="utf-8"))["sessions"]
        kept = [{name: each[name] for name in SESSION if name in each} for each in sessions]
    except (OSError, ValueError, KeyError, TypeError):
        kept = []
    return json.dumps({"sessions": kept}, indent=2) + "\n"
