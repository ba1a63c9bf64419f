"""Runs on a Slurm cluster without Ray: one job array through submitit, requeued when preempted."""

import contextlib
import importlib.util
import json
import math
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.schema import flatten
from dreamer_tf.runs.going_on import differences
from dreamer_tf.sweeps.plans import Plan
from dreamer_tf.sweeps.process import bring_to_end
from dreamer_tf.sweeps.resources import Resources

if TYPE_CHECKING:
    import submitit

JOBS = ".jobs"  # submitit's folder in that of the runs.
TIMEOUTS = 1000  # How often a job whose time is up is requeued; submitit's own number is 3.


def available() -> bool:
    """Returns whether submitit is installed."""
    return importlib.util.find_spec("submitit") is not None


def check(cluster: str = "slurm") -> None:
    """Raises a UserError where jobs cannot be submitted, see `SlurmLauncher`."""
    if not available():
        raise UserError(
            "submitit is not installed: tools/run python -m pip install "
            "-r requirements/sweeps.txt -c requirements/lock.txt"
        )
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise UserError("Slurm is not here (no sbatch): start this on a node that submits jobs")


class Job:
    """What a job of the array does; requeued, it goes on from the run's checkpoint."""

    def __init__(self, plan: Plan, logdir: str | Path, attempts: int):
        self.plan = plan
        self.logdir = str(logdir)
        self.attempts = attempts
        self.stopping = False

    def __call__(self) -> str:
        """Brings the run to its end."""
        return bring_to_end(self.plan, self.logdir, self.attempts, lambda: self.stopping)

    def checkpoint(self) -> "submitit.helpers.DelayedSubmission":
        """Called by submitit when the job's time is up or it is preempted: asks for a new one.

        The run's own process saves on the SIGTERM that it gets, here or from Slurm.
        """
        import submitit

        self.stopping = True
        return submitit.helpers.DelayedSubmission(Job(self.plan, self.logdir, self.attempts))


