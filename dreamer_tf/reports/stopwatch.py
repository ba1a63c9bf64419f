"""Where the time goes."""

import contextlib
import time
from collections.abc import Iterator


class Stopwatch:
    """Adds up wall-clock seconds by phase."""

    def __init__(self):
        self.seconds = {}
        self.started = time.monotonic()

    @contextlib.contextmanager
    def __call__(self, phase: str) -> Iterator[None]:
        """Counts the time spent inside the block for `phase`."""
        begin = time.monotonic()
        try:
            yield
        finally:
            self.add(phase, time.monotonic() - begin)

    def add(self, phase: str, seconds: float) -> None:
        """Counts seconds that were measured elsewhere."""
        self.seconds[phase] = self.seconds.get(phase, 0.0) + seconds

    def restart(self) -> tuple[float, dict[str, float]]:
        """Returns (seconds since the last restart, {phase: seconds}) and begins anew."""
        now = time.monotonic()
        elapsed, seconds = now - self.started, self.seconds
        self.seconds, self.started = {}, now
        return elapsed, seconds
