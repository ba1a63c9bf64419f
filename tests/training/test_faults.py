"""Whole runs under faults that are caused for real: workers, kills, damaged files, a full disk."""

import os
import pickle
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from episodes_for_tests import Bomb
from runs_for_tests import (
    BRIEF,
    ENVIRONMENT,
    ROOT,
    SMALL,
    command,
    final_arrays,
    fingerprint,
    interrupt,
    metrics,
    processes,
    run_path,
    start,
    start_anew,
    wait_for,
)

from dreamer_tf.config import files
from dreamer_tf.runs import checkpoint
from dreamer_tf.runs.counters import Counters
from dreamer_tf.runs.saved_agent import load_config
from dreamer_tf.training.schedule import Schedule

# As little learning as there can be: what happens around it is what counts here.
LITTLE = [
    *("--env.observation", "vector", "--env.time_limit", "20", "--train.prefill", "100"),
    *("--train.every", "20", "--train.updates", "2", "--train.pretrain", "2"),
    *("--train.batch_size", "2", "--evaluate.every", "200", "--evaluate.episodes", "1"),
    *("--checkpoint.minutes", "0.005"),
]
TINY = [*LITTLE, "--train.batch_length", "4", "--behavior.horizon", "2"]
# And an agent that begins to learn in a moment.
TINY_BRIEF = [*BRIEF, *LITTLE]
SLOW = "environments_for_tests:Slow"


