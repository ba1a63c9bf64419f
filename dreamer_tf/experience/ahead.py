"""Steps that are made while an agent learns, and become experience afterwards."""

import threading
from collections.abc import Callable, KeysView
from typing import NamedTuple

import numpy as np

from dreamer_tf.experience.collector import Collector
from dreamer_tf.experience.episode_file import Episode
from dreamer_tf.experience.episodes import Episodes


class Step(NamedTuple):
    """One step of a collector that has not become experience yet.

    Attributes:
        calls: what `Episodes` is to be told, [(method, arguments), ...].
        rows: the collector's `rows`.
        finished: what its `step` returned.
        made: agent steps that its environments have made.
    """

    calls: list
    rows: list
    finished: list
    made: int


class Ahead:
    """Makes steps of a collector in a thread, apart from all that is learned from.

    Nothing of them reaches the episodes before they are handed out: who learns meanwhile learns
    from what was there when this began, and a checkpoint of that time is a checkpoint of the run,
    from where the same steps are made again.

    Args:
        collector: `Collector`; the thread's alone until `steps` has returned.
        act: see `Collector.step`.
        enough: function of the agent steps made so far that returns whether to stop.
    """

    def __init__(
        self,
        collector: Collector,
        act: Callable[
            [dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]],
            tuple[np.ndarray, dict[str, np.ndarray]],
        ],
        enough: Callable[[int], bool],
    ):
        self._collector = collector
        self._steps, self._error = [], None
        self._cancelled = False
        self._thread = threading.Thread(
            target=self._make, args=(act, enough), name="collect", daemon=True
        )
        self._episodes = collector.episodes
        collector.frozen = collector.state()
        collector.episodes = Delayed(collector.episodes)
        self._thread.start()

    def wait(self, seconds: float) -> bool:
        """Waits for the thread at most so long; returns whether it has ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def steps(self) -> tuple[list[Step], BaseException | None]:
        """Waits for the thread; returns the `Step`s, and what ended them early or None."""
        self._thread.join()
        self._collector.episodes, self._collector.frozen = self._episodes, None
        return self._steps, self._error

    def cancel(self) -> None:
        """Ends the thread after the step it is at; its steps are lost, the collector is spoilt."""
        self._cancelled = True
        self._thread.join()

    def _make(self, act, enough):
        made, begin = 0, self._collector.steps
        try:
            while not self._cancelled and not enough(made):
                finished = self._collector.step(act)
                calls = self._collector.episodes.take()
                before, made = made, self._collector.steps - begin
                self._steps.append(Step(calls, self._collector.rows, finished, made - before))
        except BaseException as error:  # Raised where the steps are waited for.
            self._error = error


class Delayed:
    """Stands in the place of `Episodes` for a collector: notes what it is told.

    Args:
        episodes: `Episodes`, as they are at the beginning.
    """

    def __init__(self, episodes: Episodes):
        self._environments, self._stretch = episodes.environments, episodes.stretch
        self._lengths = {i: (each.begin, len(each)) for i, each in episodes.growing.items()}
        self._calls = []

    @property
    def growing(self) -> KeysView[int]:
        """The environments that have an unfinished episode."""
        return self._lengths.keys()

    def take(self) -> list[tuple[str, tuple]]:
        """Returns the calls since the last one."""
        calls, self._calls = self._calls, []
        return calls

    def begin(self, environment: int, number: int, tick: int) -> None:
        """See `Episodes.begin`."""
        self._lengths[environment] = tick, 0
        self._calls.append(("begin", (environment, number, tick)))

    def append(self, environment: int, record: np.ndarray | np.void) -> None:
        """See `Episodes.append`."""
        begin, length = self._lengths[environment]
        self._lengths[environment] = begin, length + 1
        self._calls.append(("append", (environment, record)))

    def finish(self, environment: int) -> Episode:
        """See `Episodes.finish`."""
        begin, length = self._lengths.pop(environment)
        self._calls.append(("finish", (environment,)))
        index = (begin + length - 1) * self._environments + environment
        return Episode(index, length, 0)  # Where its file begins is not known yet.

    def abandon(self, environment: int) -> int:
        """See `Episodes.abandon`; a stretch that is whole is visible."""
        _, length = self._lengths.pop(environment)
        self._calls.append(("abandon", (environment,)))
        return 0 if length >= self._stretch else max(length - 1, 0)
