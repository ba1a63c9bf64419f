"""Runs on Ray: on this computer, or on a cluster whose nodes share the folder of the runs."""

import importlib.util
import os
import time
from collections.abc import Sequence
from pathlib import Path

from dreamer_tf.basics import machine
from dreamer_tf.basics.errors import UserError
from dreamer_tf.sweeps import resources
from dreamer_tf.sweeps.plans import ROOT, Plan
from dreamer_tf.sweeps.process import Attempts, bring_to_end
from dreamer_tf.sweeps.resources import Resources

TOO_LITTLE = "this computer does not have what a run needs: "


def available() -> bool:
    """Returns whether Ray is installed."""
    return importlib.util.find_spec("ray") is not None


def check(needed: Resources, address: str | None) -> None:
    """Raises a UserError for what is certain before Ray is started; the arguments as below."""
    if not available():
        raise UserError(
            "Ray is not installed: tools/run python -m pip install -r requirements/sweeps.txt "
            "-c requirements/lock.txt"
        )
    # All cores, which is what Ray counts; of the memory it has a part.
    has = (os.cpu_count(), len(resources.gpus()), machine.available_memory())
    wants = (needed.cpus, needed.gpus or 0, needed.memory)
    if address is None and any(want > there for want, there in zip(wants, has, strict=True)):
        raise UserError(f"{TOO_LITTLE}{_wanted(*wants)}")


def _wanted(cpus, gpus, memory):
    return f"{cpus:g} cores, {gpus:g} GPUs and {memory / 1e9:g} GB (--cpus, --gpus, --memory)"


class RayLauncher:
    """One task of Ray for each run; Ray puts it where cores, memory and GPUs are free.

    Args:
        needed: `Resources` of a run.
        attempts: see `bring_to_end`; a run whose node is lost is started again elsewhere by the
            same rule.
        address: of a cluster, None for this computer alone.

    Raises:
        UserError: Ray is not installed, does not answer, or this computer has too little.
    """

    farewell = "stopped; the same command goes on"

    def __init__(self, needed: Resources, attempts: int, address: str | None = None):
        check(needed, address)
        # Anyone who reaches the ports of a cluster without a token can run programs on it. Ray
        # looks at this when it is imported, and makes a token in ~/.ray where there is none.
        os.environ.setdefault("RAY_AUTH_MODE", "token")
        # Seconds until its first server must be up; its own 30 are too few on a busy computer.
        os.environ.setdefault("RAY_gcs_server_port_wait_time_s", "120")
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
        except Exception as error:  # Ray raises it bare where a server is not up in time.
            ray.shutdown()
            reason = " ".join(str(error).split())[:300]
            raise UserError(f"Ray cannot be reached: {reason}", status=1) from None
        self.alone = address is None
        self.stop_file = None
        self.plans, self.waiting, self.results = [], {}, {}
        if self.alone and not self._fits():
            self.ray.shutdown()
            raise UserError(f"{TOO_LITTLE}{self._wanted()}")

    def describe(self) -> str:
        """Returns where runs go, for people."""
        total = self.ray.cluster_resources()
        nodes = len([node for node in self.ray.nodes() if node["Alive"]])
        text = (
            f"Ray, {nodes} node{'s' if nodes > 1 else ''}, {total.get('CPU', 0):g} cores, "
            f"{total.get('GPU', 0):g} GPUs"
        )
        # A cluster may grow.
        return text if self._fits() else f"{text}; no node has {self._wanted()}: runs wait for one"

    def _needs(self):
        gpus = self.needed.gpus
        if gpus is None:
            gpus = min(1, self.ray.cluster_resources().get("GPU", 0))
        return {"CPU": self.needed.cpus, "GPU": gpus, "memory": self.needed.memory}

    def _fits(self):
        nodes = [node["Resources"] for node in self.ray.nodes() if node["Alive"]]
        needs = self._needs().items()
        return any(all(node.get(name, 0) >= least for name, least in needs) for node in nodes)

    def _wanted(self):
        needs = self._needs()
        return _wanted(needs["CPU"], needs["GPU"], needs["memory"])

    def start(self, plans: Sequence[Plan], logdir: str | Path) -> None:
        """Hands all plans to Ray."""
        self.logdir = Path(logdir).resolve()
        self.logdir.mkdir(parents=True, exist_ok=True)
        self.stop_file = self.logdir / f".stop-{os.getpid()}-{time.time_ns()}"
        self.plans = list(plans)
        self.counted = [Attempts(self.attempts) for _ in self.plans]
        for index in range(len(self.plans)):
            self._submit(index)

    def _submit(self, index):
        needs = self._needs()
        Path(self._begun(index)).unlink(missing_ok=True)  # An earlier attempt's.
        # A worker that is lost is counted here, as the death of a run is.
        remote = self.ray.remote(
            num_cpus=needs["CPU"], num_gpus=needs["GPU"], memory=needs["memory"], max_retries=0
        )(_task)
        # Where its workers find this package; the user's own folders follow.
        paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
        remote = remote.options(runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(paths)}})
        reference = remote.remote(
            self.plans[index],
            str(self.logdir),
            self.attempts,
            self.needed.cpus,
            str(self.stop_file),
            self._begun(index),
        )
        self.waiting[reference] = index

    def _begun(self, index):
        """Returns the path of the file that says that a task has begun."""
        return f"{self.stop_file}-{index}"

    def states(self) -> dict[int, str]:
        """Returns {index of a plan: what `bring_to_end` said}; running ones show by progress."""
        references = list(self.waiting)
        ready = []
        if references:
            ready, _ = self.ray.wait(references, num_returns=len(references), timeout=0)
        for reference in ready:
            index = self.waiting.pop(reference)
            try:
                self.results[index] = self.ray.get(reference)
            except self.ray.exceptions.TaskCancelledError:
                self.results[index] = "stopped"
            except self.ray.exceptions.RayError as error:
                saved = self.plans[index].progress(self.logdir).saved
                if not self.stop_file.exists() and self.counted[index].again(saved):
                    self._submit(index)
                else:
                    reason = " ".join(str(error).split())[:200]
                    self.results[index] = f"failed: {reason}"
        return dict(self.results)

    def working(self) -> bool:
        """Returns whether any run may still change."""
        return len(self.states()) < len(self.plans)

    def close(self) -> None:
        """Stops every run at a checkpoint, waits for them and leaves Ray."""
        try:
            if self.stop_file is not None and self.working():
                # Seen by the tasks wherever they run, since they share the folder. Cancelling one
                # that has begun would end it before its run has saved; one that has not begun may
                # wait for ever.
                self.stop_file.touch()
                for reference, index in self.waiting.items():
                    if not os.path.exists(self._begun(index)):
                        self.ray.cancel(reference)
                while self.working():
                    time.sleep(0.2)
        finally:
            self.ray.shutdown()
            if self.stop_file is not None:
                for path in self.logdir.glob(f"{self.stop_file.name}*"):
                    path.unlink(missing_ok=True)


def _task(plan, logdir, attempts, cpus, stop_file, begun):
    """What runs on a node."""
    Path(begun).touch()
    stopping = Path(stop_file).exists
    return bring_to_end(plan, logdir, attempts, stopping, resources.threads(cpus))