class SlurmLauncher:
    """Submits the plans as one job array; the jobs go on where the sweep's own process ends.

    A run's job is remembered in the folder of the runs: while Slurm has it, it is watched and none
    is submitted beside it.

    Args:
        needed: `Resources` of a run; a part of what Slurm counts is the whole.
        attempts: see `bring_to_end`.
        hours: time limit of a job; a run that needs more is requeued.
        options: {option of sbatch: value}, such as partition.
        cluster: "slurm", or "local" for processes of this computer.
    """

    farewell = "the jobs go on: squeue or the same command shows them, scancel ends them"

    def __init__(
        self,
        needed: Resources,
        attempts: int,
        hours: float,
        options: dict[str, str] | None = None,
        cluster: str = "slurm",
    ):
        check(cluster)
        import submitit

        self.needed = needed
        self.attempts = attempts
        self.hours = hours
        self.options = options or {}
        self.cluster = cluster
        self.submitit = submitit
        self.jobs = []

    def describe(self) -> str:
        """Returns where runs go, for people."""
        return "a job array on Slurm" if self.cluster == "slurm" else "jobs on this computer"

    def start(self, plans: Sequence[Plan], logdir: str | Path) -> None:
        """Submits the plans that have no job yet.

        Raises:
            UserError: Slurm does not take them or does not say what it has, or has a job that will
                not make what is planned.
        """
        logdir = Path(logdir).resolve()
        jobs = self._earlier(plans, logdir)
        if jobs:
            print(
                f"{len(jobs)} of {len(plans)} runs have a job already: it is watched, and no other "
                "one submitted",
                flush=True,
            )
        new = [plan for plan in plans if plan not in jobs]
        if new:
            jobs |= zip(new, self._submit(new, logdir), strict=True)
        for plan in new:
            path = _memory(plan, logdir)
            path.parent.mkdir(parents=True, exist_ok=True)
            memory = {"job": jobs[plan].job_id, "config": flatten(plan.config())}
            atomic.write(path, json.dumps(memory).encode())
        self.jobs = [jobs[plan] for plan in plans]

    def _earlier(self, plans, logdir):
        """Returns {plan: its job of an earlier start} for those whose job Slurm still has."""
        remembered = {}
        for plan in plans:
            with contextlib.suppress(FileNotFoundError):
                remembered[plan] = _read(_memory(plan, logdir))
        ask = remembered and self.cluster == "slurm"
        queued = _queued(_memory_folder(logdir)) if ask else ()
        found = {}
        for plan, (number, config) in remembered.items():
            if number not in queued:
                continue
            found[plan] = self.submitit.SlurmJob(logdir / JOBS, number)
            different = _lacks(config, flatten(plan.config()))
            if different:
                raise UserError(
                    f"{plan.folder(logdir)} still has a job with another {different[0]}: wait for "
                    f"its end, or scancel {number}"
                )
        return found

    def _submit(self, plans, logdir):
        executor = self.submitit.AutoExecutor(
            logdir / JOBS, cluster=self.cluster, slurm_max_num_timeout=TIMEOUTS
        )
        # 60 * 4.15 is a little more than 249.
        parameters = {"timeout_min": max(1, math.ceil(round(60 * self.hours, 6)))}
        if self.cluster == "slurm":
            parameters |= {
                "cpus_per_task": math.ceil(self.needed.cpus),
                "mem_gb": math.ceil(self.needed.memory / 1e9),
                "slurm_array_parallelism": 256,
                "slurm_additional_parameters": self.options,
            }
            if self.needed.gpus:
                parameters["gpus_per_node"] = math.ceil(self.needed.gpus)
        try:
            executor.update_parameters(**parameters)
            with executor.batch():
                jobs = [executor.submit(Job(plan, logdir, self.attempts)) for plan in plans]
            return jobs
        # What sbatch says of an option, a partition or an account that it does not have.
        except (self.submitit.core.utils.FailedJobError, OSError) as error:
            raise UserError(f"Slurm did not take the jobs: {_last(error)}", status=1) from None

    def states(self) -> dict[int, str]:
        """Returns {index of a plan: what `bring_to_end` said}."""
        found = {}
        for index, job in enumerate(self.jobs):
            if job.done():
                error = job.exception()
                found[index] = f"failed: {_last(error)}" if error else job.result()
        return found

    def working(self) -> bool:
        """Returns whether any run may still change."""
        return len(self.states()) < len(self.jobs)

    def close(self) -> None:
        """Does nothing: the jobs are Slurm's."""


def _memory_folder(logdir):
    return logdir / JOBS / "submitted"


def _memory(plan, logdir):
    """Returns the path of the file that has the number of a run's newest job."""
    return plan.folder(_memory_folder(logdir))


def _queued(folder):
    """Returns the numbers of all jobs of this user that wait or run."""
    command = ["squeue", "--noheader", "--all", "--array", "--format=%i", f"--user={os.getuid()}"]
    # What the user has squeue leave out by variables such as SQUEUE_PARTITION counts here.
    variables = {key: text for key, text in os.environ.items() if not key.startswith("SQUEUE_")}
    try:
        result = subprocess.run(
            command, env=variables, check=True, capture_output=True, text=True, timeout=60
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(
            "squeue does not say whether earlier jobs of these runs are still there "
            f"({_last(getattr(error, 'stderr', '') or error)}): try again, or remove {folder} if "
            "none is",
            status=1,
        ) from None
    return set(result.stdout.split())


def _read(path):
    """Returns (the number of a run's newest job, its flattened configuration) of `_memory`."""
    text = path.read_text()
    try:
        memory = json.loads(text)
        return memory["job"], memory["config"]
    except (ValueError, KeyError, TypeError):
        raise UserError(f"{path} is damaged: remove it if squeue shows no job of its run") from None


def _lacks(there, here):
    """Returns the keys for which a job with a configuration will not make what another asks for."""
    different = differences(there, here)
    return [key for key in different if key != "steps" or there["steps"] < here["steps"]]


def _last(error):
    """Returns the last line of an error, where the reason is."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else repr(error)
