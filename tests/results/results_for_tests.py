"""Runs as the trainer would have written them, with returns that a test chooses."""

import importlib.util
import json
from pathlib import Path

from dreamer_tf.results import item_rows, scores

ROOT = Path(__file__).resolve().parents[2]
EVERY = 10_000  # Steps between evaluations.


def write_run(logdir, task, returns, seed=0, name="ours", end=None, **config):
    """Writes a run whose evaluation after 5000 + k * 10 000 steps returned `returns[k]`.

    Args:
        end: last step of the log; default that of the last evaluation.
        config: more keys of config.yaml.

    Returns:
        The run's folder.
    """
    folder = Path(logdir, task, name, str(seed))
    folder.mkdir(parents=True)
    config = {"agent": "dreamer"} | config
    lines = [f"task: {task}", f"seed: {seed}", *(f"{key}: {config[key]}" for key in config)]
    (folder / "config.yaml").write_text("\n".join(lines) + "\n")
    rows = []
    for number, value in enumerate(returns):
        step = 5000 + number * EVERY
        counters = {"step": step, "agent_step": step // 2, "update": step // 10}
        rows.append({**counters, "wall_time": step / 25, "div": 1.0 + number, "action_ent": -2.0})
        rows.append({**counters, "wall_time": step / 25 + 1, "train/return": value / 2})
        returned = {"test/return": value, "test/return_error": 3.0, "test/length": 500.0}
        rows.append({**counters, "wall_time": step / 25 + 2, **returned})
    if end is not None:
        rows.append({"step": end, "update": end // 10, "wall_time": end / 25, "div": 2.5})
    write_lines(folder, rows)
    return folder


def write_lines(folder, rows):
    """Writes metrics.jsonl, one line for each row."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "metrics.jsonl").write_text(text)


def rows_of(item, logdir, width=10_000):
    """Returns the rows of an item from the runs in a folder, and the remarks."""
    runs, _ = scores.find([logdir])
    return item_rows.rows(item, runs, width)


def ours(found):
    """Returns those of some rows that are our runs'."""
    return [row for row in found if row.source == item_rows.OURS]


def program(name):
    """Returns a program of tools/ as a module."""
    specification = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module
