"""The finished episodes of a run that may be drawn from, in the order of their ends.

Nothing here takes longer with more episodes, except where one of them turns out to be damaged or
to have ended before another one that is known already.
"""

import bisect
import threading
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from dreamer_tf.experience.episode_file import Episode

if TYPE_CHECKING:
    from dreamer_tf.experience.episodes import Visible

BY_INDEX = attrgetter("index")


class Stretch(Sequence):
    """A part of a list that others only append to, from `start` to before `stop`; never copied.

    Attributes:
        items: the list.
        start, stop: positions in it.
    """

    __slots__ = ("items", "start", "stop")

    def __init__(self, items: list[Episode], start: int, stop: int):
        self.items, self.start, self.stop = items, start, stop

    def __len__(self):
        return self.stop - self.start

    def __getitem__(self, position):
        if not 0 <= position < self.stop - self.start:
            raise IndexError(position)
        return self.items[self.start + position]


class Sources(Sequence):
    """What may be drawn from at one moment: finished episodes, then parts of unfinished ones.

    Attributes:
        finished: `Stretch` or list of `Episode`.
        visible: list of `Visible`.
    """

    __slots__ = ("finished", "visible")

    def __init__(self, finished: Stretch | list[Episode], visible: "list[Visible]"):
        self.finished, self.visible = finished, visible

    def __len__(self):
        return len(self.finished) + len(self.visible)

    def __getitem__(self, position):
        count = len(self.finished)
        return self.finished[position] if position < count else self.visible[position - count]

    def remove(self, source: "Episode | Visible") -> None:
        """Takes a finished episode out of this collection, of no other; others are ignored."""
        self.finished = [each for each in self.finished if each != source]


class Known:
    """The newest finished episodes that together fit a capacity, at least one.

    Args:
        capacity: agent steps to keep; may be infinite.
        floor: the attribute's value in an earlier session.

    Attributes:
        floor: largest index that was ever dropped; nothing up to it is known again.
        steps: agent steps in the known episodes; a reset is none.
    """

    def __init__(self, capacity: float, floor: int):
        self.floor = floor
        self.steps = 0
        self._capacity = capacity
        # Appended to while others look at stretches of it; replaced, never changed, otherwise.
        self._items, self._first = [], 0
        self._lock = threading.Lock()

    def __len__(self):
        return len(self._items) - self._first

    def now(self) -> Stretch:
        """Returns those known at this moment as a `Stretch`."""
        with self._lock:
            return Stretch(self._items, self._first, len(self._items))

    def since(self, index: int) -> list[Episode]:
        """Returns a list of those with a larger index."""
        now = self.now()
        first = bisect.bisect_right(now.items, index, now.start, now.stop, key=BY_INDEX)
        return now.items[first : now.stop]

    def add(self, episode: Episode) -> list[Episode]:
        """Takes in an episode; returns the list of those that are dropped for it."""
        with self._lock:
            if episode.index <= self.floor:
                return [episode]
            if len(self) and episode.index < self._items[-1].index:
                self._items, self._first = self._items[self._first :], 0
                bisect.insort(self._items, episode, key=BY_INDEX)
            else:
                self._items.append(episode)
            self.steps += episode.length - 1
            return self._drop()

    def _drop(self):
        dropped = []
        while self.steps > self._capacity and len(self) > 1:
            dropped.append(self._items[self._first])
            self.steps -= dropped[-1].length - 1
            self.floor = dropped[-1].index
            self._first += 1
        if self._first > len(self):
            self._items, self._first = self._items[self._first :], 0
        return dropped

    def remove(self, episode: Episode) -> None:
        """Takes one out that cannot be read."""
        with self._lock:
            kept = [each for each in self._items[self._first :] if each != episode]
            if len(kept) < len(self):
                self.steps -= episode.length - 1
                self._items, self._first = kept, 0

    def clear(self) -> None:
        """Takes all out."""
        with self._lock:
            self._items, self._first, self.steps = [], 0, 0
