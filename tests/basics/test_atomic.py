"""Writing files whole: what is left after an exception, a full disk or a kill."""

import errno
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dreamer_tf.basics import atomic

ROOT = Path(__file__).resolve().parents[2]
ANY = re.compile(r".*")


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_replaces_the_whole_file(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write(path, b"a longer text")
    atomic.write(str(path), b"short")
    assert path.read_bytes() == b"short"
    assert names(tmp_path) == ["a.txt"]


def test_an_exception_leaves_the_old_file_only(tmp_path):
    path = tmp_path / "a.txt"
    atomic.write(path, b"old")
    with pytest.raises(KeyboardInterrupt), atomic.writing(path) as file:
        file.write(b"new")
        file.flush()
        assert names(tmp_path) == ["a.txt", "a.txt.tmp"]
        raise KeyboardInterrupt
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.txt"]


def test_a_full_device_is_an_error_and_leaves_nothing(tmp_path, monkeypatch):
    def fsync(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(atomic.os, "fsync", fsync)
    with pytest.raises(OSError) as caught:
        atomic.write(tmp_path / "a.txt", b"text")
    assert caught.value.errno == errno.ENOSPC
    assert names(tmp_path) == []


def test_an_old_temporary_file_is_overwritten(tmp_path):
    (tmp_path / "a.txt.tmp").write_bytes(b"x" * 1000)
    atomic.write(tmp_path / "a.txt", b"text")
    assert (tmp_path / "a.txt").read_bytes() == b"text"
    assert names(tmp_path) == ["a.txt"]


def test_only_left_over_files_of_the_pattern_are_removed(tmp_path):
    for name in ("1.npy.tmp", "1.npy", "notes.tmp", "2.npy.tmp.tmp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "3.npy.tmp").mkdir()
    atomic.remove_leftovers(tmp_path, re.compile(r"[0-9]\.npy"))
    assert names(tmp_path) == ["1.npy", "2.npy.tmp.tmp", "3.npy.tmp", "notes.tmp"]
    atomic.remove_leftovers(tmp_path / "missing", ANY)


def test_a_file_being_written_by_another_process_is_not_removed(tmp_path):
    program = (
        "import sys, time\n"
        "from dreamer_tf.basics import atomic\n"
        "with atomic.writing(sys.argv[1]) as file:\n"
        "    file.write(b'whole')\n"
        "    print('writing', flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    path = tmp_path / "a.txt"
    command = [sys.executable, "-c", program, path]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "cwd": ROOT}
    with subprocess.Popen(command, **pipes) as child:
        assert child.stdout.readline() == b"writing\n"
        atomic.remove_leftovers(tmp_path, ANY)
        assert names(tmp_path) == ["a.txt.tmp"]
        child.stdin.write(b"\n")
        child.stdin.close()
        assert child.wait(20) == 0
    assert path.read_bytes() == b"whole"
    path.unlink()
    with subprocess.Popen(command, **pipes) as child:
        assert child.stdout.readline() == b"writing\n"
        child.send_signal(signal.SIGKILL)
        child.wait(20)
    assert names(tmp_path) == ["a.txt.tmp"]
    atomic.remove_leftovers(tmp_path, ANY)
    assert names(tmp_path) == []
