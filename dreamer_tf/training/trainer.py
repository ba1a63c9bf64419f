"""The training loop: collect, update, evaluate, log, save; stop and go on at any moment."""

import collections
import math
import signal
import time
from pathlib import Path

import numpy as np

from dreamer_tf.agents.random import RandomPolicy
from dreamer_tf.basics import seeding, stopping
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.process.remote import WorkerError
from dreamer_tf.reports import pictures, predictions
from dreamer_tf.reports.means import Means
from dreamer_tf.reports.stopwatch import Stopwatch
from dreamer_tf.reports.watch import Watch
from dreamer_tf.runs.checkpoint import Checkpoint
from dreamer_tf.runs.counters import Counters
from dreamer_tf.runs.snapshots import Kept, Snapshots
from dreamer_tf.training import evaluator, overlap
from dreamer_tf.training.parts import Parts, Reports, stateful
from dreamer_tf.training.schedule import Schedule


class Trainer:
    """Drives an agent; knows it by the `Agent` protocol and its experience by `Source` only.

    Args:
        config: `Config`.
        counters: where the run stands; updated in place.
        means: those of the block of updates under way.
        parts: `Parts`.
        reports: `Reports`.
        checkpoints: the folder of the checkpoints.
        precision: resolved compute precision.
    """

    def __init__(
        self,
        config: Config,
        counters: Counters,
        means: Means,
        parts: Parts,
        reports: Reports,
        checkpoints: str | Path,
        precision: str,
    ):
        self.config = config
        self.schedule = Schedule(config, parts.source.at_once)
        self.counters = counters
        self.means = means
        self.agent, self.source, self.collector, self.episodes, self.evaluator, self.acting = parts
        self.logger, self.display = reports
        kept = Kept(counters=counters, means=means, logger=self.logger, **stateful(parts))
        self.snapshots = Snapshots(
            checkpoints, config.checkpoint.keep, precision, kept, self.display.warn
        )
        self.spec = self.agent.spec
        self.random_policy = RandomPolicy(self.spec, config.seed)
        self.stopwatch = Stopwatch()
        self.watch = Watch(self.display.warn)
        self.stop_signal = None
        self.compiled = False  # The first update compiles.
        self.logged_step = counters.step
        self.started = time.monotonic()
        self.earlier_wall_time = counters.wall_time

    def resume(self, saved: Checkpoint | None) -> None:
        """Goes back to a checkpoint (None: to the beginning) and adopts newer episodes."""
        before = self.counters.episodes
        ended, cut, changed = self.snapshots.restore(saved)
        self.logged_step = self.counters.step
        for number, episode in enumerate(ended, start=before + 1):
            self.log_episode(episode.total, episode.length, number, episode.step)
        if saved is not None or ended or cut:
            newer = f", {len(ended)} newer episodes adopted" if ended else ""
            newer += f", {cut} unfinished ones cut" if cut else ""
            self.display.say(
                f"resumed    at step {self.counters.step}, update {self.counters.update}{newer}"
            )
        if changed:
            self.save()

    def run(self) -> bool:
        """Runs to the end, or until a signal of `stopping`; returns whether the run is finished.

        Raises:
            FloatingPointError: a loss or gradient was not finite; nothing is saved after it.
            WorkerError, UserError: an environment keeps failing; a checkpoint was saved.
        """
        self._interrupted = signal.getsignal(signal.SIGINT)
        stopping.handle(self._request_stop)
        self.display.begin(self.counters)
        try:
            self._loop()
        except (WorkerError, UserError):
            self.save()  # The agent is sound; what it learned is kept.
            raise
        self.save()
        complete = self.schedule.finished(self.counters)
        if complete and not self.config.replay.keep:
            self.episodes.delete_all()
        elif complete:
            self.episodes.delete_dropped()  # Nothing is left to be counted.
        return complete

    def _loop(self):
        while not self._stopping() and not self.schedule.finished(self.counters):
            ready = self.source.ready()
            if self.acting is not None and self._evaluation_comes_first():
                self.evaluate()
            elif not ready and not self.schedule.at_once:
                self._check_learnable()
                self.collect()
            elif ready and self.counters.update < self.schedule.updates_due(self.counters):
                self.train_block()
            elif self.schedule.evaluation_due(self.counters):
                self.evaluate()
            else:
                self.collect()
            self._save_if_due()

    def _check_learnable(self):
        """Raises a UserError where all steps are made, and nothing can be drawn from them."""
        if self.schedule.collected(self.counters):
            raise UserError(
                f"all {self.config.steps} steps are made, and no episode has ended or has "
                f"{self.episodes.stretch} of an agent's steps, so there is nothing to learn from: "
                "give more --steps with --extend, or a shorter --env.time_limit under another "
                "--name",
                status=1,
            )

    def _evaluation_comes_first(self):
        """Where steps are made beside updates, more updates are due until all steps are made."""
        steps_left = not self.schedule.collected(self.counters)
        trained = self.schedule.pretrained(self.counters)
        return steps_left and trained and self.schedule.evaluation_due(self.counters)

    def _request_stop(self, number, frame):
        self.stop_signal = number
        self.display.stopping()
        # A second Ctrl-C does not wait any more: files are whole at every moment.
        signal.signal(signal.SIGINT, self._interrupted)

    def _stopping(self):
        return self.stop_signal is not None or self.logger.stop

    def collect(self) -> None:
        """Makes one step in every environment and stores the episodes that it finishes."""
        prefilling = self.schedule.prefilling(self.counters)
        self.display.doing("collecting with random actions" if prefilling else "collecting")
        begin = time.monotonic()
        acting, steps = self.stopwatch.seconds.get("act", 0.0), self.collector.steps
        finished = self.collector.step(self._act)
        acting = self.stopwatch.seconds.get("act", 0.0) - acting
        self.stopwatch.add("environment", time.monotonic() - begin - acting)
        self._experience(self.collector.rows, finished, self.collector.steps - steps)

    def _act(self, observation, is_first, state):
        with self.stopwatch("act"):
            if self.schedule.prefilling(self.counters):
                return self.random_policy(len(is_first), self.counters.step), state
            seed = seeding.pair(self.config.seed, "policy", self.counters.step)
            return self.agent.policy(observation, is_first, state, seed, "explore")

    def _experience(self, rows, finished, made):
        """Makes one step of the collector something to learn from."""
        self.counters.step += made * self.spec.action_repeat
        self.source.observe(rows)
        for episode in finished:
            self.counters.episodes += 1
            self.log_episode(
                episode.total, episode.length, self.counters.episodes, self.counters.step
            )
        self.display.progress(self.counters)

    def _take(self, ahead):
        """Waits for the steps that were made beside the updates; now they are experience."""
        with self.stopwatch("environment"):
            steps, error = ahead.steps()
        for each in steps:
            for method, arguments in each.calls:
                getattr(self.episodes, method)(*arguments)
            self._experience(each.rows, each.finished, each.made)
        if error is not None:
            raise error

    def train_block(self) -> None:
        """Makes the updates up to the end of the block that is due, then logs their means.

        A source that cannot serve all of them has the block go on later.
        """
        self.display.doing("learning" if self.compiled else "compiling the updates")
        end = self.schedule.block_end(self.counters.update)
        count = end - self.counters.update
        parts = self.collector, self.acting, self.schedule, self.counters
        ahead = overlap.begin(*parts, self.config.seed, self.spec.action_repeat, end)
        try:
            self._learn(end, count, ahead)
        except BaseException:
            if ahead is not None:
                ahead.cancel()
            raise
        if ahead is not None and self.counters.update < end:
            ahead.cancel()  # Where the run goes on, these steps are made again.
        elif ahead is not None:
            self._take(ahead)

    def _learn(self, end, count, ahead):
        last = end - 1 if self.config.train.updates > 1 else None
        with self.source.batches(self.counters.update, count) as batches:
            while self.counters.update < end and not self._stopping():
                if self.counters.update == last:
                    with self.stopwatch("environment"):
                        overlap.wait(ahead, self._stopping)
                    if self._stopping():
                        break
                with self.stopwatch("sample"):
                    batch = next(batches, None)
                if batch is None:
                    break
                with self.stopwatch("train"):
                    seed = seeding.pair(self.config.seed, "update", self.counters.update)
                    metrics = dict(self.agent.update(batch, seed))
                    self.source.feedback(self.counters.update, metrics.pop("priorities", None))
                    self.means.add(metrics)
                self.counters.update += 1
                if not self.compiled:
                    self.compiled = True
                    self.display.doing("learning")
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
            report = {name: float(value) for name, value in report.items()}
            if self.config.train.skip_nonfinite:
                report = {name: value for name, value in report.items() if math.isfinite(value)}
            metrics.update(report)
        self.means.clear()
        self.logger.write("agent", self._counter_fields(), {**metrics, **self._timings()})
        self.display.trained(metrics)
        if metrics.get("skipped"):
            self.display.warn(
                f"{metrics['skipped']:.0%} of the updates up to {self.counters.update} were left "
                "out: something was not finite"
            )
        # Where all updates were left out, or an entropy was not finite, that is not known.
        known = collections.defaultdict(lambda: math.nan, metrics)
        self.watch.notice(self.agent.symptoms(known), self.counters.update)

    def _timings(self):
        elapsed, seconds = self.stopwatch.restart()
        steps = self.counters.step - self.logged_step
        self.logged_step = self.counters.step
        timings = {"fps": steps / elapsed}
        for phase in ("act", "environment", "sample", "train"):
            timings[f"time_{phase}"] = seconds.get(phase, 0.0)
        self.display.timed(timings["fps"], elapsed, seconds)
        return timings

    def evaluate(self) -> None:
        """Measures the agent; given up without a trace when the run is asked to stop."""
        self.display.doing("evaluating")
        shows = "image" in self.spec.observations or self.agent.dreams is not None
        filming = shows and self.schedule.filmed(self.counters)
        with self.stopwatch("evaluate"):
            episodes = self.evaluator.run(
                self.config.evaluate.episodes,
                self._stopping,
                recorded=pictures.SEQUENCES if filming else 0,
            )
        if episodes is None:
            return
        found = evaluator.metrics_of(episodes)
        metrics = {**found, "episodes": self.counters.episodes}
        self.logger.write("sim", self._counter_fields(), metrics)
        recorded = [episode.records for episode in episodes if episode.records is not None]
        if recorded:
            self.show(recorded)
        # After a kill several may be overdue; one is made for all of them.
        self.counters.evaluations = self.schedule.evaluations_due(self.counters)
        self.counters.evaluated_at = self.counters.step
        mean, error = found["test/return"], found.get("test/return_error")
        self.display.evaluated(self.counters.step, mean, error, len(episodes))

    def show(self, episodes: list[np.ndarray]) -> None:
        """Shows a held-out episode, and predictions on such and on training data."""
        update, training = self.counters.update, None
        # Rollouts are learned from before there are any episodes.
        if self.agent.dreams is not None and self.episodes.sources():
            drawn = self.source.sample(update, 4 * pictures.SEQUENCES, pictures.LENGTH)
            training = pictures.unbroken(drawn, pictures.SEQUENCES)
        seed = seeding.pair(self.config.seed, "videos", update)
        predictions.write(
            self.logger, self.counters.step, self.agent.dreams, episodes, training, seed
        )

    def log_episode(self, total: float, length: int, episodes: int, step: int) -> None:
        """Logs a training episode that finished at `step`.

        Args:
            total: its return.
            length: its agent steps.
            episodes: how many have finished, this one included.
            step: environment steps made by then.
        """
        metrics = {"train/return": total, "train/length": length, "episodes": episodes}
        self.logger.write("sim", self._counter_fields(step), metrics)
        self.display.episode(total)

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
        if self.snapshots.due(self.config.checkpoint.minutes):
            self.save()

    def save(self) -> None:
        """Writes a checkpoint of everything that a bit-exact resume needs."""
        self._counter_fields()  # Brings the running time up to date.
        self.snapshots.save()

    def close(self) -> None:
        """Ends the workers and closes the files and the display."""
        for part in (self.display, self.collector, self.evaluator, self.logger):
            part.close()
