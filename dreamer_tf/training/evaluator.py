"""Episodes with the agent's best actions, to measure it."""

from typing import NamedTuple

import numpy as np

from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.process.remote import WorkerError

ATTEMPTS = 3


class Episode(NamedTuple):
    """One evaluation episode: its seed, return, length in agent steps, records and, where asked
    for, rendered frames uint8 [T, H, W, 3]."""

    seed: int
    total: float
    length: int
    records: np.ndarray
    frames: np.ndarray | None = None


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

    def __init__(self, start_worker, agent, seed, warn, action, filmed=0):
        self.filmed = filmed
        self.start_worker = start_worker
        self.agent = agent
        self.seed = seed
        self.warn = warn
        self.action = action
        self.worker = None

    @property
    def spec(self):
        """`EnvSpec` of the environment, whose worker is started for it.

        Raises:
            WorkerError, UserError: it does not start.
        """
        self.worker = self.worker or self.start_worker()
        return self.worker.spec

    def run(self, count, should_stop=lambda: False):
        """Returns `count` `Episode`s, or None as soon as `should_stop()` is true.

        Raises:
            WorkerError: the worker failed several times on one episode.
        """
        episodes = []
        while len(episodes) < count:
            episode = self._attempt(len(episodes), should_stop)
            if episode is None:
                return None
            episodes.append(episode)
        return episodes

    def _attempt(self, number, should_stop):
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self.worker = self.worker or self.start_worker()
                return self._run_episode(number, should_stop)
            except (WorkerError, UserError) as error:
                self.close()
                if attempt == ATTEMPTS:
                    raise
                self.warn(f"the evaluation's environment failed ({error}); trying again")

    def _run_episode(self, number, should_stop):
        seed = seeding.integer(self.seed, "evaluation", number)
        self.worker.send_reset(seed)
        records = [self.worker.receive()]
        frames = [self.worker.render()] if number < self.filmed else []
        state = self.agent.initial_state(1)
        while not records[-1]["is_last"]:
            if should_stop():
                # The worker stays at this point of the episode; the next reset forgets it.
                return None
            current = records[-1]
            observation = {name: current[name][None] for name in self.worker.spec.observations}
            is_first = np.array([current["is_first"]])
            noise = seeding.pair(self.seed, "evaluation/policy", number, len(records))
            action, state = self.agent.policy(observation, is_first, state, noise, self.action)
            self.worker.send_step(action[0])
            records.append(self.worker.receive())
            if frames:
                frames.append(self.worker.render())
        records = np.stack(records)
        total = float(records["reward"].sum(dtype=np.float64))
        film = np.stack(frames) if frames else None
        return Episode(seed, total, len(records) - 1, records, film)

    def close(self):
        """Ends the worker."""
        if self.worker is not None:
            self.worker.close()
            self.worker = None


def summarize(episodes):
    """Returns (mean return, standard error of it or None for one episode)."""
    returns = np.array([episode.total for episode in episodes])
    if len(returns) < 2:
        return float(returns.mean()), None
    return float(returns.mean()), float(returns.std(ddof=1) / np.sqrt(len(returns)))
