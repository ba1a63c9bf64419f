"""Runs as processes: starting, interrupting and comparing them."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import programs_for_tests
import pytest
from programs_for_tests import ENVIRONMENT, ROOT, Program, run_program

from dreamer_tf.runs import checkpoint

# A preset of the tests' own; its runs are called debug.
DEBUG = str(ROOT / "tests" / "data" / "debug.yaml")
SMALL = [
    *("--configs", DEBUG),
    *("--steps", "700", "--train.prefill", "200", "--evaluate.every", "250"),
    *("--env.time_limit", "50", "--model.cnn_depth", "2", "--checkpoint.minutes", "0.02"),
    # Short sequences, since most of a start's time goes into tracing them.
    *("--train.batch_length", "4", "--behavior.horizon", "2"),
    # Predictions are traced for them, which costs more than all updates.
    *("--evaluate.videos", "0"),
]
# An agent whose updates are traced in a moment, for what happens around its learning.
BRIEF = [
    *("--configs", "debug", "--agent", "d4pg", "--env.observation", "vector"),
    *("--steps", "700", "--train.prefill", "200", "--train.pretrain", "10"),
    *("--train.every", "100", "--train.updates", "10", "--checkpoint.minutes", "0.02"),
    *("--env.action_repeat", "1", "--env.time_limit", "50"),
    *("--evaluate.every", "250", "--evaluate.episodes", "2"),
    *("--d4pg.actor_units", "16,16", "--d4pg.critic_units", "16,16"),
]
VIDEOS = ("--evaluate.videos", "1")
TIMINGS = ("fps", "wall_time")
# Discrete actions, a discount head, episodes shorter than the sequences, three at a time.
WALK = ["--task", "environments_for_tests:Walk", "--envs", "3", "--env.action_repeat", "2"]
WALK += ["--train.batch_length", "6"]


def command(logdir, *words, small=SMALL):
    return [sys.executable, "-m", "dreamer_tf.train", "--logdir", str(logdir), *small, *words]


def start_anew(logdir, *words, **variables):
    """Starts a training as a shell does, imports included."""
    return subprocess.Popen(
        command(logdir, *words),
        cwd=ROOT,
        env=ENVIRONMENT | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def start(logdir, *words, small=SMALL, **variables):
    return Program(
        *command(logdir, *words, small=small)[2:],
        environment=ENVIRONMENT | variables,
        together=True,
    )


def train(logdir, *words, small=SMALL, **variables):
    given = command(logdir, *words, small=small)[2:]
    result = run_program(*given, environment=ENVIRONMENT | variables)
    assert "Traceback" not in result.stderr, result.stderr
    return result


def processes(mark):
    """Returns the ids of living processes whose environment holds NAME=value, oldest first."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            state = (path / "stat").read_text().rpartition(")")[2].split()
            number, marked = int(path.name), mark.encode() in (path / "environ").read_bytes()
            if state[0] != "Z" and (marked or programs_for_tests.has(number, mark)):
                found.append((int(state[19]), number))  # When it started, its id.
        except OSError:  # It ended just now, or belongs to someone else.
            continue
    return [number for _, number in sorted(found)]


def wait_for(condition, seconds=120):
    """Waits until a condition holds and fails where that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def run_path(logdir, seed=0, task="toy_reach"):
    return logdir / task / "debug" / str(seed)


def metrics(run):
    """Returns the lines of metrics.jsonl without what depends on the clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [
        {k: v for k, v in line.items() if k not in TIMINGS and not k.startswith("time_")}
        for line in lines
    ]


def final_arrays(run):
    saved = checkpoint.load_newest(run / "checkpoints", pytest.fail)
    return saved.state, saved.arrays


def fingerprint(folder):
    return {
        str(path.relative_to(folder)): (hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def interrupt(process, run, ready, number):
    """Sends a signal as soon as `ready(lines of metrics)` holds; returns the exit status.

    Workers get it as well, as from a terminal or a cluster manager.
    """
    path = run / "metrics.jsonl"
    wait_for(lambda: path.exists() and ready(path.read_bytes().count(b"\n")))
    assert process.poll() is None, "it ended before it could be interrupted"
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=120)
    assert "Traceback" not in output and "is complete" not in output, output
    return process.returncode


def assert_same_run(run, expected):
    assert metrics(run) == metrics(expected)
    state, arrays = final_arrays(run)
    expected_state, expected_arrays = final_arrays(expected)
    state["counters"].pop("wall_time"), expected_state["counters"].pop("wall_time")
    for each in (state, expected_state):
        each.pop("metrics_offset")
    assert state == expected_state
    assert arrays.keys() == expected_arrays.keys()
    for name, array in expected_arrays.items():
        np.testing.assert_array_equal(arrays[name], array, err_msg=name)
    episodes = fingerprint(expected / "episodes")
    assert fingerprint(run / "episodes") == episodes
