"""Sequences drawn from episodes, as Dreamer and PlaNet learn from them (appendix A)."""

import errno
import itertools
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.experience.episode_file import DamagedFile
from dreamer_tf.experience.episodes import Episodes, Visible
from dreamer_tf.experience.known import Sources
from dreamer_tf.experience.prefetch import Prefetch, as_it_is

if TYPE_CHECKING:
    import tensorflow as tf

    from dreamer_tf.experience.sources import Sequences

PREFETCHED_BATCHES = 2
# What says nothing about a file: too much is open, memory is short, or its server is away.
LACKS = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE, errno.ETIMEDOUT)


class SequenceSampler:
    """Draws batches of sequences of any size: a function of (seed, update, episodes).

    Args:
        episodes: `Episodes` to draw from.
        seed: the run's seed.
        balance: see `sample`.
    """

    def __init__(self, episodes: Episodes, seed: int, balance: bool = False):
        self._episodes = episodes
        self._seed = seed
        self._balance = balance

    def sample(self, update: int, batch: int, length: int) -> dict[str, np.ndarray]:
        """Returns the sequences of one update.

        An episode is drawn uniformly, then the start of the sequence uniformly among those that
        leave room for it, so that every step, the last one included, can be drawn. With `balance`
        it is drawn among all steps of the episode, and the last start that leaves room stands for
        those behind it (`dataset_balance` of the TF2 code): of an episode of n steps length / n of
        the sequences have its end, otherwise 1 / (n - length + 1). An episode shorter than the
        sequence is taken whole and followed by the beginning of another one, whose first record has
        `is_first`. An unfinished episode is drawn less often than others, as its length is to that
        of the longest unfinished or of the first finished one.

        Args:
            update: number of the update.
            batch: number of sequences, B.
            length: records in a sequence, L.

        Returns:
            Field name -> contiguous array of shape [B, L, ...] in the field's own type.

        Raises:
            UserError: no readable episode is left.
        """
        return self.draw(self._episodes.sources(), update, batch, length)

    def draw(
        self, sources: Sources, update: int, batch_size: int, length: int
    ) -> dict[str, np.ndarray]:
        """Returns a batch drawn from `Sources`; unreadable episodes are taken out of them."""
        random = seeding.generator(self._seed, "replay", update)
        # Small enough to stay in the processor's cache, so splitting it into fields is cheap.
        sequence = np.empty(length, self._episodes.dtype)
        batch = {
            name: np.empty((batch_size, *sequence[name].shape), sequence[name].dtype)
            for name in sequence.dtype.names
        }
        longest = _longest(sources)
        for row in range(batch_size):
            self._fill(sources, longest, random, sequence)
            for name, array in batch.items():
                array[row] = sequence[name]
        return batch

    def _fill(self, sources, longest, random, sequence):
        """Fills `sequence` with records of one episode, or of several short ones."""
        filled = 0
        while filled < len(sequence):
            source = self._choose(sources, longest, random)
            starts = 1 if filled else max(1, source.length - len(sequence) + 1)
            drawn = random.integers(source.length if self._balance else starts)
            start = min(int(drawn), starts - 1)
            part = sequence[filled : filled + source.length]
            try:
                self._episodes.read_into(part, source, start)
            except (DamagedFile, OSError) as error:
                if getattr(error, "errno", None) in LACKS:
                    raise
                sources.remove(source)
                self._episodes.forget(source, error)
            else:
                filled += len(part)

    def _choose(self, sources, longest, random):
        if not sources:
            raise UserError(
                f"{self._episodes.directory} holds no episodes to learn from: "
                "collect some first (train.prefill)",
                status=1,
            )
        while True:
            source = sources[random.integers(len(sources))]
            if not isinstance(source, Visible) or random.random() * longest < source.length:
                return source


class SequenceSource:
    """A `Source` of `Sequences`. It keeps no state: a batch follows from the episodes.

    Args:
        wanted: `Sequences`.
        episodes: `Episodes` to draw from.
        seed: the run's seed.
        prepare: see `make_source`.
    """

    at_once = False

    def __init__(
        self,
        wanted: "Sequences",
        episodes: Episodes,
        seed: int,
        prepare: Callable[[dict[str, np.ndarray]], dict[str, Any]] = as_it_is,
    ):
        self._prepare = prepare
        self._wanted = wanted
        self._episodes = episodes
        self._sampler = SequenceSampler(episodes, seed, wanted.balance)

    def observe(self, rows: list[tuple[int, np.ndarray]]) -> None:
        """See `Source.observe`; the episodes have the records already."""

    def ready(self) -> bool:
        """Returns whether there is anything to draw from."""
        return bool(self._episodes.sources())

    def feedback(self, update: int, priorities: "np.ndarray | tf.Tensor | None") -> None:
        """See `Source.feedback`; sequences have no priorities."""

    def state(self) -> dict[str, np.ndarray | np.generic]:
        """See `Source.state`."""
        return {}

    def restore(self, state: Mapping[str, np.ndarray | np.generic]) -> None:
        """See `Source.restore`."""

    def sample(self, update: int, batch: int, length: int) -> dict[str, np.ndarray]:
        """See `SequenceSampler.sample`."""
        return self._sampler.sample(update, batch, length)

    def batches(
        self, first_update: int, count: int
    ) -> AbstractContextManager[Iterator[dict[str, Any]]]:
        """Returns an iterator over the batches of `count` updates, made ahead in a thread.

        They are those that `sample` returns with the episodes known now. Use it as a context
        manager: leaving it ends the thread.
        """
        # Taken here, not in the thread: steps made from now on belong to later calls.
        sources, size = self._episodes.sources(), (self._wanted.batch, self._wanted.length)
        updates = range(first_update, first_update + count)
        return Prefetch(
            (self._prepare(self._sampler.draw(sources, update, *size)) for update in updates),
            PREFETCHED_BATCHES,
        )


def _longest(sources):
    """Returns the length that unfinished episodes are measured against."""
    first = itertools.islice(sources.finished, 1)
    return max((each.length for each in (*first, *sources.visible)), default=0)
