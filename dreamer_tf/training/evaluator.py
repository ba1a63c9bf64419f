"""Episodes with the agent's best actions, to measure it."""

import tempfile
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.nameless import nameless_file
from dreamer_tf.envs.process.remote import RemoteEnv, WorkerError
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.experience.growing_file import write_all
from dreamer_tf.reports.pictures import Film

ATTEMPTS = 3


class Evaluated(NamedTuple):
    """One evaluation episode: its seed, return, length in agent steps and, where asked for, its
    records, an array [T] on the disk, and its `Film`."""

    seed: int
    total: float
    length: int
    records: np.ndarray | None = None
    film: Film | None = None


class Evaluator:
    """Runs evaluation episodes in a worker of its own, one after the other.

    Seeds are a function of (seed, episode) in a stream of their own, so every evaluation of a
    run meets the same episodes, and none that training meets.

    Args:
        start_worker: function that starts a worker and returns its `RemoteEnv`.
        agent: an `Agent`.
        seed: seed of environments and policy.
        warn: called with one line about each failure of the worker.
        action: `"mode"` or `"mean"`, see `Agent.policy`.
        filmed: how many episodes, the first ones, are rendered.
    """

    def __init__(
        self,
        start_worker: Callable[[], RemoteEnv],
        agent: Agent,
        seed: int,
        warn: Callable[[str], None],
        action: str,
        filmed: int = 0,
    ):
        self.filmed = filmed
        self.start_worker = start_worker
        self.agent = agent
        self.seed = seed
        self.warn = warn
        self.action = action
        self.worker = None

    @property
    def spec(self) -> EnvSpec:
        """`EnvSpec` of the environment, whose worker is started for it.

        Raises:
            WorkerError, UserError: it does not start.
        """
        self.worker = self.worker or self.start_worker()
        return self.worker.spec

    @property
    def can_render(self) -> bool:
        """Whether episodes can be filmed; waits and raises as `spec` does."""
        return bool(self.spec) and self.worker.can_render

    def run(
        self,
        count: int,
        should_stop: Callable[[], bool] = lambda: False,
        recorded: int = 0,
        tell: Callable[[int, Evaluated], None] = lambda number, episode: None,
    ) -> list[Evaluated] | None:
        """Returns `count` `Evaluated` episodes, or None as soon as `should_stop()` is true.

        Args:
            count: number of episodes.
            should_stop: asked before every step.
            recorded: how many episodes, the first ones, keep their records.
            tell: called with the number of each episode and itself when it has ended.

        Raises:
            WorkerError: the worker failed several times on one episode.
            UserError: something that a person has to mend first; the worker is gone.
        """
        episodes = []
        while len(episodes) < count:
            number = len(episodes)
            episode = self._attempt(number, should_stop, number < recorded)
            if episode is None:
                return None
            episodes.append(episode)
            tell(number, episode)
        return episodes

    def _attempt(self, number, should_stop, recorded):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.worker = self.worker or self.start_worker()
                return self._run_episode(number, should_stop, recorded)
            except UserError:  # Which another attempt would meet again.
                self.close()
                raise
            except WorkerError as error:
                self.close()
                if attempt == ATTEMPTS:
                    raise
                self.warn(f"the evaluation's environment failed ({error}); trying again")

    def _run_episode(self, number, should_stop, recorded):
        seed = seeding.integer(self.seed, "evaluation", number)
        self.worker.send_reset(seed)
        current = self.worker.receive()
        total, length = float(current["reward"]), 0
        tape = self._spared(Tape, current) if recorded else None
        film = Film(self.worker.render()) if number < self.filmed else None
        state = self.agent.initial_state(1)
        while not current["is_last"]:
            if should_stop():
                # The worker stays at this point of the episode; the next reset forgets it.
                return None
            observation = {name: current[name][None] for name in self.worker.spec.observations}
            is_first = np.array([current["is_first"]])
            noise = seeding.pair(self.seed, "evaluation/policy", number, length + 1)
            action, state = self.agent.policy(observation, is_first, state, noise, self.action)
            self.worker.send_step(action[0])
            current = self.worker.receive()
            total, length = total + float(current["reward"]), length + 1
            if tape is not None:
                tape = self._spared(tape.add, current)
            if film is not None:
                film.add(self.worker.render())
        records = None if tape is None else self._spared(tape.records)
        return Evaluated(seed, total, length, records, film)

    def _spared(self, use, *arguments):
        """Returns what a use of a `Tape` returns, None where the disk fails it.

        An episode without videos is a loss; an end of the run for them would be a greater one.
        """
        try:
            return use(*arguments)
        except OSError as error:
            # Not `gettempdir()`, which fails where no folder can be written.
            where = tempfile.tempdir or "the folder of temporary files"
            self.warn(f"no videos of this episode: {where} takes no more ({error.strerror})")
            return None

    def close(self) -> None:
        """Ends the worker."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None


class Tape:
    """Records that go to a nameless file, so that no episode is too long for the memory.

    Making it, adding to it and reading it raise OSError where the disk fails.

    Args:
        first: the first record.
    """

    def __init__(self, first: np.ndarray):
        self._dtype = first.dtype
        self._file = nameless_file(buffering=0)
        self.add(first)

    def add(self, record: np.ndarray) -> Self:
        """Adds a record; returns the tape."""
        write_all(self._file, record.tobytes())
        return self

    def records(self) -> np.ndarray:
        """Returns all records as a read-only array [T] whose data stays on the disk."""
        return np.memmap(self._file, self._dtype, "r")


def summarize(episodes: list[Evaluated]) -> tuple[float, float | None]:
    """Returns (mean return, standard error of it or None for one episode)."""
    returns = np.array([episode.total for episode in episodes])
    if len(returns) < 2:
        return float(returns.mean()), None
    return float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(len(returns)))


def metrics_of(episodes: list[Evaluated]) -> dict[str, float]:
    """Returns what is logged of an evaluation's episodes, {name: float}."""
    mean, error = summarize(episodes)
    length = float(np.mean([episode.length for episode in episodes]))
    errors = {} if error is None else {"test/return_error": error}
    return {"test/return": mean, "test/length": length, **errors}
