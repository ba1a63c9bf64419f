"""Numbered things that are drawn in proportion to their priorities, many at a time."""

import numpy as np

# Numbers whose sum is kept. Drawing adds up all sums, then the priorities of one such chunk for
# each draw: 256 keeps both short up to some hundred millions of numbers.
CHUNK = 256
NOBODY = -1
UNKNOWN = -1.0


class Priorities:
    """Numbers that have an owner each and can be drawn, in proportion to their priorities.

    Those without a priority have the largest that was ever given, 1 before there is any. All sums
    are a function of the priorities and not of how they came about: chunks begin at multiples of
    their size, and each is added up from its beginning. So a copy made from the same priorities
    draws the same. Takes 8 bytes a number.

    Attributes:
        largest: largest priority so far, 0 before any.
    """

    def __init__(self):
        self.largest = 0.0
        self._first = 0  # The number of the first place; a multiple of CHUNK.
        self._owners = np.zeros(0, np.int32)
        self._values = np.zeros(0, np.float32)
        # Of every chunk: the sum of known priorities, and how many numbers lack one.
        self._sums = np.zeros(0, np.float64)
        self._unknown = np.zeros(0, np.int64)
        self._stale = np.zeros(0, bool)  # Whether these two must be made anew.

    def enter(self, numbers: range, owner: int) -> None:
        """Makes the numbers of a `range` drawable; they have no priority.

        Args:
            numbers: `range`.
            owner: an integer >= 0 that `owners` returns for them.
        """
        if numbers:
            self._make_room(numbers)
            self._owners[self._slice(numbers)] = owner
            self._stale[self._chunks(numbers)] = True

    def leave(self, numbers: range) -> None:
        """Makes the numbers of a `range`, which are drawable, unknown again."""
        if numbers:
            places = self._slice(numbers)
            self._owners[places], self._values[places] = NOBODY, UNKNOWN
            self._stale[self._chunks(numbers)] = True

    def put(self, numbers: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """Gives priorities; numbers that are not drawable (any more) are passed over.

        Args:
            numbers: int64 [B]. Of one that is there several times the last counts.
            values: float32 [B], positive.

        Returns:
            What undoes this when it is given to `undo`.
        """
        drawable = self._are_drawable(numbers)
        numbers = numbers[drawable]
        before = numbers, self._values[numbers - self._first], self.largest
        self._assign(numbers, values[drawable])
        self.largest = max(self.largest, float(values.max(initial=0)))
        return before

    def undo(self, before: tuple[np.ndarray, np.ndarray, float]) -> None:
        """Takes back the last `put` that was not taken back yet."""
        numbers, values, self.largest = before
        drawable = self._are_drawable(numbers)
        self._assign(numbers[drawable], values[drawable])

    def draw(self, random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Draws numbers, each independently of the others.

        Args:
            random: `numpy.random.Generator`.
            count: how many, B.

        Returns:
            (int64 [B], their probabilities float64 [B]).
        """
        self._add_up()
        largest = self.largest or 1.0
        totals = np.cumsum(self._sums + self._unknown * largest)
        wanted = random.random(count) * totals[-1]
        # Rounding may lead behind the last one that can be drawn, in the whole and in a chunk.
        last = np.searchsorted(totals, totals[-1])
        chunks = np.minimum(np.searchsorted(totals, wanted, side="right"), last)
        wanted -= np.where(chunks > 0, totals[chunks - 1], 0.0)
        values = np.where(self._unknown_among(chunks), np.float32(largest), self._rows(chunks))
        sums = np.cumsum(values, 1, np.float64)
        inner = (sums <= wanted[:, None]).sum(1)
        inner = np.minimum(inner, (sums < sums[:, -1:]).sum(1))
        chosen = np.take_along_axis(values, inner[:, None], 1)[:, 0]
        return self._first + chunks * CHUNK + inner, chosen / totals[-1]

    def owners(self, numbers: np.ndarray | np.integer) -> np.ndarray | np.integer:
        """Returns the owners int32 [B] of drawable numbers int64 [B]."""
        return self._owners[numbers - self._first]

    def values(self) -> tuple[int, np.ndarray]:
        """Returns (the first number, priorities float32 [n] from it on; `UNKNOWN` is none)."""
        (used,) = np.nonzero(self._owners != NOBODY)
        if not len(used):
            return 0, np.zeros(0, np.float32)
        return self._first + int(used[0]), self._values[used[0] : used[-1] + 1].copy()

    def __len__(self):
        return int((self._owners != NOBODY).sum())

    def _are_drawable(self, numbers):
        places = numbers - self._first
        inside = (places >= 0) & (places < len(self._owners))
        inside[inside] = self._owners[places[inside]] != NOBODY
        return inside

    def _assign(self, numbers, values):
        self._values[numbers - self._first] = values
        self._stale[(numbers - self._first) // CHUNK] = True

    def _add_up(self):
        (chunks,) = np.nonzero(self._stale)
        for start in range(0, len(chunks), CHUNK):  # Few at a time: they are copied for it.
            some = chunks[start : start + CHUNK]
            self._unknown[some] = self._unknown_among(some).sum(1)
            # Unlike `sum`, it adds one after the other, however many rows there are.
            self._sums[some] = np.cumsum(self._rows(some), 1, np.float64)[:, -1]
        self._stale[:] = False

    def _rows(self, chunks):
        """Returns known priorities float32 [n, CHUNK], 0 where there is none."""
        return np.maximum(self._values.reshape(-1, CHUNK)[chunks], 0)

    def _unknown_among(self, chunks):
        drawable = self._owners.reshape(-1, CHUNK)[chunks] != NOBODY
        return drawable & (self._values.reshape(-1, CHUNK)[chunks] < 0)

    def _slice(self, numbers):
        return slice(numbers[0] - self._first, numbers[-1] - self._first + 1, numbers.step)

    def _chunks(self, numbers):
        first, last = (each // CHUNK - self._first // CHUNK for each in (numbers[0], numbers[-1]))
        return slice(first, last + 1)

    def _make_room(self, numbers):
        """Makes sure that there is a place for every number of an increasing `range`."""
        end = self._first + len(self._owners)
        if len(self._owners) and self._first <= numbers[0] and numbers[-1] < end:
            return
        low, high = numbers[0], numbers[-1] + 1
        (used,) = np.nonzero(self._owners != NOBODY)
        if len(used):
            low = min(low, self._first + int(used[0]))
            high = max(high, self._first + int(used[-1]) + 1)
        first = low // CHUNK * CHUNK
        # Twice the room, so that this is rare.
        size = -(-(2 * (high - first)) // CHUNK) * CHUNK
        owners, values = np.full(size, NOBODY, np.int32), np.full(size, UNKNOWN, np.float32)
        if len(used):
            old = slice(int(used[0]), int(used[-1]) + 1)
            start = self._first + old.start - first
            new = slice(start, start + old.stop - old.start)
            owners[new], values[new] = self._owners[old], self._values[old]
        self._first, self._owners, self._values = first, owners, values
        self._sums = np.zeros(size // CHUNK, np.float64)
        self._unknown = np.zeros(size // CHUNK, np.int64)
        self._stale = np.ones(size // CHUNK, bool)
