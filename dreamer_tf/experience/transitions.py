"""Every step that can be learned from, by a number that stays the same when its episode ends."""

import numpy as np

from dreamer_tf.experience.episode_file import Episode
from dreamer_tf.experience.episodes import Visible
from dreamer_tf.experience.known import Sources
from dreamer_tf.experience.priorities import Priorities


class Transitions:
    """The time steps t of all sources that have a following one, kept up with `Episodes`.

    The one that led from record t to record t + 1 has the number `tick * environments +
    environment`, the tick being that of record t + 1 (see `Episodes`). In an unfinished episode
    all `after` following records must be visible, so that an episode's end is no other with and
    without prefetching; in a finished one, one is enough.

    Args:
        environments: how many make episodes.
        after: records behind t that will be read, if they are there.

    Attributes:
        priorities: `Priorities` of the numbers.
    """

    def __init__(self, environments: int, after: int):
        self.priorities = Priorities()
        self._environments = environments
        self._after = max(after, 1)
        self._sources = {}  # By owner.
        self._owners = {}  # {(environment, tick of the first record): owner}
        self._counts = {}  # {owner: numbers entered}
        self._next_owner = 0
        self._seen = Sources([], [])

    def follow(self, sources: Sources) -> None:
        """Takes in what has come and gone since the last call; takes time for nothing else.

        Args:
            sources: `Sources` of the run's `Episodes`.
        """
        gone, come = _changes(self._seen.finished, sources.finished)
        for episode in gone:
            self._leave(self._place(episode))
        for episode in come:
            self._extend(episode, episode.length - 1)
        finished = {self._place(episode) for episode in come}
        visible = {self._place(each): each for each in sources.visible}
        for each in self._seen.visible:
            place = self._place(each)
            # An episode of which parts were visible may be beyond the capacity when it is whole.
            if place not in visible and place not in finished:
                self._leave(place)
        for each in visible.values():
            self._extend(each, each.length - self._after)
        self._seen = sources

    def __bool__(self):
        return bool(self._owners)

    def __contains__(self, source):
        return self._place(source) in self._owners

    def at(self, number: np.integer) -> tuple[Episode | Visible, int]:
        """Returns (source, t) of a number."""
        source = self._sources[int(self.priorities.owners(number))]
        _, begin = self._place(source)
        return source, int(number) // self._environments - begin - 1

    def _extend(self, source, count):
        """Has the first `count` transitions of a source entered."""
        place = self._place(source)
        if place not in self._owners:
            if count <= 0:
                return
            self._owners[place] = self._next_owner
            self._counts[self._next_owner] = 0
            self._next_owner += 1
        owner = self._owners[place]
        self._sources[owner] = source
        numbers = self._range(*place, self._counts[owner], count)
        self.priorities.enter(numbers, owner)
        self._counts[owner] = max(count, self._counts[owner])

    def _leave(self, place):
        if place in self._owners:
            owner = self._owners.pop(place)
            self.priorities.leave(self._range(*place, 0, self._counts.pop(owner)))
            del self._sources[owner]

    def _range(self, environment, begin, first, stop):
        start = (begin + 1) * self._environments + environment
        numbers = range(start, start + max(stop, 0) * self._environments, self._environments)
        return numbers[first:]

    def _place(self, source):
        """Returns (environment, tick of the first record) of a source, which stay what they are."""
        if isinstance(source, Visible):
            return source.growing.environment, source.growing.begin
        tick, environment = divmod(source.index, self._environments)
        return environment, tick - (source.length - 1)


def _changes(before, now):
    """Returns (episodes that have gone, those that have come); both arguments are in order."""
    if getattr(before, "items", None) is getattr(now, "items", 0):
        stayed = max(before.stop, now.start)
        gone = now.items[before.start : min(now.start, before.stop)]
        return gone, now.items[stayed : now.stop]
    earlier, later = set(before), set(now)
    return sorted(earlier - later), sorted(later - earlier)
