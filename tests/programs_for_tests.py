"""Programs of the package in processes of their own, which need not import TensorFlow first.

A third of a short run's time goes into imports. A fork server makes them once; what it forks has
its own environment, folder, output, session and signals, as a program that a shell starts.
"""

import multiprocessing
import os
import runpy
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from multiprocessing import forkserver
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Workers find the tests' own environments.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}

_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload(["imports_for_tests"])
_environments = {}


class Program:
    """A running `python -m MODULE WORDS`, used as a `subprocess.Popen` with pipes and text.

    Args:
        module: name of the module.
        words: its arguments.
        environment: {name: value} of all its environment variables. `/proc/<pid>/environ` has the
            fork server's instead, see `has`.
        together: whether standard error goes where standard output goes.
        folder: where it starts.
        background: whether it starts with interrupts ignored, as what a script puts there does.
    """

    def __init__(
        self,
        module,
        *words,
        environment=ENVIRONMENT,
        together=False,
        folder=ROOT,
        background=False,
    ):
        self.args = [module, *map(str, words)]
        written = tempfile.mkdtemp()
        weakref.finalize(self, shutil.rmtree, written, ignore_errors=True)
        self._files = [Path(written, name) for name in ("stdout", "stderr")[: 1 if together else 2]]
        for path in self._files:
            path.touch()
        arguments = (self.args, dict(environment), str(folder), self._files, background)
        _start_server()
        # A daemon ends with the tests, whatever they have left running.
        self._process = _context.Process(target=_be, args=arguments, daemon=True)
        self._process.start()
        self.pid = self._process.pid
        while not _leads(self.pid):
            time.sleep(0.001)
        _environments[self.pid] = [f"{name}={value}" for name, value in environment.items()]

    @property
    def returncode(self):
        """Its exit status, the negative number of the signal that ended it, or None."""
        return self._process.exitcode

    def poll(self):
        """Returns `returncode`."""
        return self.returncode

    def wait(self, timeout=None):
        """Returns the exit status; raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return self.returncode

    def output(self):
        """Returns what it has written to standard output so far."""
        return self._files[0].read_text()

    def communicate(self, timeout=None):
        """Waits for the end; returns what it wrote, (standard output, standard error)."""
        self.wait(timeout)
        output, *errors = [path.read_text() for path in self._files]
        return output, errors[0] if errors else None

    def send_signal(self, number):
        """Sends a signal to it, not to its children."""
        os.kill(self.pid, number)

    def kill(self):
        """Ends it at once."""
        self._process.kill()


def run_program(module, *words, environment=ENVIRONMENT, timeout=250, folder=ROOT):
    """Runs a program to its end; returns a `subprocess.CompletedProcess`."""
    program = Program(module, *words, environment=environment, folder=folder)
    try:
        output = program.communicate(timeout)
    except subprocess.TimeoutExpired:
        program.kill()
        raise
    return subprocess.CompletedProcess(program.args, program.returncode, *output)


def has(number, mark):
    """Returns whether a process is a program whose environment holds the text NAME=value."""
    return mark in _environments.get(number, [])


def _start_server():
    """Starts the fork server where none runs, such that it finds what it shall import.

    Python 3.11 to 3.13 tell it this process's `sys.path` but do not use that, and a module that is
    not found is left out without a word.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = ENVIRONMENT["PYTHONPATH"]
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


def _leads(number):
    """Returns whether a process has a session of its own, so that signals to its group reach it."""
    try:
        return os.getsid(number) == number
    except ProcessLookupError:  # It has ended.
        return True


def _be(words, environment, folder, files, background):
    """Becomes the program: the target of a forked process."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_IGN if background else signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # Also where the tests run under nohup.
    os.chdir(folder)
    streams = [os.open(os.devnull, os.O_RDONLY)]
    streams += [os.open(path, os.O_WRONLY | os.O_APPEND) for path in (files[0], files[-1])]
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:0] = [folder, *environment["PYTHONPATH"].split(os.pathsep)]
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


def run_python(code, *arguments, timeout=60, **variables):
    """Runs a script with the package importable; returns its stdout, raises if it fails."""
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": ENVIRONMENT["PYTHONPATH"], **variables},
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout
