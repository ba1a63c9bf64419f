"""A program: all that happens to a method, one after the other in one process.

It is trained as a whole and in two parts, evaluated, loaded and dreamt.

usage: methods_for_tests.py JSON_OF_WORDS FOLDER TASK NAME
"""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from dreamer_tf import evaluate, load
from dreamer_tf.train import main as train


def main(words, folder, task, name):
    """Does it all; prints how many measurements there were at the stop, and what the dream has."""
    folder = Path(folder)
    run = folder / "part" / task / name / "0"
    assert train(["--logdir", str(folder / "whole"), *words]) == 0
    threading.Thread(target=stop_after, args=[6, run / "metrics.jsonl"], daemon=True).start()
    assert train(["--logdir", str(folder / "part"), *words]) == 0
    print("INTERRUPTED", (run / "metrics.jsonl").read_bytes().count(b"\n"))
    assert train(["--logdir", str(folder / "part"), *words]) == 0
    assert evaluate.main([str(run), "--episodes", "1", "--json", str(folder / "found.json")]) == 0
    player = load(run)
    with player.environment() as environment:
        record = environment.reset(seed=1)
        state = player.start()
        for _ in range(3):
            action, state = player.act(record, state)
            record = environment.step(action)
    dream = player.imagine(state, steps=4)
    print("DREAM", sorted(dream), dream["reward"].shape)


def stop_after(lines, path):
    """Stops this process as soon as a file has so many lines."""
    while not path.exists() or path.read_bytes().count(b"\n") < lines:
        time.sleep(0.002)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]), *sys.argv[2:])
