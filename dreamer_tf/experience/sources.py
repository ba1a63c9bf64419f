"""What agents learn from: they say what they want, a source serves it.

The trainer knows nothing but the protocol `Source`. All sources draw from the run's `Episodes`,
which hold the steps on the disk, so that what they serve is a function of (seed, update, steps
made, priorities fed back) and a run goes on exactly where a checkpoint left it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.prefetch import as_it_is
from dreamer_tf.experience.rollouts import RolloutSource
from dreamer_tf.experience.sequences import SequenceSource
from dreamer_tf.experience.windows import WindowSource

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Sequences:
    """`batch` sequences of `length` consecutive time steps, of whole episodes where they are short.

    Batches are {field: [batch, length, ...]}. With `balance` ends are in as many of them as other
    steps, see `SequenceSource.sample`.
    """

    batch: int
    length: int
    balance: bool = False


@dataclass(frozen=True)
class Windows:
    """`batch` single time steps, each with the `before` ones that led to it and `after` following.

    A time step is drawn if there is a following one, see `WindowSource`. Batches are
    {field: [batch, before + 1 + after, ...]} and

    * `window/valid`, bool [batch, before + 1 + after]: whether there is such a step. Those before
      the episode's first repeat the first, those behind its last repeat the last.
    * `window/weight`, float32 [batch]: importance weight, the largest of a batch 1; 1 without
      priorities.

    priority: None draws all steps alike. A number in (0, 1] is the exponent of the priorities that
    `update` returns as `"priorities"` [batch]; steps without one have the largest so far.
    correction: exponent of the importance weights, 1 to make up for the priorities wholly.
    """

    batch: int
    before: int
    after: int
    priority: float | None = None
    correction: float = 1.0


@dataclass(frozen=True)
class Rollouts:
    """The newest `length` + 1 time steps of every environment, unfinished episodes included.

    Batches are {field: [N, length + 1, ...]}. There is one for every `length` steps that all
    environments have made, see `RolloutSource`; none is served twice. Of the schedule's keys,
    `train.updates` alone matters: so many updates are logged together.
    """

    length: int


def make_source(
    wanted: Sequences | Windows | Rollouts,
    episodes: Episodes,
    seed: int,
    prepare: Callable[[dict[str, np.ndarray]], dict[str, Any]] = as_it_is,
) -> "Source":
    """Returns the `Source` of what an agent wants.

    Args:
        wanted: `Sequences`, `Windows` or `Rollouts`.
        episodes: `Episodes` of the run.
        seed: the run's seed.
        prepare: function that a batch goes through on its way to an update, where batches are made
            ahead in the thread that makes them.
    """
    made = {Sequences: SequenceSource, Windows: WindowSource, Rollouts: RolloutSource}
    return made[type(wanted)](wanted, episodes, seed, prepare)


class Source(Protocol):
    """Serves an agent's `update` with the experience that it asked for."""

    at_once: bool
    """Whether each batch is learned from as soon as it is there, see `Schedule`."""

    def observe(self, rows: list[tuple[int, np.ndarray]]) -> None:
        """Takes note of the records that the environments have just made.

        Args:
            rows: [(environment, record), ...]: after a tick one for each environment, and the
                reset's before it where an episode has begun.
        """

    def ready(self) -> bool:
        """Returns whether there is enough to learn from."""

    def batches(
        self, first_update: int, count: int
    ) -> AbstractContextManager[Iterator[dict[str, Any]]]:
        """Returns an iterator over the batches of updates; a context manager that ends it.

        They are those of the steps known now. With priorities, update u is drawn with what was fed
        back up to update u - `windows.LAG`, so that batches can be made ahead. It may end before
        `count` where no more can be served without more steps.
        """

    def sample(self, update: int, batch: int, length: int) -> dict[str, np.ndarray]:
        """Returns sequences {field: [batch, length, ...]} to look at, whatever the agent asked."""

    def feedback(self, update: int, priorities: "np.ndarray | tf.Tensor | None") -> None:
        """Takes the priorities [batch] of an update's batch, in the order of the updates."""

    def state(self) -> dict[str, np.ndarray | np.generic]:
        """Returns {name: array} that a checkpoint must hold besides the counters."""

    def restore(self, state: Mapping[str, np.ndarray | np.generic]) -> None:
        """Takes back what `state` returned, after the episodes were restored."""
