"""One run as a process, continued from its checkpoint where it dies."""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from dreamer_tf.runs.run_directory import BUSY
from dreamer_tf.sweeps.plans import Plan

USERS_MISTAKE = 2  # The status of a command that can never work.
POLL = 0.5
PAUSE = 5  # Seconds between two attempts.
PATIENCE = 300  # Seconds for a run to save its checkpoint and to leave its folder.
# Where whoever started a run is killed, the run saves and ends, too. A part of util-linux.
ENDED_WITH_US = (
    ("setpriv", "--pdeathsig", "TERM", "--") if shutil.which("setpriv") is not None else ()
)


class Attempts:
    """How often a run may still die.

    The count begins anew whenever a checkpoint of a later step is there, so that a long run
    survives many interruptions and one that always dies at the same place does not.

    Args:
        allowed: deaths without progress.
    """

    def __init__(self, allowed: int):
        self.allowed = self.left = allowed
        self.reached = -1

    def again(self, saved: int) -> bool:
        """Counts a death; returns whether to try again.

        Args:
            saved: step of the newest checkpoint.
        """
        self.left = self.allowed if saved > self.reached else self.left
        self.reached = max(self.reached, saved)
        self.left -= 1
        return self.left > 0


def bring_to_end(
    plan: Plan,
    logdir: str | Path,
    attempts: int,
    stopping: Callable[[], bool],
    variables: Mapping[str, str] | None = None,
) -> str:
    """Runs a plan until it is done, was stopped, or has died too often.

    A run that dies is started again and goes on from its checkpoint. Where another process still
    has its folder, that one's end is waited for, `PATIENCE` seconds from when it was found.

    Args:
        plan: `Plan`.
        logdir: folder of all runs.
        attempts: how often it may die without coming further, see `Attempts`.
        stopping: function without arguments that says whether to stop; asked twice a second.
        variables: {name: value} to add to the environment.

    Returns:
        `"done"`, `"stopped"` or `"failed: ..."` with the last thing that it said.
    """
    counted, found_busy = Attempts(attempts), None
    while not stopping():
        status, said = _run(plan, logdir, stopping, variables)
        progress = plan.progress(logdir)
        if progress.done:
            return "done"
        if status == 0 and stopping():
            return "stopped"
        if status == USERS_MISTAKE:
            return f"failed: {said}"
        if status == BUSY:
            # One whose launcher was killed may still be saving.
            found_busy = time.monotonic() if found_busy is None else found_busy
            if time.monotonic() - found_busy >= PATIENCE:
                return f"failed: {said}"
        else:
            found_busy = None
            if not counted.again(progress.saved):
                return f"failed: status {status} {attempts} times at step {counted.reached}: {said}"
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
    with open(log, "ab") as output:
        process = subprocess.Popen(
            [*ENDED_WITH_US, *plan.command(logdir)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # A group of its own: Ctrl-C reaches us alone, and we end it in order.
            start_new_session=True,
            env={**os.environ, **(variables or {})},
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
