"""Dreamer learns: on `toy_reach` it clearly beats random actions within minutes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = {
    "steps": 12000,
    "env.action_repeat": 2,
    "env.time_limit": 40,
    "train.prefill": 10000,
    "train.pretrain": 900,
    "train.every": 200,
    "train.updates": 70,
    "train.batch_size": 16,
    "train.batch_length": 8,
    "evaluate.every": 2000,
    "evaluate.episodes": 12,
    "model.cnn_depth": 8,
    "model.deter": 64,
    "model.stoch": 10,
    "model.hidden": 64,
    "model.units": 64,
    "model.free_nats": 0.3,
    "model.learning_rate": 1e-3,
    "behavior.units": 64,
    "behavior.discount": 0.9,
    "behavior.init_std": 1.0,
    "behavior.actor_learning_rate": 3e-4,
    "behavior.value_learning_rate": 5e-4,
}


def run(folder, **changes):
    """Makes a run; returns its lines of metrics.jsonl."""
    settings = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    words = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    program = [sys.executable, "-m", "dreamer_tf.train", "--logdir", str(folder)]
    result = subprocess.run(
        [*program, "--configs", "debug", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    path = folder / "toy_reach" / "debug" / "0" / "metrics.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.timeout(600)  # It learns for minutes, and others may have the cores, too.
def test_dreamer_beats_its_initial_return_and_random_actions(tmp_path, capsys):
    # The same agent and the same test episodes, before any update.
    untrained = run(tmp_path / "untrained", steps=42, train__prefill=40, train__pretrain=0)
    initial = [line["test/return"] for line in untrained if "test/return" in line][0]
    lines = run(tmp_path / "trained")
    prefill = [line for line in lines if "train/return" in line and line["step"] <= 10000]
    random = np.mean([line["train/return"] for line in prefill])
    learned = [line["test/return"] for line in lines if "test/return" in line][-1]
    with capsys.disabled():
        print(f" [initial {initial:.1f}, random {random:.1f}, learned {learned:.1f} of 40]", end="")
    # A mean over 12 episodes varies by about 2.
    assert learned > 1.6 * max(initial, random)
