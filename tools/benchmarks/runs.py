"""Start-up, threads and the speed of a whole run: real commands in processes of their own."""

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks import processes, timing

_PHASES = ("act", "environment", "sample", "train")


def startup(rounds: int) -> list[dict[str, str | float]]:
    """Times what a start consists of, each time in a fresh process."""
    programs = {
        "help": ["-m", "dreamer_tf.train", "--help"],
        "import of the program": ["-c", "import dreamer_tf.training.trainer"],
        "import of TensorFlow": ["-c", "import tensorflow"],
    }
    starts = {
        name: lambda words=words: processes.output([sys.executable, *words])
        for name, words in programs.items()
    }
    seconds = timing.alternate(starts, rounds)
    return [{"what": name, **timing.best_and_median(found)} for name, found in seconds.items()]


def threads(
    counts: Iterable[tuple[int, int]], sizes: list[str], rounds: int
) -> list[dict[str, str | float]]:
    """Times updates in float32 with several numbers of TensorFlow's threads, one after the other.

    Args:
        counts: pairs of threads inside an operation and of operations at a time.
        sizes: of the agent.
        rounds: number of updates.
    """
    program = f"""
import json
from dreamer_tf.networks import precision
precision.prepare_devices()
from benchmarks import updates
print(json.dumps(updates.seconds({sizes!r}, {rounds})))
"""
    rows = []
    for inside, beside in dict.fromkeys(counts):
        variables = {"TF_NUM_INTRAOP_THREADS": str(inside), "TF_NUM_INTEROP_THREADS": str(beside)}
        found = processes.output([sys.executable, "-c", program], **variables)
        for size, seconds in json.loads(found.splitlines()[-1]).items():
            row = {"size": size, "in an operation": inside, "operations": beside}
            rows.append(row | timing.best_and_median(seconds))
    first = {}
    for row in rows:
        row["ratio"] = first.setdefault(row["size"], row["best"]) / row["best"]
    return rows


def overlapped(
    task: str, preset: str, steps: int, counts: Iterable[int]
) -> list[dict[str, str | float]]:
    """Returns rows of `whole` runs for numbers of environments, each without and with overlap."""
    rows, plain = [], None
    for envs in counts:
        for overlap in ("false", "true"):
            words = ["--envs", str(envs), "--train.overlap", overlap]
            (row,) = whole(task, preset, steps, words)
            if overlap == "false":
                plain = row["steps/s"]
            rows.append({"envs": envs, "overlap": overlap, **row, "ratio": row["steps/s"] / plain})
    return rows


def whole(
    task: str, preset: str, steps: int, more: Iterable[str] = ()
) -> list[dict[str, str | float]]:
    """Makes a short run and returns where its time went.

    `seconds` is all of it; the other columns leave out start, prefill and compilation. Where
    collecting overlaps with updates, `environment` is what had to be waited for after them.
    """
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "dreamer_tf.train", "--logdir", folder, "--task", task]
        words += ["--configs", preset, "--steps", str(steps), "--evaluate.every", str(10 * steps)]
        words += ["--evaluate.episodes", "1", "--evaluate.videos", "0"]
        words += ["--train.prefill", "1000", "--train.pretrain", "1", *more]
        begin = time.perf_counter()
        processes.output(words)
        seconds = time.perf_counter() - begin
        (path,) = Path(folder).rglob("metrics.jsonl")
        lines = [json.loads(line) for line in path.read_text().splitlines()]
    # The first block has the pretraining and the compilation in it.
    blocks = [line for line in lines if "fps" in line][1:]
    phases = {name: [line[f"time_{name}"] for line in blocks] for name in _PHASES}
    spent = sum(map(sum, phases.values()))
    row = {"task": task, "preset": preset, "steps": steps, "seconds": seconds}
    row["steps/s"] = statistics.median(line["fps"] for line in blocks)
    return [row | {name: sum(values) / spent for name, values in phases.items()}]