@pytest.fixture
def mark(tmp_path):
    """Variables for processes that are all gone, without temporary files, after the test."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    mark = f"DREAMER_TEST={tmp_path}"
    yield {"DREAMER_TEST": str(tmp_path), "TMPDIR": str(temporary)}
    # Workers have some seconds to end on their own after their trainer was killed.
    wait_for(lambda: not processes(mark), 15)
    assert not list(temporary.iterdir())


def finish(logdir, *words, small=SMALL, **variables):
    """Lets a run end; returns (exit status, output)."""
    process = start(logdir, *words, small=small, **variables)
    output, _ = process.communicate(timeout=250)
    assert "Traceback" not in output, output
    return process.returncode, output


def episodes(run):
    found = fingerprint(run / "episodes") if run.exists() else {}
    return {name: value for name, value in found.items() if name.endswith(".npy")}


def leftovers(run):
    return [path for path in run.rglob("*") if ".tmp" in path.name]


def test_workers_killed_stopped_and_raising_are_replaced_alone(tmp_path, mark):
    run = run_path(tmp_path, task="environments_for_tests-Slow")
    words = [*TINY_BRIEF, "--task", SLOW, "--envs", "3", "--env.timeout", "4", "--steps", "1800"]
    words += ["--train.prefill", "1400", "--evaluate.every", "9999", "--env.time_limit", "50"]
    process = start(tmp_path, small=words, **mark)
    wait_for(lambda: len(episodes(run)) >= 3)
    trainer, killed, stopped, healthy = processes(f"DREAMER_TEST={tmp_path}")
    assert trainer == process.pid
    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: len(episodes(run)) >= 7)
    os.kill(stopped, signal.SIGSTOP)
    wait_for(lambda: len(episodes(run)) >= 10)
    assert healthy in processes(f"DREAMER_TEST={tmp_path}")
    (tmp_path / "temporary" / "raise").touch()
    # The evaluation's worker comes last; it waits for the next evaluation when it is killed.
    wait_for(lambda: any("test/return" in line for line in metrics(run)))
    os.kill(processes(f"DREAMER_TEST={tmp_path}")[-1], signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 0, output
    warnings = [line for line in output.splitlines() if line.startswith("warning:")]
    assert len(warnings) == 4, output
    for part in ("SIGKILL", "no answer within 4 seconds", "ValueError: the gripper slipped"):
        (line,) = [each for each in warnings[:3] if part in each]
        assert line.startswith("warning: environment ") and "its worker is replaced" in line
    assert "the evaluation's environment failed" in warnings[3]
    state, _ = final_arrays(run)
    counters = Counters(**state["counters"])
    assert Schedule(load_config(run)).finished(counters) and counters.step >= 1800
    lengths = [line["train/length"] for line in metrics(run) if "train/return" in line]
    assert lengths == [50] * len(episodes(run)), "only whole episodes"
    assert 1800 - 3 * 50 - 3 * 50 <= sum(lengths) <= counters.step
    assert counters.episodes == len(lengths)


def test_an_environment_that_always_fails_ends_the_run_with_its_own_words(tmp_path, mark):
    task = ("--task", "environments_for_tests:Raising")
    status, output = finish(tmp_path, *TINY, "--env.observation", "image", *task, **mark)
    assert status == 1
    last = output.splitlines()[-1]
    assert last.startswith("error: the environment keeps failing: environment worker")
    assert "ValueError: the gripper melted" in last and "MUJOCO_GL" not in last
    run = run_path(tmp_path, task="environments_for_tests-Raising")
    assert checkpoint.load_newest(run / "checkpoints", pytest.fail).state["counters"]["update"] == 0


@pytest.mark.timeout(600)  # Many starts, and others may have the cores, too.
@pytest.mark.parametrize("kills", [10, pytest.param(20, marks=pytest.mark.lengthy)])
def test_killed_again_and_again_a_run_uses_every_finished_episode(kills, tmp_path, mark):
    run, chance = run_path(tmp_path), random.Random(3)
    small = [*TINY_BRIEF, "--steps", "4000"]
    moments = [
        lambda: time.sleep(chance.uniform(0, 4)),  # Workers, tracing.
        lambda: wait_for_more(run / "episodes", chance.randint(1, 5)),
        lambda: wait_for_more(run / "episodes", chance.randint(6, 12)),
        lambda: wait_for_more(run / "checkpoints", 1),
        lambda: wait_for_file(run / "checkpoints", ".tmp"),
    ]
    before, torn = {}, 0
    for kill in range(kills):
        process = start(tmp_path, small=small, **mark)
        moments[kill % len(moments)]()
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        assert process.returncode == -signal.SIGKILL, output
        torn += bool(leftovers(run))
        after = episodes(run)
        assert {name: after.get(name) for name in before} == before
        before = after
    assert torn, "no kill came while a file was being written"
    status, output = finish(tmp_path, small=small, **mark)
    assert status == 0, output
    after = episodes(run)
    assert {name: after[name] for name in before} == before
    assert sorted(after) == [f"{tick:06d}-21.npy" for tick in range(20, 4001, 20)]
    state, arrays = final_arrays(run)
    counters = Counters(**state["counters"])
    assert (counters.step, counters.episodes) == (4000, 200)
    assert counters.update == Schedule(load_config(run)).updates_due(counters) == 2 + 2 * 195
    assert all(np.isfinite(array).all() for name, array in arrays.items() if "agent/" in name)
    lines = metrics(run)
    finished = [line for line in lines if "train/return" in line]
    assert [line["episodes"] for line in finished] == list(range(1, 201))
    assert [line["step"] for line in finished] == list(range(20, 4001, 20))
    for key in ("step", "update"):
        values = [line[key] for line in lines]
        assert values == sorted(values)
    assert not leftovers(run)


def wait_for_more(folder, count):
    """Waits until a folder holds some more files than now, by their names."""
    before = set(os.listdir(folder)) if folder.exists() else set()
    wait_for(lambda: folder.exists() and len(set(os.listdir(folder)) - before) >= count)


def wait_for_file(folder, ending):
    """Waits until a folder holds a file of that ending, which may be there for a moment only."""
    deadline = time.monotonic() + 60
    while not folder.exists() or not any(name.endswith(ending) for name in os.listdir(folder)):
        assert time.monotonic() < deadline


def test_damaged_files_are_skipped_and_never_executed(tmp_path, mark):
    run, trap = run_path(tmp_path), tmp_path / "sprung"
    small = [*TINY_BRIEF, "--steps", "400"]
    process = start(tmp_path, small=small, **mark)
    assert interrupt(process, run, lambda lines: lines >= 18, signal.SIGTERM) == 0
    older, newer = sorted((run / "checkpoints").iterdir())
    bomb, noise = pickle.dumps(Bomb(trap)), np.random.default_rng(0).bytes(3000)
    newer.write_bytes(newer.read_bytes()[:-100])
    planted = run / "checkpoints" / "0000009999-00009999.npz"
    planted.write_bytes(bomb)
    contents = sorted((run / "episodes").iterdir())
    size = contents[1].stat().st_size
    contents[0].write_bytes(contents[0].read_bytes()[:-1])
    contents[1].write_bytes(noise[:size])
    contents[2].write_bytes(bomb)
    (run / "episodes" / "000999-21.npy").write_bytes(bomb)
    with open(run / "metrics.jsonl", "ab") as file:
        file.write(b'{"step": 12')
    status, output = finish(tmp_path, small=small, **mark)
    assert status == 0, output
    damaged = [newer, planted, *contents[:3], run / "episodes" / "000999-21.npy"]
    for path in damaged:
        assert f"warning: skipped {path}: " in output
    assert output.count("warning:") == len(damaged)
    step = checkpoint.load(older).state["counters"]["step"] if older.exists() else None
    assert step is None or f"resumed    at step {step}" in output
    assert not trap.exists()
    assert metrics(run)[-1]["step"] == 400
    assert all(path.exists() for path in (planted, *contents[:3])), "damaged files stay"


FULL_DISK = """
import os, subprocess, sys, time
folder, words = sys.argv[1], sys.argv[2:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "none", folder], check=True)
lines = os.path.join(folder, "toy_reach/debug/0/metrics.jsonl")
def fill():
    with open(folder + "/filler", "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
def run():
    output = subprocess.run(words, stdout=2, stderr=subprocess.PIPE, text=True)
    return output.returncode, output.stderr
def report(status, errors):
    names = [name for _, _, names in os.walk(folder) for name in names]
    torn = any(name.endswith(".tmp") for name in names)
    whole = not os.path.exists(lines) or open(lines).read()[-1:] in ("", "\\n")
    print(status, torn, whole, errors.strip(), sep="|", flush=True)
fill()
report(*run())  # Full before it began.
os.remove(folder + "/filler")
process = subprocess.Popen(words, stdout=2, stderr=subprocess.PIPE, text=True)
while not os.path.exists(lines) or open(lines).read().count("\\n") < 12:
    time.sleep(0.01)
fill()
report(process.wait(), process.stderr.read())
os.remove(folder + "/filler")
report(*run())
"""


def test_a_full_disk_stops_the_run_in_one_line_and_it_goes_on_with_space(tmp_path, mark):
    try:
        subprocess.run(["unshare", "-rm", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    disk = tmp_path / "disk"
    disk.mkdir()
    words = ["-m", "dreamer_tf.train", "--logdir", disk, *TINY_BRIEF]
    words += ["--steps", "600", "--train.every", "40"]
    result = subprocess.run(
        ["unshare", "-rm", sys.executable, "-c", FULL_DISK, disk, sys.executable, *words],
        cwd=ROOT,
        env={**ENVIRONMENT, **mark},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr
    early, later, last = result.stdout.splitlines()
    for status, torn, whole, errors in (early.split("|"), later.split("|")):
        assert (status, torn, whole) == ("1", "False", "True"), errors
        assert errors.startswith("error: ") and "No space left on device" in errors
    assert last == "0|False|True|"
    assert "is complete" in result.stderr


def test_what_is_not_finite_stops_the_run_and_can_be_left_out(tmp_path, mark):
    """One reward is finite, but its square is not; a batch that draws it has no finite loss."""
    words = [*TINY, "--task", "environments_for_tests:Jackpot", "--steps", "600"]
    words += ["--train.every", "10", "--train.updates", "1"]  # Of some blocks nothing is left.
    run = run_path(tmp_path, task="environments_for_tests-Jackpot")
    for _ in range(2):  # The same command meets the same fault.
        status, output = finish(tmp_path, *words, **mark)
        assert status == 1 and "Traceback" not in output, output
        assert "model_loss is not finite" in output and "--train.skip_nonfinite true" in output
    status, output = finish(tmp_path, *words, "--train.skip_nonfinite", "true", **mark)
    assert status == 0 and "train.skip_nonfinite is True, before it was False" in output
    assert "of the updates up to" in output and "were left out: something was not finite" in output
    lines = metrics(run)
    skipped = [line["skipped"] for line in lines if line.get("skipped")]
    assert skipped and all(share == 1 for share in skipped)
    _, arrays = final_arrays(run)
    assert all(np.isfinite(array).all() for name, array in arrays.items() if "agent/" in name)


def test_an_interrupt_before_the_first_checkpoint_tells_the_truth(tmp_path, mark):
    run = run_path(tmp_path)
    process = subprocess.Popen(
        command(tmp_path, *TINY),
        cwd=ROOT,
        env={**ENVIRONMENT, **mark, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        # In the background of a script it would be ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout.readline() == "starting the environment ...\n"
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130 and "Traceback" not in output, output
    if not (run / "checkpoints").exists() or not list((run / "checkpoints").iterdir()):
        assert "interrupted before anything was learned: the same command starts" in output


def test_a_dry_run_shows_all_and_makes_nothing(tmp_path, mark):
    words, logs = [*TINY_BRIEF, "--dry_run"], tmp_path / "logs"
    status, output = finish(logs, small=words, **mark)
    assert status == 0 and "starts at step 0" in output and not logs.exists()
    shown = tmp_path / "shown.yaml"
    shown.write_text(output)  # It is a configuration itself.
    assert files.load_config([str(shown)], []).train.batch_size == 2
    shown.unlink()
    assert finish(logs, small=TINY_BRIEF, **mark)[0] == 0
    before = fingerprint(logs)
    assert "is complete" in finish(logs, small=words, **mark)[1]
    status, output = finish(logs, "--train.batch_size", "5", small=words, **mark)
    assert status == 2 and "train.batch_size is 2 there, 5 here" in output
    status, output = finish(logs, "--evaluate.every", "100", small=words, **mark)
    assert status == 0 and "evaluate.every is 100, before it was 200" in output
    assert fingerprint(logs) == before


def test_a_second_interrupt_does_not_wait(tmp_path, mark):
    """The environment hangs for an hour, so that the first one cannot be served."""
    run = run_path(tmp_path, task="environments_for_tests-Sleeping")
    words = [*TINY, "--task", "environments_for_tests:Sleeping", "--env.observation", "image"]
    process = start(tmp_path, *words, **mark)
    wait_for(lambda: (run / "metrics.jsonl").exists())
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(1.5)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "error: interrupted" in output and "Traceback" not in output


@pytest.mark.parametrize("delay", [0.2, 1.2, 3.0])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ended_while_it_starts_nothing_stays(delay, number, tmp_path, mark):
    process = start_anew(tmp_path, *TINY, **mark)
    time.sleep(delay)
    os.killpg(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode in (0, 130, -number), output
    assert not leftovers(tmp_path)
