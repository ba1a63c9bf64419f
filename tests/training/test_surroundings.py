"""A run in surroundings that are not made for it: streams, signals, other people's settings."""

import json
import os
import signal
import subprocess
import sys

import pytest
from runs_for_tests import (
    BRIEF,
    ENVIRONMENT,
    ROOT,
    command,
    metrics,
    run_path,
    start,
    train,
    wait_for,
)

# What learns does not matter here, except to Keras.
DREAMER = ("--env.observation", "vector", "--steps", "600")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The measurements of a run that nothing disturbed."""
    logdir = tmp_path_factory.mktemp("whole")
    assert train(logdir, small=BRIEF).returncode == 0
    return metrics(run_path(logdir))


def ends(run):
    """Returns why each session of a run has ended."""
    sessions = json.loads((run / "meta.json").read_text())["sessions"]
    return [session.get("end", {}).get("reason") for session in sessions]


def shell(script, words, **variables):
    """Runs bash with the words of a command as its arguments."""
    return subprocess.run(
        ["bash", "-c", script, "bash", *words],
        cwd=ROOT,
        env={**ENVIRONMENT, **variables},
        capture_output=True,
        text=True,
        timeout=200,
    )


@pytest.mark.parametrize(
    "script",
    [
        '"$@" | head -n 1; exit ${PIPESTATUS[0]}',
        '"$@" <&- >&- 2>&-',
        '"$@" > /dev/full',
    ],
)
def test_output_that_cannot_be_written_stops_nothing(script, whole, tmp_path):
    result = shell(script, command(tmp_path, small=BRIEF))
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr and "Exception ignored" not in result.stderr
    assert metrics(run_path(tmp_path)) == whole
    assert ends(run_path(tmp_path)) == ["complete"]
    if "2>&-" not in script:
        assert result.stderr.count("warning: standard output cannot be written any more") == 1


def test_what_asks_a_run_to_end_has_it_save_and_go_on_exactly(whole, tmp_path):
    """One after the other, in sessions of one run."""
    asking = [signal.SIGHUP, signal.SIGUSR1, signal.SIGXCPU]
    file = run_path(tmp_path) / "metrics.jsonl"
    for number in asking:
        before = file.stat().st_size if file.exists() else 0
        process = start(tmp_path, small=BRIEF)
        wait_for(lambda before=before: file.exists() and file.stat().st_size > before)
        process.send_signal(number)
        output, _ = process.communicate(timeout=100)
        assert process.returncode == 0, output
        assert f"stopped by {number.name}; the same command continues the run" in output
    assert train(tmp_path, small=BRIEF).returncode == 0
    assert metrics(run_path(tmp_path)) == whole
    stops = [f"stopped by {number.name}" for number in asking]
    assert ends(run_path(tmp_path)) == [*stops, "complete"]


def test_nohup_is_left_as_it_is():
    script = """
import signal
from dreamer_tf.basics import stopping
signal.signal(signal.SIGHUP, signal.SIG_IGN)
stopping.handle(lambda *_: None)
assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
assert callable(signal.getsignal(signal.SIGTERM))
"""
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=ENVIRONMENT, check=True)


def test_ends_of_workers_are_seen_also_where_sigchld_is_ignored(tmp_path):
    short = [*BRIEF, "--steps", "250", "--evaluate.every", "250"]
    result = shell("""trap '' CHLD; exec "$@\"""", command(tmp_path, small=short))
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr and "is complete" in result.stdout


def test_settings_of_other_programs_change_nothing(tmp_path):
    """Keras' file and variable, an ASCII locale, a home with a colon in its name."""
    home = tmp_path / "home: mine"
    (home / ".keras").mkdir(parents=True)
    settings = {"floatx": "float64", "backend": "jax", "image_data_format": "channels_first"}
    (home / ".keras" / "keras.json").write_text(json.dumps({**settings, "epsilon": 1e-3}))
    variables = {"HOME": str(home), "KERAS_HOME": str(home / ".keras"), "KERAS_BACKEND": "jax"}
    variables |= {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    result = shell('"$@"', command(tmp_path / "theirs", *DREAMER), **variables)
    assert result.returncode == 0, result.stderr
    assert train(tmp_path / "ours", *DREAMER).returncode == 0
    assert metrics(run_path(tmp_path / "theirs")) == metrics(run_path(tmp_path / "ours"))


def test_a_task_of_a_folder_with_a_colon_in_its_name(tmp_path):
    folder = tmp_path / "a: b"
    folder.mkdir()
    (folder / "mine.py").write_text(
        "from environments_for_tests import StrictVector as Plain\nPlain.time_limit = 50\n"
    )
    # The folder is that of the program, as for `python -m`; nothing else can name it.
    script = (
        "import os, sys; sys.path.insert(0, os.getcwd()); from dreamer_tf.train import main; "
        "sys.exit(main(sys.argv[1:]))"
    )
    words = command(tmp_path, "--task", "mine:Plain", small=BRIEF)[3:]
    result = subprocess.run(
        [sys.executable, "-c", script, *words],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert result.returncode == 0, result.stderr


def test_a_logdir_that_is_no_text_is_one_line(tmp_path):
    words = [os.fsencode(word) for word in command(tmp_path)]
    words[words.index(os.fsencode(tmp_path))] = os.fsencode(tmp_path) + b"/\xff"
    result = subprocess.run(words, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "is no text in UTF-8" in result.stderr and not list(tmp_path.iterdir())
