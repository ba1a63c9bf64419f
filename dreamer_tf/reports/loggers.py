"""Other places that a run's measurements go to, as they are made."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np

if TYPE_CHECKING:
    from dreamer_tf.reports.logger import Logger


@runtime_checkable
class RunLogger(Protocol):
    """What `dreamer_tf.train(loggers=[...])` takes: it is told what a run measures.

    Where a method raises, the run says so once and goes on without the logger. `StopRun` is the
    exception: it ends the run at a checkpoint.
    """

    def begin(self, run: Path, config: dict[str, Any], step: int) -> None:
        """A session begins, or goes on at a step; {key: value} is the whole configuration.

        After a kill `step` may be less than what was told last: these steps are made again.
        """

    def write(self, group: str, counters: dict[str, float], metrics: dict[str, float]) -> None:
        """A line of metrics.jsonl: `group` is "sim" or "agent", `counters` has "step" and others.

        docs/metrics.md says what the metrics are.
        """

    def video(self, tag: str, step: int, frames: np.ndarray) -> None:
        """A video, uint8 [T, H, W, 3]."""

    def end(self) -> None:
        """The session ends, for whatever reason."""


class StopRun(Exception):  # noqa: N818 - it is a wish
    """Raised by a `RunLogger`: the run is to save and stop."""


class Loggers:
    """Tells the run's own logger and others; stands in the place of the first.

    Args:
        own: `Logger`, whose failures are the run's.
        others: `RunLogger`s.
        warn: function that takes one line of text.

    Attributes:
        stop: whether one of the others wants the run to stop.
    """

    def __init__(self, own: "Logger", others: Iterable[RunLogger], warn: Callable[[str], None]):
        self._own = own
        self._others = list(others)
        self._warn = warn
        self.stop = False

    def begin(self, run: Path, config: dict[str, Any], step: int) -> None:
        """See `RunLogger.begin`; the run's own logger has begun already."""
        self._tell("begin", Path(run), dict(config), step)

    def write(self, group: str, counters: dict[str, float], metrics: dict[str, float]) -> None:
        """See `Logger.write`."""
        self._own.write(group, counters, metrics)
        self._tell("write", group, dict(counters), dict(metrics))

    def video(self, tag: str, step: int, frames: np.ndarray) -> None:
        """See `Logger.video`."""
        self._own.video(tag, step, frames)
        self._tell("video", tag, step, frames)

    @property
    def offset(self) -> int:
        """See `Logger.offset`."""
        return self._own.offset

    def flush(self) -> None:
        """See `Logger.flush`."""
        self._own.flush()

    def close(self) -> None:
        """Closes the run's own logger and ends the others."""
        self._tell("end")
        self._own.close()

    def _tell(self, method, *arguments):
        for each in list(self._others):
            try:
                getattr(each, method)(*arguments)
            except StopRun:
                self.stop = True
            except Exception as error:  # Whatever other people's code raises.
                self._others.remove(each)
                kind = type(each).__name__
                self._warn(f"{kind}.{method} failed, the run goes on without it: {error!r}")
