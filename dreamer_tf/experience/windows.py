"""Single time steps with their surroundings, drawn alike or by priority, for N-step targets."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import numpy as np

from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.experience.episode_file import DamagedFile, Episode
from dreamer_tf.experience.episodes import Episodes, Visible
from dreamer_tf.experience.prefetch import as_it_is
from dreamer_tf.experience.priorities import UNKNOWN
from dreamer_tf.experience.sequences import LACKS, SequenceSampler
from dreamer_tf.experience.transitions import Transitions

if TYPE_CHECKING:
    import tensorflow as tf

    from dreamer_tf.experience.sources import Windows

PREFETCHED_BATCHES = 2
# Update u is drawn with the priorities fed back up to update u - LAG: those that are there when
# the batches of the updates before it are still waiting.
LAG = PREFETCHED_BATCHES + 1
# An error of exactly zero is not to keep a step from ever being drawn again.
SMALLEST_PRIORITY = 1e-8


class WindowSource:
    """A `Source` of `Windows`.

    What is drawn are transitions: time steps t that have a following one, in unfinished episodes
    those that have `after` following ones. Every one is as likely as its priority says, whichever
    episode it is in. The window of t has the records t - before to t + after, so that an N-step
    target with `after` = N finds s_t at position `before`, the action chosen there and its reward
    at position `before` + 1 (a record holds the action and the reward that led to it), and what it
    bootstraps from at the last valid position, unless `is_terminal` says that nothing follows. At
    a time limit there is something: the last record, fewer than N steps away.

    Positions are drawn, and priorities changed, by the caller's thread; another one reads the
    files ahead. Memory: 8 bytes a transition for priorities, and two batches beside the
    one that is learned from.

    Args:
        wanted: `Windows`.
        episodes: `Episodes` to draw from.
        seed: the run's seed.
    """

    at_once = False

    def __init__(
        self,
        wanted: "Windows",
        episodes: Episodes,
        seed: int,
        prepare: Callable[[dict[str, np.ndarray]], dict[str, Any]] = as_it_is,
    ):
        self._prepare = prepare
        self._wanted = wanted
        self._episodes = episodes
        self._seed = seed
        self._transitions = Transitions(episodes.environments, wanted.after)
        self._priorities = self._transitions.priorities
        self._next = 0  # The update whose feedback comes next.
        self._drawn = {}  # {update: numbers} of batches without feedback yet.
        self._pending = {}  # {update: (numbers, priorities)}, fed back but not in use yet.
        self._undo = deque(maxlen=LAG)  # (update, what it was fed, what takes it back) in use.
        self.sample = SequenceSampler(episodes, seed).sample

    def observe(self, rows: list[tuple[int, np.ndarray]]) -> None:
        """See `Source.observe`; the episodes have the records already."""

    def ready(self) -> bool:
        """Returns whether there is a transition to draw."""
        if not self._transitions:
            self._transitions.follow(self._episodes.sources())
        return bool(self._transitions)

    def batches(
        self, first_update: int, count: int
    ) -> AbstractContextManager[Iterator[dict[str, Any]]]:
        """Returns an iterator over the batches of `count` updates, read ahead in a thread.

        The batch of update u is a function of (seed, u, the steps known now, what was fed back up
        to update u - LAG). Use it as a context manager: leaving it ends the thread.

        Where a file turns out to be unreadable, its episode is forgotten and the batch drawn again.

        Raises, when iterated:
            UserError: no readable transition is left.
            FloatingPointError: a priority that was fed back is not finite, or negative.
        """
        self._rewind(first_update)
        self._transitions.follow(self._episodes.sources())
        return WindowBatches(self._draw, self._read, self._replace, first_update, count)

    def feedback(self, update: int, priorities: "np.ndarray | tf.Tensor | None") -> None:
        """Takes the priorities of an update's batch.

        Args:
            update: its number; one more than that of the last call.
            priorities: [B], not negative or `UNKNOWN`, in the batch's order; not looked at before
                they are used. None leaves them as they are.
        """
        self._next = update + 1
        numbers = self._drawn.pop(update, None)
        if priorities is not None and self._wanted.priority is not None and numbers is not None:
            self._pending[update] = numbers, priorities

    def state(self) -> dict[str, np.ndarray | np.generic]:
        """Returns the arrays that a checkpoint must hold.

        `priorities` of the transitions from number `first` on, -1 where there is none, and the
        `largest` so far, all raised to the exponent and as they are in use for the next update;
        `pending_updates` [P], `pending_numbers` and `pending_priorities` [P, B] of at most the
        last `LAG` updates. Nothing without priorities.
        """
        if self._wanted.priority is None:
            return {}
        self._transitions.follow(self._episodes.sources())
        self._use_feedback(self._next - LAG)
        first, values = self._priorities.values()
        largest, pending = self._priorities.largest, dict(self._pending)
        for update, fed, before in reversed(self._undo):
            if update > self._next - LAG:
                numbers, earlier, largest = before
                still = (numbers >= first) & (numbers < first + len(values))
                values[numbers[still] - first] = earlier[still]
                pending[update] = fed
        updates = sorted(pending)
        shape = (len(updates), self._wanted.batch)
        numbers = [pending[update][0] for update in updates]
        given = [np.asarray(pending[update][1], np.float32) for update in updates]
        return {
            "next": np.int64(self._next),
            "first": np.int64(first),
            "priorities": values,
            "largest": np.float64(largest),
            "pending_updates": np.array(updates, np.int64),
            "pending_numbers": np.array(numbers, np.int64).reshape(shape),
            "pending_priorities": np.array(given, np.float32).reshape(shape),
        }

    def restore(self, state: Mapping[str, np.ndarray | np.generic]) -> None:
        """Takes back what `state` returned; what was known then must be known now."""
        if not state:
            return
        self._transitions.follow(self._episodes.sources())
        values = state["priorities"]
        (known,) = np.nonzero(values >= 0)
        self._priorities.put(int(state["first"]) + known, values[known])
        self._priorities.largest = float(state["largest"])
        self._next = int(state["next"])
        rows = zip(state["pending_numbers"], state["pending_priorities"], strict=True)
        self._pending = dict(zip(state["pending_updates"].tolist(), rows, strict=True))

    def _rewind(self, update):
        """Has only what was fed back up to update - LAG in use, after batches were given up."""
        self._drawn = {}
        while self._undo and self._undo[-1][0] > update - LAG:
            number, fed, before = self._undo.pop()
            self._priorities.undo(before)
            self._pending[number] = fed

    def _use_feedback(self, last):
        """Puts to use what was fed back up to an update."""
        for update in sorted(each for each in self._pending if each <= last):
            numbers, given = fed = self._pending.pop(update)
            values = np.asarray(given, np.float32).astype(np.float64)
            told = values != UNKNOWN
            numbers, values = numbers[told], values[told]
            if not (np.isfinite(values) & (values >= 0)).all():
                raise FloatingPointError("priorities")
            values = np.maximum(values, SMALLEST_PRIORITY) ** self._wanted.priority
            before = self._priorities.put(numbers, values.astype(np.float32))
            self._undo.append((update, fed, before))

    def _draw(self, update):
        """Returns ([(source, t), ...], importance weights float32 [B]) of an update."""
        self._use_feedback(update - LAG)
        if not self._transitions:
            raise UserError(
                f"{self._episodes.directory} holds no steps to learn from: "
                "collect some first (train.prefill)",
                status=1,
            )
        random = seeding.generator(self._seed, "replay", update)
        numbers, probabilities = self._priorities.draw(random, self._wanted.batch)
        self._drawn[update] = numbers
        if self._wanted.priority is None:
            weights = np.ones(len(numbers), np.float32)
        else:
            weights = importance(probabilities, self._wanted.correction)
        return [self._transitions.at(number) for number in numbers], weights

    def _replace(self, update, unreadable):
        """Returns what an update is drawn anew without an episode that cannot be read."""
        if unreadable.source in self._transitions:  # Not known from the batch before.
            self._episodes.forget(unreadable.source, unreadable.error)
            self._transitions.follow(self._episodes.sources())
        return self._draw(update)

    def _read(self, places, weights):
        """Returns the batch of some places; in the reading thread."""
        before, after = self._wanted.before, self._wanted.after
        offsets = np.arange(-before, after + 1)
        # Small enough to stay in the processor's cache, so splitting it into fields is cheap.
        window = np.empty(len(offsets), self._episodes.dtype)
        batch = {
            name: np.empty((len(places), *window[name].shape), window[name].dtype)
            for name in window.dtype.names
        }
        valid = np.empty((len(places), len(offsets)), bool)
        for row, (source, t) in enumerate(places):
            start, stop = max(t - before, 0), min(t + after + 1, source.length)
            part = window[: stop - start]
            try:
                self._episodes.read_into(part, source, start)
            except (DamagedFile, OSError) as error:
                if getattr(error, "errno", None) in LACKS:
                    raise
                raise Unreadable(source, error) from None
            at = np.clip(t + offsets, start, stop - 1)
            valid[row] = at == t + offsets
            for name, array in batch.items():
                array[row] = part[name] if len(part) == len(offsets) else part[name][at - start]
        return self._prepare({**batch, "window/valid": valid, "window/weight": weights})


class Unreadable(Exception):
    """One of the sources cannot be read, because of `error`."""

    def __init__(self, source: Episode | Visible, error: Exception):
        super().__init__(source, error)
        self.source, self.error = source, error


def importance(probabilities: np.ndarray, correction: float) -> np.ndarray:
    """Returns the importance weights float32 [B] of what was drawn; the largest is 1.

    Args:
        probabilities: float64 [B], with which each was drawn.
        correction: exponent; 1 makes up for the probabilities wholly.
    """
    return ((probabilities.min() / probabilities) ** correction).astype(np.float32)


class WindowBatches:
    """Batches that are drawn here and read in a thread; an iterator and a context manager."""

    def __init__(
        self,
        draw: Callable[[int], tuple[list[tuple[Episode | Visible, int]], np.ndarray]],
        read: Callable[[list[tuple[Episode | Visible, int]], np.ndarray], dict[str, Any]],
        replace: Callable[
            [int, Unreadable], tuple[list[tuple[Episode | Visible, int]], np.ndarray]
        ],
        first: int,
        count: int,
    ):
        self._draw, self._read, self._replace = draw, read, replace
        self._first, self._end = first, first + count
        self._waiting = deque()  # (update, future) of what was drawn and not returned yet.
        self._thread = ThreadPoolExecutor(1, "windows")

    def __iter__(self):
        return self

    def __next__(self):
        while self._first < self._end and len(self._waiting) <= PREFETCHED_BATCHES:
            self._submit(self._first, self._draw(self._first))
            self._first += 1
        if not self._waiting:
            raise StopIteration
        update, future = self._waiting.popleft()
        while True:
            try:
                return future.result()
            except Unreadable as unreadable:
                future = self._thread.submit(self._read, *self._replace(update, unreadable))

    def _submit(self, update, drawn):
        self._waiting.append((update, self._thread.submit(self._read, *drawn)))

    def close(self) -> None:
        """Ends the thread after the batch that it is reading."""
        self._thread.shutdown(cancel_futures=True)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()
