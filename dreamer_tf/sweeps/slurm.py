"""Runs on a Slurm cluster without Ray: one job array through submitit, requeued when preempted."""

import importlib.util
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamer_tf.basics.errors import UserError
from dreamer_tf.sweeps.plans import Plan
from dreamer_tf.sweeps.process import bring_to_end
from dreamer_tf.sweeps.resources import Resources

if TYPE_CHECKING:
    import submitit

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

    Args:
        needed: `Resources` of a run.
        attempts: see `bring_to_end`.
        hours: time limit of a job; a run that needs more is requeued.
        options: {option of sbatch: value}, such as partition.
        cluster: "slurm", or "local" for processes of this computer.
    """

    farewell = "the jobs go on without this program: squeue shows them, scancel ends them"

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
        """Submits all plans."""
        logdir = Path(logdir).resolve()
        executor = self.submitit.AutoExecutor(
            logdir / ".jobs", cluster=self.cluster, slurm_max_num_timeout=TIMEOUTS
        )
        parameters = {"timeout_min": int(60 * self.hours)}
        if self.cluster == "slurm":
            parameters |= {
                "cpus_per_task": max(1, int(self.needed.cpus)),
                "mem_gb": max(1, int(self.needed.memory / 1e9)),
                "slurm_array_parallelism": 256,
                "slurm_additional_parameters": self.options,
            }
            if self.needed.gpus:
                parameters["gpus_per_node"] = max(1, round(self.needed.gpus))
        try:
            executor.update_parameters(**parameters)
            with executor.batch():
                jobs = [executor.submit(Job(plan, logdir, self.attempts)) for plan in plans]
        # What sbatch says of an option, a partition or an account that it does not have.
        except (self.submitit.core.utils.FailedJobError, OSError) as error:
            raise UserError(f"Slurm did not take the jobs: {_last(error)}", status=1) from None
        self.jobs = jobs

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


def _last(error):
    """Returns the last line of an error, where the reason is."""
    lines = str(error).strip().splitlines()
    return lines[-1] if lines else repr(error)
