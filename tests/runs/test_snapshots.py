"""When a checkpoint is due and what is taken back from it, with workers that really fail."""

from types import SimpleNamespace

import numpy as np
import pytest
from agents_for_tests import Still

from dreamer_tf.agents.random import RandomPolicy
from dreamer_tf.config.files import load_config
from dreamer_tf.envs.process import starting
from dreamer_tf.reports.display import Display
from dreamer_tf.runs import checkpoint
from dreamer_tf.training import assembly
from dreamer_tf.training.assembly import Machine, Ready

SETTINGS = [("env.observation", "vector"), ("checkpoint.minutes", "100")]


class Acting:
    """Stands where the policy that collects beside updates is; knows what it was given back."""

    def state(self):
        return {"weight": np.float32(3)}

    def restore(self, arrays):
        self.given = list(arrays)


@pytest.fixture
def make_trainer(tmp_path):
    """Returns a function that makes a run's `Trainer`; before it, the one before is left as by
    a kill."""
    made = []

    def make():
        config = load_config(["debug"], SETTINGS)
        run = SimpleNamespace(path=tmp_path, metrics=tmp_path / "metrics.jsonl")
        run.checkpoints, run.episodes = tmp_path / "checkpoints", tmp_path / "episodes"
        for folder in (run.checkpoints, run.episodes):
            folder.mkdir(exist_ok=True)
        start_worker = starting.worker_starter(config, None)
        workers = [start_worker(training=True)]
        agent = Still(config, workers[0].spec, "float32")
        saved = checkpoint.load_newest(run.checkpoints, pytest.fail)
        display = Display(config.steps)
        display.warn = lambda text: None
        ready = Ready(Machine("CPU", "float32", None), display, start_worker, workers)
        trainer = assembly.make_trainer(config, run, agent, ready, saved)
        made.append(trainer)
        trainer.acting = Acting()
        trainer.snapshots._kept = trainer.snapshots._kept._replace(acting=trainer.acting)
        trainer.resume(saved)
        return trainer

    yield make
    for trainer in made:
        trainer.close()


def collect(trainer, steps):
    policy = RandomPolicy(trainer.spec, 0)
    trainer._act = lambda observation, is_first, state: (policy(1, 0), state)
    for _ in range(steps):
        trainer.collect()
        trainer._save_if_due()


def test_after_a_worker_was_replaced_a_kill_uses_no_number_twice(make_trainer):
    trainer = make_trainer()
    collect(trainer, 5)
    assert trainer.collector.numbers == [0] and not trainer.snapshots.due(minutes=100)
    trainer.collector.workers[0].close()
    collect(trainer, 3)
    seed = trainer.collector.episode_seed(0)
    assert trainer.collector.numbers == [1] and not trainer.snapshots.due(minutes=100)
    # Nothing of the new episode was stored: it begins anew, in its own place.
    again = make_trainer()
    assert again.collector.numbers == [1] and again.collector.episode_seed(0) == seed


def test_a_failure_amid_a_block_is_remembered_until_its_steps_are_experience(make_trainer):
    trainer = make_trainer()
    collect(trainer, 5)
    trainer.collector.frozen = trainer.collector.state()
    trainer.collector.replaced += 1
    trainer.save()
    # Another one amid the block would be of the same moment.
    assert not trainer.snapshots.due(minutes=100)
    trainer.collector.frozen = None
    assert trainer.snapshots.due(minutes=100)
    trainer.save()
    assert not trainer.snapshots.due(minutes=100) and trainer.snapshots.due(minutes=0)


def test_weights_of_a_block_are_taken_back_only_where_it_is_collected_beside_again(make_trainer):
    trainer = make_trainer()
    collect(trainer, 5)
    trainer.collector.frozen = trainer.collector.state()
    trainer.save()
    trainer.collector.frozen = None
    assert make_trainer().acting.given == ["weight"]
    while not trainer.episodes.present():
        collect(trainer, 1)
    # An episode has ended since: its steps are experience, their updates come first.
    assert make_trainer().acting.given == []
