"""Runs side by side on this computer, without any library for it."""

import queue
import threading

from dreamer_tf.sweeps import resources
from dreamer_tf.sweeps.process import bring_to_end


class LocalLauncher:
    """A pool of threads, each of which waits for one run's process.

    Args:
        needed: `Resources` of a run.
        attempts: see `bring_to_end`.
    """

    farewell = "stopped; the same command goes on"

    def __init__(self, needed, attempts):
        self.needed = needed
        self.attempts = attempts
        self.places = resources.side_by_side(needed)
        self.stop = threading.Event()
        self.threads = []

    def describe(self):
        """Returns where runs go, for people."""
        return f"{self.places} side by side on this computer"

    def start(self, plans, logdir):
        """Starts as many plans as fit; the others follow as places become free."""
        waiting, self.results = queue.SimpleQueue(), {}
        for index, plan in enumerate(plans):
            waiting.put((index, plan))
        places = min(self.places, len(plans))
        gpus = _shares(places, self.needed.gpus)

        def work(gpu):
            while not self.stop.is_set():
                try:
                    index, plan = waiting.get_nowait()
                except queue.Empty:
                    return
                self.results[index] = "running"
                # Runs beside each other would each take all cores.
                threads = str(max(1, int(self.needed.cpus)))
                variables = {"TF_NUM_INTRAOP_THREADS": threads, **gpu}
                self.results[index] = bring_to_end(
                    plan, logdir, self.attempts, self.stop.is_set, variables
                )

        self.threads = [threading.Thread(target=work, args=[gpu], daemon=True) for gpu in gpus]
        for thread in self.threads:
            thread.start()

    def states(self):
        """Returns {index of a plan: what `bring_to_end` said, or "running"}."""
        return dict(self.results)

    def working(self):
        """Returns whether any run may still change."""
        return any(thread.is_alive() for thread in self.threads)

    def close(self):
        """Stops every run at a checkpoint and waits for them."""
        self.stop.set()
        for thread in self.threads:
            thread.join()


def _shares(places, gpus):
    """Returns the environment variables of each place: which GPU its runs see."""
    if not gpus:
        return [{}] * places
    per_gpu = max(1, int(1 / gpus)) if gpus <= 1 else 1
    if gpus <= 1:
        return [{"CUDA_VISIBLE_DEVICES": str(i // per_gpu)} for i in range(places)]
    size = int(gpus)
    return [
        {"CUDA_VISIBLE_DEVICES": ",".join(map(str, range(i * size, (i + 1) * size)))}
        for i in range(places)
    ]
