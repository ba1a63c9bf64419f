"""What a killed process has left on the disk beyond what the newest checkpoint knows.

Finished episodes are adopted: the counters move on by their steps. So are unfinished ones of which
a stretch had become visible: they are cut, and only what had not reached the disk is lost. Where
there is nothing newer, the unfinished episode goes on exactly where the checkpoint left it.
"""

from collections.abc import Callable
from typing import NamedTuple

from dreamer_tf.experience.episode_file import DamagedFile
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.growing_file import GrowingFile


class Remembered(NamedTuple):
    """What a checkpoint knows of one environment.

    number: its episode number; until: the largest index that an episode of it that had ended by
    then can have; begin and
    length: when its unfinished episode began and its records, 0 where there is none; own_index:
    the index that this episode will get, where the checkpoint's version gave it beforehand.
    """

    number: int
    until: int
    begin: int = 0
    length: int = 0
    own_index: int | None = None


class Adopted(NamedTuple):
    """An adopted episode: its index, the environment's steps since the checkpoint at its end, its
    return and its length in agent steps. The return is None for a cut or unreadable episode."""

    index: int
    steps: int
    total: float | None
    length: int


class Progress(NamedTuple):
    """How an environment goes on: its episode number, its steps since the checkpoint, and the
    `Adopted` episodes that they are in."""

    number: int
    steps: int
    adopted: list


def adopt(
    environment: int,
    known: Remembered,
    episodes: Episodes,
    left_over: list[GrowingFile],
    warn: Callable[[str], None],
) -> Progress:
    """Brings one environment's episodes to where it can go on; returns its `Progress`.

    Args:
        environment: number of the environment.
        known: its `Remembered`.
        episodes: `Episodes`; an unfinished episode that goes on is given to it.
        left_over: the `GrowingFile`s of this environment, by number.
        warn: function that takes one line of text.
    """
    count = episodes.environments
    newer = episodes.present(after=known.until)
    newer = [each for each in newer if each.index % count == environment]
    if not newer and _goes_on(known, episodes, left_over):
        return Progress(known.number, 0, [])
    own_is_kept = bool(newer) and _is_own(newer[0], known, count)
    number = known.number + len(newer)
    kept = [(episode, False) for episode in newer]
    for growing in left_over:
        number = max(number, growing.number + 1)
        is_own = growing.number == known.number
        visible = growing.stored >= episodes.stretch or growing.is_complete()
        if growing.number < known.number or (is_own and own_is_kept) or not visible:
            growing.remove()  # Its steps are in a finished episode, or too few.
            continue
        cut = not growing.is_complete()
        kept.append((episodes.cut(growing), cut))
        own_is_kept |= is_own
    if known.length and not own_is_kept:
        number = max(number, known.number + 1 + len(newer))  # Those newer ones came after it.
        steps = known.length - 1
        warn(f"environment {environment}: the {steps} steps of its unfinished episode are lost")
    # The counters hold the first steps of the checkpoint's unfinished episode already.
    steps, adopted = (1 - known.length if known.length and own_is_kept else 0), []
    for episode, cut in kept:
        steps += episode.length - 1
        total = None if cut else _total(episodes, episode)
        adopted.append(Adopted(episode.index, steps, total, episode.length - 1))
    return Progress(number, max(steps, 0), adopted)


def _goes_on(known, episodes, left_over):
    """Continues the checkpoint's unfinished episode, if there is just that; returns whether."""
    if not left_over:
        return not known.length
    growing = left_over[0]
    if len(left_over) > 1 or not known.length or growing.number != known.number:
        return False
    if growing.stored < known.length or growing.is_complete():
        return False
    if growing.stored // episodes.stretch > known.length // episodes.stretch:
        return False
    growing.truncate(known.length)
    episodes.continue_with(growing)
    return True


def _is_own(episode, known, count):
    """Returns whether a finished episode is the one that was unfinished at the checkpoint."""
    if not known.length:
        return False
    begun_then = episode.index // count - (episode.length - 1) == known.begin
    return begun_then or episode.index == known.own_index


def _total(episodes, episode):
    """Returns an episode's return, None if it cannot be read, which is warned of."""
    try:
        return episodes.outcome(episode)[0]
    except (DamagedFile, OSError) as error:
        episodes.forget(episode, error)
        return None
