"""Collects experience: steps N environments with one batched policy."""

import numpy as np

from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.process.remote import WorkerError

# An environment whose worker failed this often without finishing an episode ends the run.
FAILURES_IN_A_ROW = 5


class Collector:
    """N environments in their workers, their unfinished episodes and the policy's state.

    `steps` counts the agent steps that were made since the start, lost ones included.

    Every episode's seed is a function of (run seed, environment, episode number); episode
    `number` of environment `i` has the index `number * N + i`.

    Args:
        start_worker: function that starts one more worker and returns its `RemoteEnv`.
        workers: the N `RemoteEnv`s to begin with.
        seed: the run's seed.
        initial_state: the policy's state before anything was observed, {name: [N, ...]}.
        warn: called with one line about each failure.
    """

    def __init__(self, start_worker, workers, seed, initial_state, warn):
        self.start_worker = start_worker
        self.seed = seed
        self.warn = warn
        self.workers = workers
        self.policy_state = initial_state
        self.numbers = [0] * len(workers)
        self.records = [[] for _ in workers]
        self.failures = [0] * len(workers)
        self.steps = 0
        self.fatal = None

    def __len__(self):
        return len(self.workers)

    def step(self, act):
        """Makes one step in every environment, after a reset where an episode has ended.

        Args:
            act: function of (observations {name: [N, ...]}, is_first [N], state) returning
                (actions [N, A], state).

        Returns:
            Finished episodes, a list of (index, records).

        Raises:
            WorkerError, UserError: an environment failed too often in a row. It is raised when
                the others have finished their step and what they gave was handed out.
        """
        if self.fatal is not None:
            raise self.fatal
        starting = [i for i, records in enumerate(self.records) if not records]
        self._exchange(starting, lambda i, worker: worker.send_reset(self.episode_seed(i)))
        if not all(self.records):
            return []  # A worker died in its reset; its replacement begins in the next call.
        current = np.stack([records[-1] for records in self.records])
        names = self.workers[0].spec.observations
        observation = {name: np.ascontiguousarray(current[name]) for name in names}
        actions, self.policy_state = act(observation, current["is_first"], self.policy_state)
        everyone = range(len(self))
        self.steps += self._exchange(everyone, lambda i, worker: worker.send_step(actions[i]))
        return [self._finish(i) for i in everyone if self._ended(i)]

    def episode_seed(self, i):
        """Returns the seed of environment i's current episode."""
        return seeding.integer(self.seed, "environment", i, self.numbers[i])

    def _exchange(self, chosen, send):
        """Sends to the chosen workers, which then work in parallel, and stores their records.

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
                self.records[i].append(self.workers[i].receive())
            except (WorkerError, UserError) as error:
                failed[i] = error
        for i, error in failed.items():
            self._replace(i, error)
        return len(chosen) - len(failed)

    def _replace(self, i, error):
        self.failures[i] += 1
        lost = max(len(self.records[i]) - 1, 0)
        self.numbers[i] += 1
        self.records[i] = []
        self.workers[i].close()
        if self.failures[i] >= FAILURES_IN_A_ROW:
            self.fatal = error
            return
        self.warn(
            f"environment {i} failed ({error}); its worker is replaced and the {lost} steps of "
            f"its unfinished episode are dropped"
        )
        self.workers[i] = self.start_worker()

    def _ended(self, i):
        return bool(self.records[i]) and bool(self.records[i][-1]["is_last"])

    def _finish(self, i):
        episode = (self.numbers[i] * len(self) + i, np.stack(self.records[i]))
        self.numbers[i] += 1
        self.records[i] = []
        self.failures[i] = 0
        return episode

    def unfinished(self):
        """Returns {environment: records so far} for a checkpoint."""
        return {i: np.stack(records) for i, records in enumerate(self.records) if records}

    def restore(self, numbers, unfinished, policy_state):
        """Brings environments and policy to where a checkpoint left them.

        An environment has no state that could be saved, but it is deterministic: it is reset
        with its episode's seed and its actions are made again without rendering. Where that
        gives other rewards, ends or vectors than before, the episode is dropped with a warning.

        Args:
            numbers: episode number of each environment.
            unfinished: {environment: records so far}.
            policy_state: {name: [N, ...]}.
        """
        self.numbers = list(numbers)
        self.policy_state = policy_state
        for i, records in unfinished.items():
            self.records[i] = list(records)
            try:
                actions = np.ascontiguousarray(records["action"][1:])
                repeated = self.workers[i].replay(self.episode_seed(i), actions)
            except (WorkerError, UserError) as error:
                self._replace(i, error)
                continue
            names = repeated.dtype.names
            if not all(np.array_equal(repeated[name], records[name]) for name in names):
                self.warn(
                    f"environment {i} does not repeat its unfinished episode; "
                    f"its {len(records) - 1} steps are dropped"
                )
                self.numbers[i] += 1
                self.records[i] = []

    def close(self):
        """Ends the workers."""
        for worker in self.workers:
            worker.close()
