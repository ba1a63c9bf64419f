"""The newest steps of every environment, for agents that learn from what they have just done."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from dreamer_tf.experience.episode_file import DamagedFile
from dreamer_tf.experience.episodes import Episodes, Visible
from dreamer_tf.experience.prefetch import as_it_is
from dreamer_tf.experience.sequences import SequenceSampler

if TYPE_CHECKING:
    import tensorflow as tf

    from dreamer_tf.experience.sources import Rollouts

NOWHERE = -1


class RolloutSource:
    """A `Source` of `Rollouts`.

    A batch is there as soon as `length` ticks were made since the last one and every environment
    has `length` + 1 records. Without an episode's end the last record of a batch is the first of
    the next one: what the rollout's value is bootstrapped from, then what the next begins with.

    * Resets: a reset's record is one of the records, between the last of an episode and the first
      step of the next. A row with r resets holds `length` - r transitions, from every record to the
      next one unless that has `is_first`; r older ones are in no batch.
    * Failed workers: an environment whose unfinished episode is given up begins anew with its next
      record, and no batch is served until it has `length` + 1.

    Only these records are kept in memory. A checkpoint holds none: they are read back from the
    episodes, exactly. After a kill with steps on the disk that the checkpoint does not know,
    environments that have such begin anew. Nothing else of the history is needed: with a small
    `replay.capacity` the disk stays small, since files are kept a little longer where they hold
    any of these records.

    Args:
        wanted: `Rollouts`.
        episodes: `Episodes` of the environments.
        seed: the run's seed.
    """

    at_once = True

    def __init__(
        self,
        wanted: "Rollouts",
        episodes: Episodes,
        seed: int,
        prepare: Callable[[dict[str, np.ndarray]], dict[str, Any]] = as_it_is,
    ):
        self._prepare = prepare
        self._length = wanted.length
        self._episodes = episodes
        count = episodes.environments
        self._records = [deque(maxlen=wanted.length + 1) for _ in range(count)]
        # Indices of the newest finished episodes: at least those with any of the records.
        self._finished = [deque(maxlen=wanted.length + 1) for _ in range(count)]
        self._ticks = 0  # Since the last batch.
        self._sequences = SequenceSampler(episodes, seed)

    def observe(self, rows: list[tuple[int, np.ndarray]]) -> None:
        """See `Source.observe`."""
        for environment, record in rows:
            self._records[environment].append(record)
            if record["is_last"]:
                self._finished[environment].append(self._episodes.newest[environment].index)
        self._ticks += any(not record["is_first"] for _, record in rows)
        for environment, records in enumerate(self._records):
            if records and not records[-1]["is_last"] and environment not in self._episodes.growing:
                records.clear()

    def ready(self) -> bool:
        """Returns whether there is a batch that was not served yet."""
        full = all(len(records) == self._length + 1 for records in self._records)
        return full and self._ticks >= self._length

    def batches(
        self, first_update: int, count: int
    ) -> AbstractContextManager[Iterator[dict[str, Any]]]:
        """Returns an iterator over the one batch that is there, or none; a context manager."""
        return OneBatch(self._serve if count and self.ready() else None)

    def sample(self, update: int, batch: int, length: int) -> dict[str, np.ndarray]:
        """See `Source.sample`."""
        return self._sequences.sample(update, batch, length)

    def feedback(self, update: int, priorities: "np.ndarray | tf.Tensor | None") -> None:
        """See `Source.feedback`; rollouts have no priorities."""

    def state(self) -> dict[str, np.ndarray | np.generic]:
        """Returns the arrays that a checkpoint must hold.

        `ticks` since the last batch; of every environment [N], how many records are `kept` and the
        tick at which the `newest` was made.
        """
        environments = range(len(self._records))
        self._episodes.held = frozenset(index for i in environments for index in self._needed(i))
        return {
            "ticks": np.int64(self._ticks),
            "kept": np.array([len(records) for records in self._records], np.int64),
            "newest": np.array([self._newest(i) for i in environments], np.int64),
        }

    def restore(self, state: Mapping[str, np.ndarray | np.generic]) -> None:
        """Takes back what `state` returned, reading the records from the disk.

        An environment whose finished episode cannot be read begins anew, with a warning.
        """
        self._ticks = int(state["ticks"])
        missing = {}
        for i, (kept, newest) in enumerate(zip(state["kept"], state["newest"], strict=True)):
            if self._newest(i) == newest:
                self._take_back(i, self._growing_source(i), int(kept))
                missing[i] = int(kept) - len(self._records[i])
        for episode in reversed(self._episodes.present()):
            i = episode.index % self._episodes.environments
            if not any(missing.values()):
                break
            if not missing.get(i):
                continue
            try:
                missing[i] -= self._take_back(i, episode, missing[i])
                self._finished[i].appendleft(episode.index)
            except (DamagedFile, OSError) as error:
                self._episodes.forget(episode, error)
                self._records[i].clear()
                self._finished[i].clear()
                missing[i] = 0

    def _take_back(self, environment, source, count):
        """Puts the last `count` records of a source before those that are there.

        Returns how many it has of them.
        """
        if source is None or not count:
            return 0
        records = np.empty(min(count, source.length), self._episodes.dtype)
        self._episodes.read_into(records, source, source.length - len(records))
        self._records[environment].extendleft(reversed(records))
        return len(records)

    def _growing_source(self, environment):
        growing = self._episodes.growing.get(environment)
        return None if growing is None else Visible(growing, growing.stored)

    def _newest(self, environment):
        """Returns the tick of an environment's newest record on the disk."""
        if environment in self._episodes.growing:
            growing = self._episodes.growing[environment]
            return growing.begin + len(growing) - 1
        if environment in self._episodes.newest:
            return self._episodes.newest[environment].index // self._episodes.environments
        return NOWHERE

    def _needed(self, environment):
        """Returns the indices of finished episodes that hold any of the records."""
        ends = sum(bool(record["is_last"]) for record in self._records[environment])
        finished = list(self._finished[environment])
        return finished[max(len(finished) - ends, 0) :]

    def _serve(self):
        rows = [np.stack(list(records)) for records in self._records]
        self._ticks = 0
        names = self._episodes.dtype.names
        return self._prepare({name: np.stack([row[name] for row in rows]) for name in names})


class OneBatch:
    """An iterator over what a function returns, once, or over nothing; a context manager."""

    def __init__(self, serve: Callable[[], dict[str, Any]] | None):
        self._serve = serve

    def __iter__(self):
        return self

    def __next__(self):
        if self._serve is None:
            raise StopIteration
        serve, self._serve = self._serve, None
        return serve()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._serve = None
