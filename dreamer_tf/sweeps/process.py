"""One run as a process, continued from its checkpoint where it dies."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

USERS_MISTAKE = 2  # The status of a command that can never work.
POLL = 0.5
PAUSE = 5  # Seconds between two attempts.
PATIENCE = 300  # Seconds for a run to save its checkpoint when it is asked to stop.
# Where whoever started a run is killed, the run saves and ends, too. A part of util-linux.
ENDED_WITH_US = (
    ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") is not None else ()
)


def bring_to_end(plan, logdir, attempts, stopping, variables=None):
    """Runs a plan until it is done, was stopped, or has died too often.

    A run that dies is started again and goes on from its checkpoint. The count of attempts begins
    anew whenever it has come further, so that a long run survives many interruptions and one that
    always dies at the same place does not.

    Args:
        plan: `Plan`.
        logdir: folder of all runs.
        attempts: how often it may die without coming further.
        stopping: function without arguments that says whether to stop; asked twice a second.
        variables: {name: value} to add to the environment.

    Returns:
        `"done"`, `"stopped"` or `"failed: ..."` with the last thing that it said.
    """
    left, reached = attempts, -1
    while not stopping():
        status, said = _run(plan, logdir, stopping, variables)
        progress = plan.progress(logdir)
        if progress.done:
            return "done"
        if status == 0 and stopping():
            return "stopped"
        if status == USERS_MISTAKE:
            return f"failed: {said}"
        left = attempts if progress.step > reached else left
        reached = max(reached, progress.step)
        left -= 1
        if left <= 0:
            return f"failed: status {status} {attempts} times at step {reached}: {said}"
        # What is left of it, or of one whose launcher was killed, may still be saving.
        _sleep(PAUSE, stopping)
    return "stopped"


def _sleep(seconds, stopping):
    end = time.monotonic() + seconds
    while time.monotonic() < end and not stopping():
        time.sleep(POLL)


def _run(plan, logdir, stopping, variables):
    """Starts the command and waits; returns (status, the last line that it wrote)."""
    folder = plan.folder(logdir)
    log = Path(logdir) / f".{folder.parent.parent.name}-{plan.name}-{plan.seed}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    root = Path(__file__).resolve().parents[2]
    paths = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [*ENDED_WITH_US, *plan.command(logdir)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C reaches us alone, and we end it in order.
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": paths, **(variables or {})},
        )
        try:
            while process.poll() is None and not stopping():
                time.sleep(POLL)
        finally:
            _end(process)
    lines = log.read_text(errors="replace").strip().splitlines()
    return process.returncode, lines[-1].removeprefix("error: ") if lines else "it said nothing"


def _end(process):
    """Ends a run at a checkpoint, and with force where it does not come to one."""
    if process.poll() is not None:
        return
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
