"""Making, continuing, refusing, extending, clearing and locking of run directories."""

import json
import os
import platform
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from runs_for_tests import DEBUG

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.command_line import parse
from dreamer_tf.config.files import from_yaml
from dreamer_tf.runs import run_directory
from dreamer_tf.runs.run_directory import RunDirectory, git_state, run_path, write_meta

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(tmp_path):
    """Opens the run directory of a command line under tmp_path; closes all of them at the end."""
    opened = []

    def start(*words):
        run = RunDirectory.open(parse(["--logdir", str(tmp_path / "runs"), *words]))
        opened.append(run)
        return run

    yield start
    for run in opened:
        run.close()


def snapshot(folder):
    """Every path below a folder with its content and time of change."""
    paths = sorted(folder.rglob("*"))
    return [(p, p.is_file() and p.read_bytes(), p.lstat().st_mtime_ns) for p in [folder, *paths]]


def fill(run):
    """Puts there what a run makes."""
    (run.episodes / "000000-101.npy").write_bytes(b"episode")
    (run.checkpoints / "000100.npz").write_bytes(b"checkpoint")
    run.metrics.write_text("{}\n")
    (run.path / "events.out.tfevents.1.host").write_bytes(b"events")
    write_meta(run, {})


def test_new_run(start, tmp_path):
    run = start("--configs", "cpu", "--task", "toy_reach", "--seed", "3")
    assert run.path == tmp_path / "runs" / "toy_reach" / "cpu" / "3"
    assert not run.resuming
    assert run.episodes.is_dir() and run.checkpoints.is_dir()
    assert run.metrics == run.path / "metrics.jsonl"
    names = {each.name for each in run.path.iterdir()}
    assert names == {"config.yaml", "episodes", "checkpoints"}
    expected = parse(["--configs", "cpu", "--task", "toy_reach", "--seed", "3"]).config
    assert from_yaml(run.path / "config.yaml") == expected


def test_unfit_characters_of_a_task():
    path = run_path(Path("runs"), "my.package:make/it", "dreamer", 0)
    assert path == Path("runs/my.package-make-it/dreamer/0")


def test_same_command_continues_and_changes_nothing(start):
    run = start("--configs", DEBUG)
    fill(run)
    run.close()
    before = snapshot(run.path)
    again = start("--configs", DEBUG, "--train.batch_size", "8")
    assert again.resuming and again.path == run.path
    assert snapshot(run.path) == before


def test_killed_before_its_config_was_written(start, tmp_path):
    path = tmp_path / "runs" / "toy_reach" / "debug" / "0"
    path.mkdir(parents=True)
    (path / "config.yaml.tmp").write_text("task: toy")
    run = start("--configs", DEBUG)
    assert not run.resuming
    assert not (path / "config.yaml.tmp").exists()


def test_different_config_is_refused_with_a_diff(start):
    run = start("--configs", DEBUG)
    fill(run)
    run.close()
    before = snapshot(run.path)
    with pytest.raises(UserError) as caught:
        start("--configs", DEBUG, "--train.batch_size", "16", "--model.learning_rate", "1e-4")
    message = str(caught.value)
    lines = [line.strip() for line in message.splitlines()]
    assert len(lines) == 3
    assert "train.batch_size is 8 there, 16 here" in lines[1]
    assert "model.learning_rate is 0.0006 there, 0.0001 here" in lines[1]
    assert lines[1].count(" there, ") == 2
    assert "--name" in message and "--fresh" in message and str(run.path) in message
    assert "--extend" not in message
    assert caught.value.status == 2
    assert snapshot(run.path) == before
    other = start("--configs", DEBUG, "--train.batch_size", "16", "--name", "large")
    assert other.path != run.path and not other.resuming


def test_more_steps_need_extend(start):
    run = start("--configs", DEBUG)
    fill(run)
    run.close()
    before = snapshot(run.path)
    with pytest.raises(UserError) as caught:
        start("--configs", DEBUG, "--steps", "5000")
    message = str(caught.value)
    assert "steps is 2500 there, 5000 here" in message
    assert "--extend continues it up to 5000" in message
    assert snapshot(run.path) == before
    longer = start("--configs", DEBUG, "--steps", "5000", "--extend")
    assert longer.resuming and longer.changes == ["steps is 5000, before it was 2500"]
    # What keeps it from starting leaves the run as it was.
    assert snapshot(run.path) == before
    write_meta(longer, {})
    assert from_yaml(longer.path / "config.yaml").steps == 5000
    assert (longer.episodes / "000000-101.npy").exists()
    longer.close()
    assert start("--configs", DEBUG, "--steps", "5000").resuming


@pytest.mark.parametrize("change", [["--steps", "2000"], ["--steps", "9000", "--envs", "2"]])
def test_extend_changes_nothing_else(start, change):
    run = start("--configs", DEBUG)
    run.close()
    before = snapshot(run.path)
    with pytest.raises(UserError, match="steps is 2500 there"):
        start("--configs", DEBUG, "--extend", *change)
    assert snapshot(run.path) == before


def test_keys_that_change_nothing_of_what_is_learned_may_change(start):
    start("--configs", DEBUG).close()
    words = ["--evaluate.episodes", "3", "--checkpoint.minutes", "1.5", "--env.timeout", "7"]
    run = start("--configs", DEBUG, *words)
    assert run.resuming and len(run.changes) == 3
    assert "env.timeout is 7.0, before it was 120.0" in run.changes
    run_directory.write_meta(run, {})
    assert (
        json.loads((run.path / "meta.json").read_text())["sessions"][-1]["changes"] == run.changes
    )
    stored = from_yaml(run.path / "config.yaml")
    assert (stored.evaluate.episodes, stored.checkpoint.minutes) == (3, 1.5)
    run.close()
    again = start(
        "--configs", DEBUG, *words, "--steps", "5000", "--extend", "--replay.keep", "false"
    )
    assert [text.split()[0] for text in again.changes] == ["steps", "replay.keep"]
    again.close()
    with pytest.raises(UserError, match="replay.capacity is all there, 500 here"):
        start("--configs", DEBUG, *words, "--steps", "5000", "--replay.capacity", "500")


def test_a_precision_may_be_named_where_it_was_found(start):
    """Whether it is the same is known to who has the checkpoint, see `resume.check_fits`."""
    start("--configs", DEBUG).close()
    assert start("--configs", DEBUG, "--precision", "bfloat16").resuming


def test_extend_of_nothing_is_a_new_run(start):
    assert not start("--configs", DEBUG, "--extend").resuming


def test_fresh_starts_again(start):
    run = start("--configs", DEBUG)
    fill(run)
    (run.path / "meta.json.tmp").write_text("half")
    (run.episodes / "000001-101.npy.tmp").write_text("half")
    sibling = start("--configs", DEBUG, "--seed", "1")
    run.close()
    again = start("--configs", DEBUG, "--fresh", "--train.batch_size", "4")
    assert not again.resuming and again.path == run.path
    assert {each.name for each in run.path.iterdir()} == {"config.yaml", "episodes", "checkpoints"}
    assert list(run.episodes.iterdir()) == list(run.checkpoints.iterdir()) == []
    assert from_yaml(run.path / "config.yaml").train.batch_size == 4
    assert (sibling.path / "config.yaml").exists()


@pytest.mark.parametrize(
    "foreign", ["notes.txt", "plots/curve.png", "episodes/notes.txt", "checkpoints/old/a.npz"]
)
def test_fresh_refuses_anything_foreign(start, foreign):
    run = start("--configs", DEBUG)
    fill(run)
    run.close()
    (run.path / foreign).parent.mkdir(exist_ok=True)
    (run.path / foreign).write_text("mine")
    before = snapshot(run.path)
    with pytest.raises(UserError, match=foreign.split("/")[0]):
        start("--configs", DEBUG, "--fresh")
    assert snapshot(run.path) == before


