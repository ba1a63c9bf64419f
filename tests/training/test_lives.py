"""A run's collector plays lives, its evaluator whole games."""

from types import SimpleNamespace

import numpy as np
import pytest

from dreamer_tf.agents.description import Description
from dreamer_tf.config.files import load_config
from dreamer_tf.envs.process import starting
from dreamer_tf.experience.sources import Sequences
from dreamer_tf.reports.display import Display
from dreamer_tf.training import assembly
from dreamer_tf.training.assembly import Machine, Ready

# Without a joystick, the towers of Assault fall one after the other, within 700 frames.
SETTINGS = [("task", "atari_assault"), ("env.observation", "vector")]


class Idler:
    """An agent that never acts."""

    dreams = None
    experience = Sequences(2, 8)
    variables = {}

    def __init__(self, spec):
        self.spec = spec

    def to_device(self, batch):
        return batch

    def initial_state(self, count):
        return {"none": np.zeros((count, 1), np.float32)}

    def policy(self, observation, is_first, state, seed, mode):
        return np.eye(self.spec.action_size, dtype=np.float32)[[0] * len(is_first)], state

    def describe(self):
        return Description("Idler", "never acts", {}, 1, {}, {})


@pytest.fixture
def trainer(tmp_path):
    config = load_config(["atari"], SETTINGS)
    run = SimpleNamespace(path=tmp_path, metrics=tmp_path / "metrics.jsonl")
    run.checkpoints, run.episodes = tmp_path / "checkpoints", tmp_path / "episodes"
    for folder in (run.checkpoints, run.episodes):
        folder.mkdir()
    start_worker = starting.worker_starter(config, None)
    workers = [start_worker(training=True)]
    agent, display = Idler(workers[0].spec), Display(config.steps)
    ready = Ready(Machine("CPU", "float32", None), display, start_worker, workers)
    trainer = assembly.make_trainer(config, run, agent, ready, None)
    yield trainer
    trainer.close()


def play(trainer):
    """Returns the first episode that the collector finishes."""

    def act(observation, is_first, state):
        return trainer.agent.policy(observation, is_first, state, None, "sample")

    while True:
        for finished in trainer.collector.step(act):
            return finished


def test_the_evaluator_plays_whole_games_also_after_failures_of_workers(trainer):
    life = play(trainer)
    assert trainer.episodes.read(life.index)["is_terminal"][-1]
    (game,) = trainer.evaluator.run(1)
    assert game.length > 2 * life.length
    # What replaces a worker is of the same kind.
    trainer.display.warn = lambda text: None
    trainer.collector.warn = lambda text: None
    trainer.collector.workers[0].close()
    assert play(trainer).length < 0.5 * game.length
    trainer.evaluator.close()
    (again,) = trainer.evaluator.run(1)
    assert (again.length, again.total) == (game.length, game.total)
