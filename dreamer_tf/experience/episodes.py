"""The experience of a run on the disk: finished episodes, and those that are being made.

The operating system's page cache is the memory that episodes take. Steps reach the disk, and
whoever draws from them, a stretch at a time, also while their episode goes on.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.experience import episode_file, folder, growing_file
from dreamer_tf.experience.episode_file import DamagedFile, Episode
from dreamer_tf.experience.growing_file import GrowingFile
from dreamer_tf.experience.known import Known, Sources

# All environments together make about this many records before they can be drawn. An episode of the
# control suite with the paper's action repeat has 501: one environment's are drawn when they are
# whole, as in the paper.
STRETCH = 512
SHORTEST_STRETCH = 16


class Visible(NamedTuple):
    """The first `length` records of an unfinished episode, which may be drawn from."""

    growing: GrowingFile
    length: int


class Episodes:
    """The episodes of a folder.

    A finished episode's index is `tick * environments + environment`, the tick being the number of
    steps that every environment had made at the episode's last record: the order of indices is the
    order in which episodes ended, and the tick of every record follows from index and length. After
    a kill an environment with nothing to adopt counts on from where it was, behind the others by
    what these had made since.

    On construction the folder is searched: files that are not whole episodes of such records are
    left alone, with a warning that names them. Temporary files of a killed run are removed.

    Args:
        directory: the folder; it must exist.
        record_dtype: packed structured dtype of a record, with bool fields `is_first`, `is_last`.
        warn: function that takes one line of text. A prefetching thread may call it, too.
        environments: how many environments make episodes.
        capacity: agent steps to keep, None for all. Beyond it the finished episodes that ended
            first are dropped: the known ones are the last that together fit, and at least one.
        floor: the attribute's value in an earlier session.

    Attributes:
        growing: {environment: `GrowingFile`} of the unfinished episodes.
        stretch: records of one environment that become visible together.
        newest: {environment: `Episode`} of the finished episodes that ended last.
        held: indices of episodes whose files stay although they are dropped.
    """

    def __init__(
        self,
        directory: str | Path,
        record_dtype: np.dtype,
        warn: Callable[[str], None],
        environments: int = 1,
        capacity: int | None = None,
        floor: int = -1,
    ):
        self.directory = Path(directory)
        self.dtype = np.dtype(record_dtype)
        self.environments = environments
        self.stretch = max(SHORTEST_STRETCH, STRETCH // environments)
        self.growing = {}
        self.newest = {}
        self.held = frozenset()
        self._warn = warn
        self._known = Known(float("inf") if capacity is None else capacity, floor)
        # Dropped since the last checkpoint, and before it.
        self._dropped, self._condemned = [], []
        atomic.remove_leftovers(self.directory, episode_file.NAME)
        found, self._left_over = folder.search(self.directory, self.dtype, warn)
        for episode in sorted(found):
            self._take(episode)

    def __len__(self):
        """The number of known finished episodes."""
        return len(self._known)

    @property
    def known(self) -> tuple[tuple[int, int], ...]:
        """(index, length) of the known finished episodes in the order in which they ended.

        The length is the number of records, the reset's included.
        """
        return tuple((episode.index, episode.length) for episode in self._known.now())

    @property
    def floor(self) -> int:
        """Largest index that was ever dropped; nothing up to it comes back."""
        return self._known.floor

    @property
    def steps(self) -> int:
        """Agent steps in the known finished episodes; a reset is none."""
        return self._known.steps

    def present(self, after: int = -1) -> list[Episode]:
        """Returns the finished `Episode`s whose files are there, dropped ones included.

        Args:
            after: only those of larger indices, which are the ones that ended later.
        """
        dropped = [each for each in (*self._condemned, *self._dropped) if each.index > after]
        return sorted([*dropped, *self._known.since(after)])

    def sources(self) -> Sources:
        """Returns the `Sources` of this moment: what may be drawn from now."""
        visible = [Visible(each, self._visible(each)) for _, each in sorted(self.growing.items())]
        return Sources(self._known.now(), [each for each in visible if each.length])

    # Making episodes.

    def begin(self, environment: int, number: int, tick: int) -> None:
        """Begins an environment's episode; its records follow.

        Args:
            environment: number of the environment.
            number: how many episodes it has begun before.
            tick: steps that every environment has made.
        """
        self.growing[environment] = GrowingFile(
            self.directory, environment, number, tick, self.dtype
        )

    def append(self, environment: int, record: np.ndarray | np.void) -> None:
        """Adds a record to an environment's unfinished episode."""
        growing = self.growing[environment]
        growing.add(record)
        if len(growing) % self.stretch == 0 and not record["is_last"]:
            growing.store()

    def finish(self, environment: int, cut: bool = False) -> Episode:
        """Makes an unfinished episode known as a finished one; returns its `Episode`.

        Args:
            environment: number of the environment.
            cut: whether it did not end by itself.

        Raises:
            OSError: it cannot be written; it remains unfinished.
        """
        growing = self.growing[environment]
        episode = growing.finish(self._index(growing), cut)
        del self.growing[environment]
        self._take(episode)
        return episode

    def abandon(self, environment: int) -> int:
        """Ends an episode that cannot go on: what was visible stays as a cut episode.

        Returns:
            How many of its steps are lost.
        """
        growing = self.growing[environment]
        if self._visible(growing):
            self.finish(environment, cut=True)
            return 0
        del self.growing[environment]
        growing.remove()
        return max(len(growing) - 1, 0)

    def store(self) -> None:
        """Brings all records of unfinished episodes to the disk, for a checkpoint."""
        for growing in self.growing.values():
            growing.store(sync=True)
        if self.growing:
            atomic.sync_folder(self.directory)  # Some may have got their names just now.

    def take_left_over(self) -> list[GrowingFile]:
        """Returns the `GrowingFile`s that an earlier process left, by environment and number.

        They are the caller's to continue (`continue_with`), cut or remove.
        """
        found, self._left_over = self._left_over, []
        return sorted(found, key=lambda growing: (growing.environment, growing.number))

    def leave(self, environment: int, number: int, begin: int, records: np.ndarray) -> None:
        """Writes an unfinished episode's records as a left over file, unless there is one."""
        growing = GrowingFile(self.directory, environment, number, begin, self.dtype)
        if not growing.path.exists():
            for record in records:
                growing.add(record)
            growing.store(sync=True)
            self._left_over.append(growing)

    def continue_with(self, growing: GrowingFile) -> None:
        """Makes a left over file its environment's unfinished episode."""
        self.growing[growing.environment] = growing

    def cut(self, growing: GrowingFile) -> Episode:
        """Makes a left over file a finished episode, cut unless it is complete."""
        episode = growing.finish(self._index(growing), cut=not growing.is_complete())
        self._take(episode)
        return episode

    def add(self, index: int, records: np.ndarray) -> None:
        """Writes a whole episode and makes it known.

        Args:
            index: number of the episode, unique in the run.
            records: its records, shape [length].

        Raises:
            ValueError: the records are not a whole episode of this folder, or the index is taken.
            OSError: it cannot be written; nothing is left of it and nothing changed.
        """
        records = np.asarray(records)
        if records.dtype != self.dtype:
            raise ValueError(f"records of {records.dtype} do not fit episodes of {self.dtype}")
        if any(each.index == index for each in self.present(index - 1)):
            raise ValueError(f"there is an episode {index} already")
        self._take(episode_file.write(self.directory, index, records))

    # Reading them.

    def read_into(self, records: np.ndarray, source: Episode | Visible, start: int) -> None:
        """Fills an array with records of one of `sources()`, from a position on.

        Raises:
            DamagedFile, OSError: they cannot be read.
        """
        if isinstance(source, Visible):
            growing_file.read_into(records, self.directory, source.growing, start)
        else:
            episode_file.read_into(records, self.directory, source, start)

    def read(self, index: int) -> np.ndarray:
        """Returns the records of a finished episode, whether known or dropped.

        Raises:
            KeyError: there is no such episode.
            UserError: the file is damaged or missing; the episode is no longer known then.
        """
        found = [each for each in self.present(index - 1) if each.index == index]
        if not found:
            raise KeyError(index)
        (episode,) = found
        records = np.empty(episode.length, self.dtype)
        try:
            episode_file.read_into(records, self.directory, episode, 0)
        except (DamagedFile, OSError) as error:
            self.forget(episode, error)
            path = self.directory / episode.name
            raise UserError(f"{path} cannot be read: move it away", status=1) from None
        return records

    def outcome(self, episode: Episode) -> tuple[float, int]:
        """Returns (return, length in agent steps) of a finished `Episode`, read a part at a time.

        Raises:
            DamagedFile, OSError: it cannot be read.
        """
        total = 0.0
        for start in range(0, episode.length, growing_file.BLOCK):
            block = np.empty(min(growing_file.BLOCK, episode.length - start), self.dtype)
            episode_file.read_into(block, self.directory, episode, start)
            for reward in block["reward"]:  # In the order in which the collector adds them up.
                total += float(reward)
        return total, episode.length - 1

    def forget(self, source: Episode | Visible, error: Exception) -> None:
        """Takes one of `sources()` that cannot be read out of what is known, with a warning."""
        if isinstance(source, Visible):
            # This process writes it, and cannot go on without it.
            raise UserError(f"{source.growing.path} cannot be read: {error}", status=1) from None
        folder.warn_of(self._warn, self.directory / source.name, error)
        self._known.remove(source)
        # A damaged file is nobody's to delete.
        self._dropped = [each for each in self._dropped if each != source]
        self._condemned = [each for each in self._condemned if each != source]

    # Deleting them.

    def delete_dropped(self) -> None:
        """Deletes the files of episodes that were dropped before the last call.

        To be called after each checkpoint. Steps newer than a checkpoint are counted by their
        files, and the newest checkpoint may turn out damaged, so that files stay until two of
        them count their steps. No batch needs the files: what batches are drawn from was known
        when their block began, and nothing is dropped before the next episode ends.
        """
        held = [each for each in self._condemned if each.index in self.held]
        for episode in self._condemned:
            if episode.index not in self.held:
                (self.directory / episode.name).unlink(missing_ok=True)
        self._dropped, self._condemned = held, self._dropped

    def delete_all(self) -> None:
        """Deletes the files of all episodes, unfinished ones too; none is known any more."""
        folder.remove_all(self.directory)
        self.growing.clear()
        self._known.clear()
        self._dropped, self._condemned = [], []

    def _index(self, growing):
        return (growing.begin + len(growing) - 1) * self.environments + growing.environment

    def _visible(self, growing):
        return growing.stored // self.stretch * self.stretch

    def _take(self, episode):
        environment = episode.index % self.environments
        self.newest[environment] = max(episode, self.newest.get(environment, episode))
        self._dropped += self._known.add(episode)