def test_fresh_does_not_follow_links(start, tmp_path):
    run = start("--configs", DEBUG)
    run.close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.npy").write_text("data")
    run.episodes.rmdir()
    run.episodes.symlink_to(elsewhere)
    with pytest.raises(UserError, match="episodes"):
        start("--configs", DEBUG, "--fresh")
    assert (elsewhere / "a.npy").exists() and (run.path / "config.yaml").exists()


@pytest.mark.parametrize("words", [[], ["--fresh"], ["--extend"]])
def test_folder_of_something_else_is_refused(start, tmp_path, words):
    path = tmp_path / "runs" / "toy_reach" / "debug" / "0"
    path.mkdir(parents=True)
    (path / "thesis.tex").write_text("mine")
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match="no config.yaml"):
        start("--configs", DEBUG, *words)
    assert snapshot(tmp_path) == before


@pytest.mark.parametrize("content", ["", "task: [", "task: toy_reach\n", "\0\0\0"])
def test_damaged_config_is_refused_but_can_be_cleared(start, content):
    run = start("--configs", DEBUG)
    run.close()
    (run.path / "config.yaml").write_text(content)
    before = snapshot(run.path)
    with pytest.raises(UserError, match="config.yaml.*--fresh"):
        start("--configs", DEBUG)
    assert snapshot(run.path) == before
    assert not start("--configs", DEBUG, "--fresh").resuming


@pytest.mark.parametrize("place", ["runs", "runs/toy_reach", "runs/toy_reach/debug/0"])
def test_a_file_in_the_way(start, tmp_path, place):
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / place).write_text("a file")
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match="runs.*--logdir"):
        start("--configs", DEBUG)
    assert snapshot(tmp_path) == before


def test_folder_that_cannot_be_made_leaves_none_behind(start, tmp_path):
    logdir = tmp_path / "new" / ("x" * 300)
    with pytest.raises(UserError, match="xxx.*--logdir"):
        start("--logdir", str(logdir))
    assert list(tmp_path.iterdir()) == []


def test_logdir_that_is_not_writable(start, tmp_path):
    logdir = tmp_path / "runs"
    logdir.mkdir(mode=0o500)
    # The superuser may write there, but not in /proc.
    words = ["--logdir", "/proc/runs"] if os.access(logdir, os.W_OK) else []
    with pytest.raises(UserError, match="runs.*--logdir"):
        start("--configs", DEBUG, *words)
    assert list(logdir.iterdir()) == []


HOLDER = """
import sys
from dreamer_tf.config.command_line import parse
from dreamer_tf.runs.run_directory import RunDirectory
run = RunDirectory.open(parse(sys.argv[1:]))
print("open", flush=True)
sys.stdin.read()
"""


def test_second_process_is_refused_until_the_first_is_gone(start, tmp_path):
    words = ["--logdir", str(tmp_path / "runs"), "--configs", DEBUG]
    command = [sys.executable, "-c", HOLDER, *words]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, text=True, **pipes) as first:
        assert first.stdout.readline() == "open\n"
        path = tmp_path / "runs" / "toy_reach" / "debug" / "0"
        before = snapshot(path)
        for more in ([], ["--fresh"], ["--steps", "9000", "--extend"]):
            with pytest.raises(UserError, match="another process") as caught:
                start("--configs", DEBUG, *more)
            assert str(path) in str(caught.value)
        assert snapshot(path) == before
        assert not start("--configs", DEBUG, "--seed", "1").resuming
        first.kill()
        first.wait()
    assert start("--configs", DEBUG).resuming
    assert snapshot(path) == before


def test_children_do_not_inherit_the_lock(start):
    run = start("--configs", DEBUG)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    words = [sys.executable, "-c", "print(flush=True); input()"]
    child = subprocess.Popen(words, **pipes)
    forked = subprocess.Popen(words, close_fds=False, **pipes)
    try:
        # A process that is just being started still has all files for a moment.
        for each in (child, forked):
            each.stdout.readline()
        run.close()
        assert start("--configs", DEBUG).resuming
    finally:
        for each in (child, forked):
            each.communicate(b"\n")


