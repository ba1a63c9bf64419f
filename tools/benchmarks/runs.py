"""Start-up, and the speed of a whole run: real commands in processes of their own."""

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def startup():
    """Times what a start consists of, each in a fresh process."""
    programs = {
        "help": [sys.executable, "-m", "dreamer_tf.train", "--help"],
        "import of the program": [sys.executable, "-c", "import dreamer_tf.trainer"],
        "import of TensorFlow": [sys.executable, "-c", "import tensorflow"],
    }
    rows = []
    for name, words in programs.items():
        begin = time.perf_counter()
        subprocess.run(words, cwd=CHECKOUT, capture_output=True, check=True)
        rows.append({"what": name, "seconds": time.perf_counter() - begin})
    return rows


def whole(task, preset, steps):
    """Makes a short run and returns where its time went, prefill and start not counted."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "dreamer_tf.train", "--logdir", folder, "--task", task]
        words += ["--configs", preset, "--steps", str(steps), "--evaluate.every", str(10 * steps)]
        words += ["--evaluate.episodes", "1", "--evaluate.videos", "0"]
        begin = time.perf_counter()
        found = subprocess.run(words, cwd=CHECKOUT, capture_output=True, text=True)
        if found.returncode:
            raise RuntimeError(found.stderr)
        seconds = time.perf_counter() - begin
        (path,) = Path(folder).rglob("metrics.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    # The first block has the pretraining and the compilation in it.
    blocks = [line for line in lines if "fps" in line][1:]
    phases = {name: [line[f"time_{name}"] for line in blocks] for name in _PHASES}
    spent = sum(map(sum, phases.values()))
    rates = sorted(line["fps"] for line in blocks)
    row = {"task": task, "preset": preset, "steps": steps, "seconds": seconds}
    row["steps/s"] = rates[len(rates) // 2]
    return [row | {name: sum(values) / spent for name, values in phases.items()}]


_PHASES = ("act", "environment", "sample", "train")
