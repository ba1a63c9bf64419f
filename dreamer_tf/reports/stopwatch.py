"""Where the time goes."""

import contextlib
import time


class Stopwatch:
    """Adds up wall-clock seconds by phase."""

    def __init__(self):
        self.seconds = {}
        self.started = time.monotonic()

    @contextlib.contextmanager
    def __call__(self, phase):
        """Counts the time spent inside the block for `phase`."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.add(phase, time.monotonic() - begin)

    def add(self, phase, seconds):
        """Counts seconds that were measured elsewhere."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def restart(self):
        """Returns (seconds since the last restart, {phase: seconds}) and begins anew."""
        now = time.monotonic()
        elapsed, seconds = now - self.started, self.seconds
        self.seconds, self.started = {}, now
        return elapsed, seconds