def test_meta_gets_an_entry_for_each_start(start):
    run = start("--configs", DEBUG)
    write_meta(run, {"device": "CPU", "precision": "float32"})
    write_meta(run, {"device": "GPU (a name)"})
    sessions = json.loads((run.path / "meta.json").read_text())["sessions"]
    assert [each["device"] for each in sessions] == ["CPU", "GPU (a name)"]
    first = sessions[0]
    assert first["precision"] == "float32"
    assert first["versions"]["python"] == platform.python_version()
    assert first["versions"]["numpy"] == __import__("numpy").__version__
    assert set(first["versions"]) > {"tensorflow", "keras", "dm_control", "mujoco"}
    assert first["command"] == shlex.join(sys.orig_argv)
    assert {"date", "git", "platform", "processor"} <= set(first)
    assert 1 <= first["cores"] <= os.cpu_count()


def test_damaged_meta_does_not_stop_a_run_and_is_kept(start):
    run, said = start("--configs", DEBUG), []
    (run.path / "meta.json").write_text("{")
    write_meta(run, {}, said.append)
    assert len(json.loads((run.path / "meta.json").read_text())["sessions"]) == 1
    (line,) = said
    assert "it is kept as meta.json.damaged" in line
    assert (run.path / "meta.json.damaged").read_text() == "{"
    write_meta(run, {}, said.append)
    assert len(said) == 1
    run.close()
    # It is the run's own, for --fresh.
    assert not (start("--configs", DEBUG, "--fresh").path / "meta.json.damaged").exists()


@pytest.mark.parametrize("name", ["episodes", "checkpoints"])
def test_a_folder_of_a_run_that_cannot_be_written_is_found_at_once(start, name, monkeypatch):
    run = start("--configs", DEBUG)
    run.close()
    access = os.access
    monkeypatch.setattr(
        run_directory.os, "access", lambda path, mode: path.name != name and access(path, mode)
    )
    with pytest.raises(UserError, match=f"its folder {name} is not writable"):
        start("--configs", DEBUG)


def test_git_state(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)  # It may ask for signatures.

    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b.c"]
        command = ["git", "-C", str(tmp_path), *identity, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    module = tmp_path / "dreamer_tf" / "runs" / "run_directory.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    monkeypatch.setattr(run_directory, "__file__", str(module))
    assert git_state() is None
    git("init", "--quiet")
    assert git_state() is None
    git("add", ".")
    git("commit", "--quiet", "-m", "first")
    assert git_state() == {"commit": git("rev-parse", "HEAD"), "dirty": False}
    module.write_text("changed = True\n")
    assert git_state()["dirty"] is True


def test_failed_write_keeps_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    atomic.write(path, b"old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        atomic.write(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["config.yaml"]
    assert path.read_text() == "old"


def test_no_run_begins_in_an_exported_curve(start, tmp_path):
    run = start("--configs", DEBUG)
    run.close()
    for folder in (run.episodes, run.checkpoints):
        folder.rmdir()
    (run.path / "curve.csv").write_text("step,test/return\n")
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match="holds the exported curve of a run"):
        start("--configs", DEBUG)
    assert snapshot(tmp_path) == before


def test_no_run_begins_inside_another(start, tmp_path):
    run = start("--configs", DEBUG)
    write_meta(run, {})
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match=f"inside another run, {run.path}: give --logdir the"):
        RunDirectory.open(parse(["--logdir", str(run.path), "--configs", DEBUG]))
    assert snapshot(tmp_path) == before
    # A path that leads through one and out again is in none.
    outside = parse(["--logdir", str(run.path / "../../.."), "--configs", DEBUG, "--name", "other"])
    RunDirectory.open(outside).close()
