"""Saving everything that a run needs to go on exactly, and going back to it.

A checkpoint holds the agent's variables, the policy's and the source's state as arrays and the
counters as JSON. It holds no experience: that is in the run's episodes, finished or not.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dreamer_tf.agents.acting import Acting
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.experience.collector import Collector
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sources import Source
from dreamer_tf.reports.loggers import Loggers
from dreamer_tf.reports.means import Means
from dreamer_tf.runs import checkpoint, saved_agent, versions
from dreamer_tf.runs.adoption import Remembered, adopt
from dreamer_tf.runs.checkpoint import Checkpoint
from dreamer_tf.runs.counters import Counters


class Kept(NamedTuple):
    """The parts of a run that have a state, or whose files are one."""

    agent: Agent
    collector: Collector
    episodes: Episodes
    source: Source
    counters: Counters
    means: Means
    logger: Loggers
    acting: Acting | None = None


class Restored(NamedTuple):
    """What was found on the disk: the whole episodes that were adopted, in the order of their ends,
    how many unfinished ones were cut, and whether anything is other than in the checkpoint."""

    ended: list
    cut: int
    changed: bool


class Ended(NamedTuple):
    """An episode found on the disk: when it ended in environment steps, return and length."""

    step: int
    total: float
    length: int


class Snapshots:
    """The checkpoints of a run.

    Args:
        folder: where they are.
        keep: how many are kept.
        precision: resolved compute precision.
        kept: `Kept`.
        warn: function that takes one line of text.
    """

    def __init__(
        self, folder: str | Path, keep: int, precision: str, kept: Kept, warn: Callable[[str], None]
    ):
        self._folder = Path(folder)
        self._keep = keep
        self._precision = precision
        self._kept = kept
        self._warn = warn
        self._saved, self._replaced = time.monotonic(), 0

    def due(self, minutes: float) -> bool:
        """Returns whether so many minutes have passed since the last one, or a worker was replaced.

        What that did to its episode is in no file: after a kill, a number would be used again, or
        an episode that was cut would pass for a whole one.
        """
        collector = self._kept.collector
        # Amid a block a checkpoint is of the time before it: the one after the block counts.
        replaced = collector.frozen is None and collector.replaced > self._replaced
        return replaced or time.monotonic() - self._saved > 60 * minutes

    def save(self) -> None:
        """Writes a checkpoint.

        Raises:
            FloatingPointError: a loss or gradient was not finite; nothing is written.
            OSError: it cannot be written.
        """
        agent, collector, episodes, source, counters, means, logger, acting = self._kept
        collected = collector.state()
        means.fold()
        agent.check()
        logger.flush()
        episodes.store()
        arrays = saved_agent.variable_arrays(agent)
        arrays |= {f"policy_state/{name}": each for name, each in collected.policy_state.items()}
        arrays |= {f"source/{name}": each for name, each in source.state().items()}
        if acting is not None and collector.frozen is not None:
            arrays |= {f"acting/{name}": each for name, each in acting.state().items()}
        state = {
            "format": versions.FORMAT,
            "precision": self._precision,
            "counters": vars(counters),
            "episode_numbers": collected.numbers,
            "ticks": collected.ticks,
            "unfinished": {str(i): [g.begin, len(g)] for i, g in sorted(episodes.growing.items())},
            "means": means.state(),
            "metrics_offset": logger.offset,
            "spec": agent.spec.to_json(),
            "replay_floor": episodes.floor,
            "at_once": source.at_once,
        }
        checkpoint.save(
            self._folder,
            arrays,
            state,
            update=counters.update,
            step=counters.step,
            keep=self._keep,
        )
        self._saved = time.monotonic()
        if collector.frozen is None:  # Otherwise this is of the time before some of them.
            self._replaced = collector.replaced
        episodes.delete_dropped()

    def restore(self, saved: Checkpoint | None) -> Restored:
        """Goes back to a `Checkpoint` (None: to the beginning) and adopts what is newer on disk.

        The counters are updated in place. The updates that adopted steps entitle to become due.

        Returns:
            `Restored`. Where something changed, a checkpoint should follow at once: adopting is
            not meant to be done twice.
        """
        kept, count = self._kept, len(self._kept.collector)
        if saved is not None:
            saved_agent.put_variables(kept.agent, saved)
            write_unfinished(saved, kept.episodes)
        state = {} if saved is None else saved.state
        ticks = state.get("ticks", 0)
        left_over = kept.episodes.take_left_over()
        repeat = kept.agent.spec.action_repeat
        share = kept.counters.step // (count * repeat)
        numbers, made, ended, cut = [], [], [], 0
        for i in range(count):
            own = [growing for growing in left_over if growing.environment == i]
            progress = adopt(i, known(state, i, count), kept.episodes, own, self._warn)
            numbers.append(progress.number)
            made.append(progress.steps)
            for each in progress.adopted:
                ticks = max(ticks, each.index // count)
                step = (share + each.steps) * count * repeat
                if each.total is None:
                    cut += 1
                else:
                    ended.append((step, each.index, each.total, each.length))
        kept.counters.step += sum(made) * repeat
        kept.counters.episodes += len(ended)
        ticks = max(ticks, state.get("ticks", 0) + max(made))
        policy_state = kept.collector.policy_state
        if saved is not None:
            policy_state = section(saved, "policy_state/")
        kept.collector.restore(numbers, ticks, policy_state)
        if saved is not None:
            kept.source.restore(section(saved, "source/"))
        last = kept.counters.step
        changed = bool(ended or cut or numbers != state.get("episode_numbers", numbers))
        changed |= "numbered_indices" in state
        if saved is not None and kept.acting is not None:
            # With steps that came after the checkpoint its block is not collected beside again.
            kept.acting.restore({} if changed else section(saved, "acting/"))
        ended = [Ended(min(step, last), *rest) for step, _, *rest in sorted(ended)]
        return Restored(ended, cut, changed)


def known(state: dict[str, Any], i: int, count: int) -> Remembered:
    """Returns the `Remembered` of environment i of `count` in a checkpoint's state, {} at first."""
    if not state:
        return Remembered(0, -1)
    number = state["episode_numbers"][i]
    begin, length = state["unfinished"].get(str(i), (0, 0))
    if state.get("numbered_indices"):
        # Before format 3 an episode's index was number * environments + environment.
        return Remembered(number, (number - 1) * count + i, begin, length, number * count + i)
    if length > 1:
        # It may have ended right there, its worker having failed.
        return Remembered(number, (begin + length - 1) * count + i - 1, begin, length)
    return Remembered(number, state["ticks"] * count + i, begin, length)


def section(saved: Checkpoint, prefix: str) -> dict[str, np.ndarray]:
    """Returns {rest of name: array} of a checkpoint's arrays whose names begin so."""
    return {
        name.removeprefix(prefix): np.array(array)
        for name, array in saved.arrays.items()
        if name.startswith(prefix)
    }


def write_unfinished(saved: Checkpoint, episodes: Episodes) -> None:
    """Puts the unfinished episodes of a checkpoint of format 2 on the disk, as left over files."""
    for name, records in saved.arrays.items():
        if name.startswith(versions.UNFINISHED):
            i = int(name.removeprefix(versions.UNFINISHED))
            begin, _ = saved.state["unfinished"][str(i)]
            episodes.leave(i, saved.state["episode_numbers"][i], begin, records)
