"""Collects experience: steps N environments with one batched policy."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np

from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.process.remote import MOST_THREADS, RemoteEnv, WorkerError, close_all
from dreamer_tf.experience.episode_file import DamagedFile
from dreamer_tf.experience.episodes import Episodes

# An environment whose worker failed this often without finishing an episode ends the run.
FAILURES_IN_A_ROW = 5


class Finished(NamedTuple):
    """A finished episode: its index, its return and its length in agent steps."""

    index: int
    total: float
    length: int


class CollectorState(NamedTuple):
    """What `Collector.restore` needs: episode numbers [N], ticks, the policy's state."""

    numbers: list
    ticks: int
    policy_state: dict


class Underway:
    """What must be known of an unfinished episode, however long it gets.

    Attributes:
        record: its last record.
        total: its return so far.
        steps: agent steps made so far, -1 before the reset's record.
    """

    def __init__(self):
        self.record, self.total, self.steps = None, 0.0, -1

    def add(self, record: np.ndarray | np.void) -> None:
        """Takes the next record."""
        self.record = record
        # A number of its own: a view would keep the whole record, image included.
        self.total += float(record["reward"])
        self.steps += 1


class Collector:
    """N environments in their workers, the policy's state, and what becomes of their records.

    Every record goes to `Episodes` at once. Every episode's seed is a function of (run seed,
    environment, episode number).

    Args:
        start_worker: function that starts one more worker and returns its `RemoteEnv`.
        workers: the N `RemoteEnv`s to begin with.
        seed: the run's seed.
        initial_state: the policy's state before anything was observed, {name: [N, ...]}.
        episodes: `Episodes` of N environments.
        warn: called with one line about each failure.

    Attributes:
        steps: agent steps that were made since the start, lost ones included.
        ticks: steps that every environment has made, over all sessions.
        rows: [(environment, record), ...] of the last `step`, see `Source.observe`.
        numbers: episode number of each environment.
        replaced: workers that were replaced since the start. What became of their episodes only a
            checkpoint remembers.
        frozen: `CollectorState` of when it began to make steps that are not experience yet, None
            where it makes none.
    """

    def __init__(
        self,
        start_worker: Callable[[], RemoteEnv],
        workers: list[RemoteEnv],
        seed: int,
        initial_state: dict[str, np.ndarray],
        episodes: Episodes,
        warn: Callable[[str], None],
    ):
        self.start_worker = start_worker
        self.seed = seed
        self.episodes = episodes
        self.warn = warn
        self.workers = workers
        self.policy_state = initial_state
        self.numbers = [0] * len(workers)
        self.failures = [0] * len(workers)
        self.underway = [None] * len(workers)
        self.steps = self.ticks = self.replaced = 0
        self.rows = []
        self.fatal = None
        self.frozen = None

    def state(self) -> CollectorState:
        """Returns the `CollectorState` that goes with what is experience by now."""
        return self.frozen or CollectorState(list(self.numbers), self.ticks, self.policy_state)

    def __len__(self):
        return len(self.workers)

    def step(
        self,
        act: Callable[
            [dict[str, np.ndarray], np.ndarray, dict[str, np.ndarray]],
            tuple[np.ndarray, dict[str, np.ndarray]],
        ],
    ) -> list[Finished]:
        """Makes one step in every environment, after a reset where an episode has ended.

        Args:
            act: function of (observations {name: [N, ...]}, is_first [N], state) returning
                (actions [N, A], state).

        Returns:
            [`Finished`, ...].

        Raises:
            WorkerError, UserError: an environment failed too often in a row. It is raised when
                the others have finished their step and what they gave was handed out.
        """
        if self.fatal is not None:
            raise self.fatal
        self.rows = []
        starting = [i for i, underway in enumerate(self.underway) if underway is None]
        self._exchange(starting, lambda i, worker: worker.send_reset(self.episode_seed(i)))
        if not all(self.underway):
            return []  # A worker died in its reset; its replacement begins in the next call.
        current = np.stack([underway.record for underway in self.underway])
        names = self.workers[0].spec.observations
        observation = {name: np.ascontiguousarray(current[name]) for name in names}
        actions, self.policy_state = act(observation, current["is_first"], self.policy_state)
        everyone = range(len(self))
        self.ticks += 1
        self.steps += self._exchange(everyone, lambda i, worker: worker.send_step(actions[i]))
        return [self._finish(i) for i in everyone if self._ended(i)]

    def episode_seed(self, i: int) -> int:
        """Returns the seed of environment i's current episode."""
        return seeding.integer(self.seed, "environment", i, self.numbers[i])

    def _exchange(self, chosen, send):
        """Sends to the chosen workers, which then work in parallel, and keeps their records.

        Returns how many answered; the others have been replaced.
        """
        failed = {}
        for i in chosen:
            try:
                send(i, self.workers[i])
            except (WorkerError, UserError) as error:
                failed[i] = error
        for i in chosen:
            if i in failed:
                continue
            try:
                record = self.workers[i].receive()
            except (WorkerError, UserError) as error:
                failed[i] = error
            else:
                self._keep(i, record)
        for i, error in failed.items():
            self._replace(i, error)
        return len(chosen) - len(failed)

    def _keep(self, i, record):
        if self.underway[i] is None:
            self.episodes.begin(i, self.numbers[i], self.ticks)
            self.underway[i] = Underway()
        self.underway[i].add(record)
        self.episodes.append(i, record)
        self.rows.append((i, record))

    def _replace(self, i, error):
        self.failures[i] += 1
        self.workers[i].close()
        fate = self._given_up(i)
        if self.failures[i] >= FAILURES_IN_A_ROW:
            self.fatal = error
            return
        self.warn(f"environment {i} failed ({error}); its worker is replaced and {fate}")
        self.replaced += 1
        try:
            self.workers[i] = self.start_worker()
        except UserError as lack:
            self.fatal = lack

    def _given_up(self, i):
        """Gives up environment i's unfinished episode; returns what became of it, in words."""
        had_steps = i in self.episodes.growing and len(self.episodes.growing[i]) > 1
        lost = self._abandon(i)
        if had_steps and not lost:
            return "its unfinished episode is kept as far as it came"
        return f"the {lost} steps of its unfinished episode are dropped"

    def _abandon(self, i):
        """Gives up environment i's unfinished episode; returns how many steps are lost."""
        lost = self.episodes.abandon(i) if i in self.episodes.growing else 0
        self.numbers[i] += 1
        self.underway[i] = None
        return lost

    def _ended(self, i):
        return self.underway[i] is not None and bool(self.underway[i].record["is_last"])

    def _finish(self, i):
        underway = self.underway[i]
        index = self.episodes.finish(i).index
        self.numbers[i] += 1
        self.underway[i] = None
        self.failures[i] = 0
        return Finished(index, underway.total, underway.steps)

    def restore(
        self, numbers: Iterable[int], ticks: int, policy_state: dict[str, np.ndarray]
    ) -> None:
        """Brings environments and policy to where a checkpoint left them.

        An environment has no state that could be saved, but it is deterministic: it is reset
        with its episode's seed and its actions are made again without rendering. Where that
        gives other rewards, ends or vectors than before, the episode is given up with a warning.

        Args:
            numbers: episode number of each environment.
            ticks: steps that every environment has made.
            policy_state: {name: [N, ...]}.
        """
        self.numbers = list(numbers)
        self.ticks = ticks
        self.policy_state = policy_state
        unfinished = sorted(self.episodes.growing)
        with ThreadPoolExecutor(min(len(unfinished), MOST_THREADS) or 1) as threads:
            repeated = list(threads.map(self._repeat, unfinished))
        for i, result in zip(unfinished, repeated, strict=True):
            if isinstance(result, WorkerError | UserError):
                self._replace(i, result)
            elif isinstance(result, Underway):
                self.underway[i] = result
            else:
                self.warn(f"environment {i} {result}; {self._given_up(i)}")
                self.replaced += 1  # Other episodes than before: a checkpoint has to say so.

    def _repeat(self, i):
        """Makes environment i's unfinished episode again, in a thread.

        Returns its `Underway`, the exception of a worker that failed, or why it cannot go on.
        """
        growing, worker = self.episodes.growing[i], self.workers[i]
        try:
            made, underway = self._read_blind(growing, worker.spec.blind_dtype)
            actions = np.ascontiguousarray(made["action"][1:])
            repeated = worker.replay(self.episode_seed(i), actions)
        except (WorkerError, UserError) as error:
            return error
        except (DamagedFile, OSError) as error:
            return f"has an unreadable unfinished episode ({error})"
        if any(not np.array_equal(repeated[name], made[name]) for name in repeated.dtype.names):
            return "does not repeat its unfinished episode"
        return underway

    def _read_blind(self, growing, dtype):
        """Returns an unfinished episode's records without images, and its `Underway`."""
        made, underway = np.zeros(growing.stored, dtype), Underway()
        position = 0
        for block in growing.records():
            part = made[position : position + len(block)]
            for name in dtype.names:
                part[name] = block[name]
            position += len(block)
            for record in block:
                underway.add(record)
        underway.record = underway.record.copy()  # Not a part of the block.
        return made, underway

    def close(self) -> None:
        """Ends the workers, all at the same time."""
        close_all(self.workers)
