"""Sweeps of real processes: to the end, killed, interrupted, hopeless."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from runs_for_tests import ENVIRONMENT, ROOT, metrics, processes, wait_for

from dreamer_tf.sweeps.plans import Plan
from dreamer_tf.sweeps.process import bring_to_end
from dreamer_tf.sweeps.resources import Resources
from dreamer_tf.sweeps.slurm import SlurmLauncher

SMALL = (
    # An agent whose updates are traced in a moment.
    *("agent=d4pg", "d4pg.actor_units=16,16", "d4pg.critic_units=16,16"),
    *("env.observation=vector", "evaluate.videos=0", "checkpoint.minutes=0.02"),
)
SETTINGS = tuple(tuple(each.split("=")) for each in SMALL)


def plan(seed=0, **changes):
    keys = tuple((key.replace("__", "."), str(value)) for key, value in changes.items())
    return Plan("toy_reach", ("smoke",), "small", seed, (*SETTINGS, *keys))


def sweep(logdir, *words):
    command = [sys.executable, "tools/sweep.py", "--logdir", str(logdir), "--tasks", "toy_reach"]
    command += ["--with", "smoke", "--name", "small", "--set", *SMALL, "--cpus", "1", *words]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**ENVIRONMENT, "SWEEP_TEST": str(logdir)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def runs_of(logdir):
    """Returns the ids of the trainings that a sweep has started, without their workers."""
    found = []
    for number in processes(f"SWEEP_TEST={logdir}"):
        try:
            words = open(f"/proc/{number}/cmdline", "rb").read().split(b"\0")
        except OSError:
            continue
        if b"dreamer_tf.train" in words:
            found.append(number)
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run of the plan that nothing disturbed."""
    logdir = tmp_path_factory.mktemp("whole")
    assert bring_to_end(plan(), logdir, 1, lambda: False) == "done"
    return metrics(plan().folder(logdir))


def test_a_killed_run_is_continued_and_ends_like_one_that_was_not(whole, tmp_path):
    process = sweep(tmp_path, "--launcher", "local")
    run = plan().folder(tmp_path)
    wait_for(lambda: (run / "checkpoints").is_dir() and any((run / "checkpoints").iterdir()))
    (victim,) = runs_of(tmp_path)
    os.kill(victim, signal.SIGKILL)
    output, _ = process.communicate(timeout=200)
    assert process.returncode == 0, output
    assert "1 runs: 1 done" in output
    assert metrics(run) == whole
    again = sweep(tmp_path, "--launcher", "local")
    output, _ = again.communicate(timeout=60)
    assert again.returncode == 0 and "1 run, 1 of them done" in output


@pytest.mark.parametrize("launcher", ["local", pytest.param("ray", marks=pytest.mark.lengthy)])
def test_ctrl_c_stops_everything_at_a_checkpoint_and_the_same_command_goes_on(
    launcher, whole, tmp_path
):
    if launcher == "ray":
        pytest.importorskip("ray")
    words = ["--launcher", launcher, "--seeds", "0", "1"]
    process = sweep(tmp_path, *words)
    files = [plan(seed).folder(tmp_path) / "metrics.jsonl" for seed in (0, 1)]
    wait_for(lambda: any(file.exists() and file.stat().st_size for file in files))
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 130 and "the same command goes on" in output, output
    assert "Traceback" not in output
    assert runs_of(tmp_path) == []
    process = sweep(tmp_path, *words)
    output, _ = process.communicate(timeout=250)
    assert process.returncode == 0 and "2 runs: 2 done" in output, output
    assert metrics(plan().folder(tmp_path)) == whole


@pytest.mark.lengthy
def test_a_run_that_always_dies_is_given_up_and_the_others_go_on(tmp_path):
    words = ["--launcher", "local", "--attempts", "2"]
    command = sweep(tmp_path, *words, "--seeds", "0", "1")
    blocked = plan(1).folder(tmp_path)
    blocked.mkdir(parents=True)
    (blocked / "mine.txt").write_text("not a run")
    output, _ = command.communicate(timeout=200)
    assert command.returncode == 1, output
    assert "1 done, 1 failed" in output or "1 failed, 1 done" in output
    assert "is no run of ours" in output


def test_attempts_are_bounded_where_nothing_comes_further(tmp_path):
    hopeless = Plan("environments_for_tests:Hopeless", ("smoke",), "small", 0)
    begun = time.monotonic()
    said = bring_to_end(hopeless, tmp_path, 2, lambda: False, {"PYTHONPATH": str(ROOT / "tests")})
    assert said.startswith("failed: status 1 2 times at step 0"), said
    assert time.monotonic() - begun > 5  # It did not try again at once.


def test_a_job_whose_time_is_up_is_requeued_and_brings_its_run_to_the_end(whole, tmp_path):
    pytest.importorskip("submitit")
    launcher = SlurmLauncher(Resources(1, 0, 2e9), attempts=1, hours=0.1, cluster="local")
    launcher.start([plan()], tmp_path)
    run = plan().folder(tmp_path)
    try:
        wait_for(lambda: (run / "checkpoints").is_dir() and any((run / "checkpoints").iterdir()))
        # What a job's process gets before its time is up.
        controller = launcher.jobs[0].job_id
        (job,) = open(f"/proc/{controller}/task/{controller}/children").read().split()
        os.kill(int(job), signal.SIGUSR2)
        wait_for(lambda: not launcher.working(), 200)
        assert launcher.states() == {0: "done"}
    finally:
        for job in launcher.jobs:
            job.cancel()
    assert len(json.loads((run / "meta.json").read_text())["sessions"]) == 2
    assert metrics(run) == whole
