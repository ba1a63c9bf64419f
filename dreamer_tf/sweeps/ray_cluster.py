"""Runs on Ray: on this computer, or on a cluster whose nodes share the folder of the runs."""

import importlib.util
import os
import time
from pathlib import Path

from dreamer_tf.basics.errors import UserError
from dreamer_tf.sweeps.process import bring_to_end


def available():
    """Returns whether Ray is installed."""
    return importlib.util.find_spec("ray") is not None


class RayLauncher:
    """One task of Ray for each run; Ray puts it where cores, memory and GPUs are free.

    Args:
        needed: `Resources` of a run.
        attempts: see `bring_to_end`; a run whose node is lost is started again elsewhere as often.
        address: of a cluster, None for this computer alone.
    """

    farewell = "stopped; the same command goes on"

    def __init__(self, needed, attempts, address=None):
        if not available():
            raise UserError(
                "Ray is not installed: tools/run python -m pip install -r requirements-sweeps.txt "
                "-c requirements-lock.txt"
            )
        # Anyone who reaches the ports of a cluster without a token can run programs on it. Ray
        # looks at this when it is imported, and makes a token in ~/.ray where there is none.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        import ray

        self.ray = ray
        self.needed = needed
        self.attempts = attempts
        try:
            ray.init(
                address=address or "local",
                include_dashboard=False if address is None else None,
                log_to_driver=False,
                logging_level="error",
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"Ray cannot be reached: {reason}", status=1) from None
        self.running = {}

    def describe(self):
        """Returns where runs go, for people."""
        total = self.ray.cluster_resources()
        nodes = len([node for node in self.ray.nodes() if node["Alive"]])
        return (
            f"Ray, {nodes} node{'s' if nodes > 1 else ''}, {total.get('CPU', 0):g} cores, "
            f"{total.get('GPU', 0):g} GPUs"
        )

    def start(self, plans, logdir):
        """Hands all plans to Ray."""
        logdir = Path(logdir).resolve()
        logdir.mkdir(parents=True, exist_ok=True)
        self.stop_file = logdir / f".stop-{os.getpid()}-{time.time_ns()}"
        remote = self.ray.remote(
            num_cpus=self.needed.cpus,
            num_gpus=self.needed.gpus,
            memory=self.needed.memory,
            max_retries=self.attempts,
        )(_task)
        root = str(Path(__file__).resolve().parents[2])
        remote = remote.options(runtime_env={"env_vars": {"PYTHONPATH": root}})
        self.plans = {
            remote.remote(
                plan, str(logdir), self.attempts, self.needed.cpus, str(self.stop_file)
            ): i
            for i, plan in enumerate(plans)
        }
        self.results = {}

    def states(self):
        """Returns {index of a plan: what `bring_to_end` said}; running ones show by progress."""
        waiting = [ref for ref, index in self.plans.items() if index not in self.results]
        ready, _ = (
            self.ray.wait(waiting, num_returns=len(waiting), timeout=0) if waiting else ([], 0)
        )
        for ref in ready:
            try:
                self.results[self.plans[ref]] = self.ray.get(ref)
            except self.ray.exceptions.RayError as error:
                reason = " ".join(str(error).split())[:200]
                self.results[self.plans[ref]] = f"failed: {reason}"
        return dict(self.results)

    def working(self):
        """Returns whether any run may still change."""
        return len(self.states()) < len(self.plans)

    def close(self):
        """Stops every run at a checkpoint, waits for them and leaves Ray."""
        try:
            if self.working():
                # Seen by the tasks wherever they run, since they share the folder. Cancelling them
                # would end some before their runs have saved.
                self.stop_file.touch()
                while self.working():
                    time.sleep(0.2)
        finally:
            self.stop_file.unlink(missing_ok=True)
            self.ray.shutdown()


def _task(plan, logdir, attempts, cpus, stop_file):
    """What runs on a node."""
    variables = {"TF_NUM_INTRAOP_THREADS": str(max(1, int(cpus)))}
    return bring_to_end(plan, logdir, attempts, Path(stop_file).exists, variables)
