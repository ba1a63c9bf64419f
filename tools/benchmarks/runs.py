"""Start-up, and the speed of a whole run: real commands in processes of their own."""

import json
import os
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


def threads(counts, sizes, rounds):
    """Times updates in float32 with several numbers of TensorFlow's threads.

    Args:
        counts: pairs of threads inside an operation and of operations at a time.
        sizes: of the agent.
        rounds: number of updates.
    """
    rows = []
    for inside, beside in counts:
        variables = {
            **os.environ,
            "TF_NUM_INTRAOP_THREADS": str(inside),
            "TF_NUM_INTEROP_THREADS": str(beside),
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "update.json"
            words = [sys.executable, str(CHECKOUT / "tools" / "benchmark.py"), "update"]
            words += ["--precisions", "float32", "--rounds", str(rounds), "--json", str(path)]
            words += ["--sizes", *sizes]
            subprocess.run(words, env=variables, capture_output=True, check=True)
            found = json.loads(path.read_text())["update"]
        for row in found:
            if row["code"] == "dreamer_tf":
                times = {"best": row["best"], "median": row["median"]}
                rows.append(
                    {"size": row["size"], "in an operation": inside, "operations": beside} | times
                )
    first = {}
    for row in rows:
        row["ratio"] = first.setdefault(row["size"], row["best"]) / row["best"]
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
