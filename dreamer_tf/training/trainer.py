"""The training loop: collect, update, evaluate, log, save; stop and go on at any moment."""

import contextlib
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dreamer_tf.agents.protocol import Agent
from dreamer_tf.agents.random import RandomPolicy
from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.process.remote import WorkerError
from dreamer_tf.experience.collector import Collector
from dreamer_tf.experience.replay import Replay
from dreamer_tf.reports import pictures
from dreamer_tf.reports.display import Display
from dreamer_tf.reports.logger import Logger
from dreamer_tf.reports.means import Means
from dreamer_tf.reports.stopwatch import Stopwatch
from dreamer_tf.runs import checkpoint, resume, saved_agent, versions
from dreamer_tf.runs.counters import Counters
from dreamer_tf.training import evaluator
from dreamer_tf.training.schedule import Schedule


@dataclass
class Trainer:
    """Drives an agent; knows it by the `Agent` protocol only.

    The counters say where the run stands and are updated in place; the collector holds the
    training environments; checkpoints is the folder of their files; means are those of the block
    of updates under way; precision is the resolved compute precision.
    """

    config: Config
    schedule: Schedule
    counters: Counters
    agent: Agent
    collector: Collector
    evaluator: evaluator.Evaluator
    replay: Replay
    logger: Logger
    display: Display
    checkpoints: Path
    means: Means
    precision: str

    def __post_init__(self):
        self.stop_signal = None
        self.stopwatch = Stopwatch()
        self.logged_step = self.counters.step
        self.spec = self.collector.workers[0].spec
        self.random_policy = RandomPolicy(self.spec, self.config.seed)
        self.started = self.saved = time.monotonic()
        self.earlier_wall_time = self.counters.wall_time

    def resume(self, saved):
        """Goes back to a checkpoint (None: to the beginning) and adopts newer episodes."""
        if saved is not None:
            saved_agent.put_variables(self.agent, saved)
        adopted = resume.restore(saved, self.collector, self.replay, self.counters)
        self.logged_step = self.counters.step
        before = self.counters.episodes - len(adopted)
        for number, (index, step) in enumerate(adopted, start=before + 1):
            # An episode that turns out damaged is warned of by the replay and used no more.
            with contextlib.suppress(UserError):
                self.log_episode(self.replay.read(index), number, step)
        if saved is not None or adopted:
            newer = f", {len(adopted)} newer episodes adopted" if adopted else ""
            self.display.say(
                f"resumed    at step {self.counters.step}, update {self.counters.update}{newer}"
            )

    def run(self):
        """Runs to the end, or until SIGINT or SIGTERM; returns whether the run is finished.

        Raises:
            FloatingPointError: a loss or gradient was not finite; nothing is saved after it.
            WorkerError, UserError: an environment keeps failing; a checkpoint was saved.
        """
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._request_stop)
        self.display.begin(self.counters)
        try:
            self._loop()
        except (WorkerError, UserError):
            self.save()  # The agent is sound; what it learned is kept.
            raise
        self.save()
        complete = self.schedule.finished(self.counters)
        if complete and not self.config.replay.keep:
            self.replay.delete_all()
        elif complete:
            self.replay.delete_dropped()  # Nothing is left to be counted.
        return complete

    def _loop(self):
        while self.stop_signal is None and not self.schedule.finished(self.counters):
            if not len(self.replay):
                self.collect()
            elif self.counters.update < self.schedule.updates_due(self.counters):
                self.train_block()
            elif self.schedule.evaluation_due(self.counters):
                self.evaluate()
            else:
                self.collect()
            self._save_if_due()

    def _request_stop(self, number, frame):
        self.stop_signal = number
        # A second Ctrl-C does not wait any more: files are whole at every moment.
        signal.signal(signal.SIGINT, signal.default_int_handler)

    def _stopping(self):
        return self.stop_signal is not None

    def collect(self):
        """Makes one step in every environment and stores the episodes that it finishes."""
        begin = time.monotonic()
        acting, steps = self.stopwatch.seconds.get("act", 0.0), self.collector.steps
        finished = self.collector.step(self._act)
        acting = self.stopwatch.seconds.get("act", 0.0) - acting
        self.stopwatch.add("environment", time.monotonic() - begin - acting)
        self.counters.step += (self.collector.steps - steps) * self.spec.action_repeat
        for index, records in finished:
            self.replay.add(index, records)
            self.counters.episodes += 1
            self.log_episode(records, self.counters.episodes, self.counters.step)
        self.display.progress(self.counters)

    def _act(self, observation, is_first, state):
        with self.stopwatch("act"):
            if self.schedule.prefilling(self.counters):
                return self.random_policy(len(is_first), self.counters.step), state
            seed = seeding.pair(self.config.seed, "policy", self.counters.step)
            return self.agent.policy(observation, is_first, state, seed, "explore")

    def train_block(self):
        """Makes the updates up to the end of the block that is due, then logs their means."""
        end = self.schedule.block_end(self.counters.update)
        train = self.config.train
        count = end - self.counters.update
        with self.replay.batches(
            self.counters.update, count, train.batch_size, train.batch_length
        ) as batches:
            while self.counters.update < end and not self._stopping():
                with self.stopwatch("sample"):
                    batch = next(batches)
                with self.stopwatch("train"):
                    seed = seeding.pair(self.config.seed, "update", self.counters.update)
                    self.means.add(self.agent.update(batch, seed))
                self.counters.update += 1
                self.display.progress(self.counters)
                if self.counters.update < end:
                    self._save_if_due()
        if self.counters.update == end:
            self._finish_block(batch, seed)

    def _finish_block(self, batch, seed):
        with self.stopwatch("train"):
            self.means.fold()
            self.agent.check()
            metrics = self.means.result()
            report = self.agent.report(batch, seed)
            metrics.update({name: float(value) for name, value in report.items()})
        self.means.clear()
        self.logger.write("agent", self._counter_fields(), {**metrics, **self._timings()})
        self.display.trained(metrics)

    def _timings(self):
        elapsed, seconds = self.stopwatch.restart()
        steps = self.counters.step - self.logged_step
        self.logged_step = self.counters.step
        timings = {"fps": steps / elapsed}
        for phase in ("act", "environment", "sample", "train"):
            timings[f"time_{phase}"] = seconds.get(phase, 0.0)
        self.display.timed(timings["fps"], elapsed, seconds)
        return timings

    def evaluate(self):
        """Measures the agent; given up without a trace when the run is asked to stop."""
        with self.stopwatch("evaluate"):
            episodes = self.evaluator.run(self.config.evaluate.episodes, self._stopping)
        if episodes is None:
            return
        mean, error = evaluator.summarize(episodes)
        metrics = {
            "test/return": mean,
            "test/length": float(np.mean([episode.length for episode in episodes])),
            "episodes": self.counters.episodes,
        }
        if error is not None:
            metrics["test/return_error"] = error
        self.logger.write("sim", self._counter_fields(), metrics)
        every = self.config.evaluate.videos
        if every and self.counters.evaluations % every == 0:
            self.show([episode.records for episode in episodes])
        # After a kill several may be overdue; one is made for all of them.
        past = self.counters.step - self.config.train.prefill
        self.counters.evaluations = 1 + past // self.config.evaluate.every
        self.counters.evaluated_at = self.counters.step
        self.display.evaluated(self.counters.step, mean, error, len(episodes))

    def show(self, episodes):
        """Writes videos of held-out episodes and of predictions on them and on training data."""
        if "image" not in self.spec.observations:
            return
        update, step = self.counters.update, self.counters.step
        seed = seeding.pair(self.config.seed, "videos", update)
        trained = self.replay.sample(update, pictures.SEQUENCES, pictures.LENGTH)
        videos = {
            "sim/test/episode": pictures.episode(episodes[0]),
            "agent/test/open_loop": pictures.prediction(
                self.agent.dreams, pictures.windows(episodes), seed
            ),
            "agent/train/open_loop": pictures.prediction(self.agent.dreams, trained, seed),
        }
        for tag, frames in videos.items():
            if frames is not None:
                self.logger.video(tag, step, frames)

    def log_episode(self, records, episodes, step):
        """Logs a training episode finished at `step`; `episodes`: how many there are with it."""
        metrics = {
            "train/return": float(records["reward"].sum(dtype=np.float64)),
            "train/length": len(records) - 1,
            "episodes": episodes,
        }
        self.logger.write("sim", self._counter_fields(step), metrics)
        self.display.episode(metrics["train/return"])

    def _counter_fields(self, step=None):
        counters = self.counters
        counters.wall_time = self.earlier_wall_time + time.monotonic() - self.started
        step = counters.step if step is None else step
        return {
            "step": step,
            "agent_step": step // self.spec.action_repeat,
            "update": counters.update,
            "wall_time": round(counters.wall_time, 3),
        }

    def _save_if_due(self):
        if time.monotonic() - self.saved > 60 * self.config.checkpoint.minutes:
            self.save()

    def save(self):
        """Writes a checkpoint of everything that a bit-exact resume needs."""
        self.means.fold()
        self.agent.check()
        self.logger.flush()
        self._counter_fields()
        arrays = saved_agent.variable_arrays(self.agent)
        for name, value in self.collector.policy_state.items():
            arrays[f"policy_state/{name}"] = value
        for i, records in self.collector.unfinished().items():
            arrays[f"unfinished/{i}"] = records
        state = {
            "format": versions.FORMAT,
            "precision": self.precision,
            "counters": vars(self.counters),
            "episode_numbers": self.collector.numbers,
            "means": self.means.state(),
            "metrics_offset": self.logger.offset,
            "spec": self.spec.to_json(),
            "replay_floor": self.replay.floor,
        }
        checkpoint.save(
            self.checkpoints,
            arrays,
            state,
            update=self.counters.update,
            step=self.counters.step,
            keep=self.config.checkpoint.keep,
        )
        self.replay.delete_dropped()
        self.saved = time.monotonic()

    def close(self):
        """Ends the workers and closes the files and the display."""
        for part in (self.display, self.collector, self.evaluator, self.logger):
            part.close()
