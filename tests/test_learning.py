"""Dreamer learns: on `toy_reach` it clearly beats random actions within minutes."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
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


def test_dreamer_beats_random_actions_on_toy_reach(tmp_path, capsys):
    words = [word for key, value in SETTINGS.items() for word in (f"--{key}", str(value))]
    program = [sys.executable, "-m", "dreamer_tf.train", "--logdir", str(tmp_path)]
    result = subprocess.run(
        [*program, "--configs", "debug", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert result.returncode == 0, result.stderr
    path = tmp_path / "toy_reach" / "debug" / "0" / "metrics.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    prefill = [line for line in lines if "train/return" in line and line["step"] <= 10000]
    random = np.mean([line["train/return"] for line in prefill])
    learned = [line["test/return"] for line in lines if "test/return" in line][-1]
    with capsys.disabled():
        print(f" [random {random:.1f}, learned {learned:.1f} of 40]", end="")
    # A random policy's mean over 12 episodes varies by about 2.
    assert learned > 1.6 * random
