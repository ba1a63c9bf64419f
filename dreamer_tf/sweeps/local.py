"""Runs side by side on this computer, without any library for it."""

import queue
import threading
from collections.abc import Sequence
from pathlib import Path

from dreamer_tf.basics.errors import UserError
from dreamer_tf.sweeps import resources
from dreamer_tf.sweeps.plans import Plan
from dreamer_tf.sweeps.process import bring_to_end
from dreamer_tf.sweeps.resources import Resources


def check(needed: Resources) -> None:
    """Raises a UserError where this computer has not as many GPUs as a run needs."""
    if needed.gpus and not resources.shares(needed.gpus):
        wanted = f"{needed.gpus:g} GPU{'' if needed.gpus == 1 else 's'}"
        there = len(resources.gpus())
        raise UserError(f"a run needs {wanted}, this computer has {there}: give fewer --gpus")


class LocalLauncher:
    """A pool of threads, each of which waits for one run's process.

    Args:
        needed: `Resources` of a run.
        attempts: see `bring_to_end`.

    Raises:
        UserError: there are not as many GPUs.
    """

    farewell = "stopped; the same command goes on"

    def __init__(self, needed: Resources, attempts: int):
        check(needed)
        self.needed = needed
        self.attempts = attempts
        self.places = resources.side_by_side(needed)
        self.stop = threading.Event()
        self.threads = []
        self.results = {}

    def describe(self) -> str:
        """Returns where runs go, for people."""
        return f"{self.places} side by side on this computer"

    def start(self, plans: Sequence[Plan], logdir: str | Path) -> None:
        """Starts as many plans as fit; the others follow as places become free."""
        waiting = queue.SimpleQueue()
        for index, plan in enumerate(plans):
            waiting.put((index, plan))
        places = min(self.places, len(plans))
        # Runs beside each other would each take all cores.
        threads = resources.threads(self.needed.cpus)

        def work(gpu):
            variables = threads if gpu is None else {**threads, "CUDA_VISIBLE_DEVICES": gpu}
            while not self.stop.is_set():
                try:
                    index, plan = waiting.get_nowait()
                except queue.Empty:
                    return
                self.results[index] = "running"
                try:
                    said = bring_to_end(plan, logdir, self.attempts, self.stop.is_set, variables)
                # The other runs go on, whatever befalls this one.
                except Exception as error:
                    said = f"failed: {error}"
                self.results[index] = said

        hidden = [None if self.needed.gpus is None else ""] * places
        for gpu in (resources.shares(self.needed.gpus) or hidden)[:places]:
            thread = threading.Thread(target=work, args=[gpu], daemon=True)
            thread.start()
            self.threads.append(thread)

    def states(self) -> dict[int, str]:
        """Returns {index of a plan: what `bring_to_end` said, or "running"}."""
        return dict(self.results)

    def working(self) -> bool:
        """Returns whether any run may still change."""
        return any(thread.is_alive() for thread in self.threads)

    def close(self) -> None:
        """Stops every run at a checkpoint and waits for them."""
        self.stop.set()
        for thread in self.threads:
            thread.join()
