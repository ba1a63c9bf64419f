"""Agents that learn from windows and from rollouts, driven by the real trainer and real workers.

They learn nothing sensible, but every number of theirs depends on every batch, so that runs that
were stopped and went on are the same as others only if their batches are.
"""

import os
import signal
from types import SimpleNamespace

import numpy as np
import pytest
from runs_for_tests import DEBUG, assert_same_run, final_arrays, metrics

from dreamer_tf.agents.description import Description
from dreamer_tf.config import files
from dreamer_tf.envs.process import starting
from dreamer_tf.experience.sources import Rollouts, Windows
from dreamer_tf.reports.display import Display
from dreamer_tf.runs import checkpoint
from dreamer_tf.training import assembly
from dreamer_tf.training.assembly import Machine, Ready
from dreamer_tf.training.schedule import Schedule

WANTED = {
    "windows": Windows(16, before=2, after=3),
    "priorities": Windows(16, before=2, after=3, priority=0.6, correction=0.4),
    "rollouts": Rollouts(8),
}
SETTINGS = {
    "task": "toy_reach",
    "env.observation": "vector",
    "envs": 2,
    "env.action_repeat": 2,
    "env.time_limit": 50,
    "steps": 900,
    "train.prefill": 200,
    "train.pretrain": 7,
    "train.updates": 5,
    "train.every": 100,
    "evaluate.every": 300,
    "evaluate.episodes": 1,
    "checkpoint.minutes": 0.002,  # In the middle of blocks, too.
}


class Variable:
    """What the program needs of a variable."""

    def __init__(self, value):
        self.value = np.asarray(value)

    @property
    def shape(self):
        return self.value.shape

    def numpy(self):
        return self.value.copy()

    def assign(self, value):
        self.value = np.array(value)


class Learner:
    """An agent without networks; `on_update` is called with the number of every update."""

    dreams = None

    def __init__(self, spec, experience, on_update=lambda update: None):
        self.spec, self.experience, self.on_update = spec, experience, on_update
        (self.name,) = spec.observations
        self.size = spec.observations[self.name][0][0]
        weights = np.zeros((self.size, spec.action_size))
        self.variables = {"weights": Variable(weights), "updates": Variable(np.int64(0))}
        self.batches = []

    def to_device(self, batch):
        return batch

    def initial_state(self, count):
        return {"steps": np.zeros((count, 1), np.float32)}

    def policy(self, observation, is_first, state, seed, mode):
        noise = np.random.default_rng(seed.view(np.uint32)).normal(size=(len(is_first), 2))
        steps = np.where(is_first[:, None], 0, state["steps"]) + 1
        action = np.tanh(observation[self.name] @ self.variables["weights"].value + noise / steps)
        return action.astype(np.float32), {"steps": steps.astype(np.float32)}

    def update(self, batch, seed):
        self.on_update(int(self.variables["updates"].value))
        self.batches.append(batch)
        observed, action = batch[self.name].astype(float), batch["action"].astype(float)
        error = batch["reward"].astype(float) - observed[..., 0]
        weight = batch.get("window/weight", np.ones(len(error)))[:, None, None]
        gradient = np.einsum("bti,bta->ia", weight * observed, action * error[..., None])
        weights = self.variables["weights"]
        weights.assign(0.99 * weights.value + 0.001 * gradient)
        self.variables["updates"].assign(self.variables["updates"].value + 1)
        found = {"model_loss": np.float32((error**2).mean())}
        if getattr(self.experience, "priority", None) is not None:
            found["priorities"] = np.abs(error).sum(1).astype(np.float32)
        return found

    def report(self, batch, seed):
        return {"last": batch["reward"].sum()}

    def symptoms(self, metrics):
        return {}

    def describe(self):
        return Description("Learner", "learns nothing", {"weights": self.size}, 1, {}, {})

    def check(self):
        pass


def settings(**changes):
    overrides = {**SETTINGS, **{key.replace("__", "."): value for key, value in changes.items()}}
    return files.load_config([DEBUG], [(key, str(value)) for key, value in overrides.items()])


def run_once(folder, kind, on_update=lambda update: None, **changes):
    """Starts or continues a run; returns (whether it is complete, the agent, the warnings)."""
    config = settings(**changes)
    run = SimpleNamespace(path=folder, metrics=folder / "metrics.jsonl")
    run.checkpoints, run.episodes = folder / "checkpoints", folder / "episodes"
    for each in (run.checkpoints, run.episodes):
        each.mkdir(parents=True, exist_ok=True)
    start_worker = starting.worker_starter(config, None)
    workers = [start_worker() for _ in range(config.envs)]
    agent = Learner(workers[0].spec, WANTED[kind], on_update)
    display, warnings = Display(config.steps), []
    display.warn = warnings.append
    saved = checkpoint.load_newest(run.checkpoints, pytest.fail)
    ready = Ready(Machine("CPU", "float32", None), display, start_worker, workers)
    trainer = assembly.make_trainer(config, run, agent, ready, saved)
    trainer.episodes.stretch = 16  # Of 26 records of an episode.
    try:
        trainer.resume(saved)
        return trainer.run(), agent, warnings
    finally:
        trainer.close()


@pytest.fixture(autouse=True)
def handlers():
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def stop_at(*updates):
    """A real signal, in the middle of the update of that number."""
    waiting = set(updates)

    def on_update(update):
        if update in waiting:
            os.kill(os.getpid(), signal.SIGTERM)

    return on_update


@pytest.mark.parametrize(
    "kind, capacity",
    [*((kind, "all") for kind in WANTED), ("priorities", "120"), ("rollouts", "1")],
)
def test_stopped_and_continued_it_is_the_same_run(tmp_path, kind, capacity):
    expected, run = tmp_path / "a", tmp_path / "b"
    assert run_once(expected, kind, replay__capacity=capacity)[0]
    # In the middle of blocks, and at the end of one.
    for update in (3, 9, 16, 19, 23):
        complete, agent, _ = run_once(run, kind, stop_at(update), replay__capacity=capacity)
        assert not complete and agent.variables["updates"].value == update + 1
    complete, _, warnings = run_once(run, kind, replay__capacity=capacity)
    assert complete and not warnings
    assert_same_run(run, expected)
    state, arrays = final_arrays(run)
    assert ("source/priorities" in arrays) == (kind == "priorities")
    # Numbers of 900 environment steps, no records.
    assert all(array.nbytes < 3000 for name, array in arrays.items() if name.startswith("source/"))
    counters = SimpleNamespace(**state["counters"])
    assert Schedule(settings(), state["at_once"]).finished(counters)


def test_rollouts_are_learned_from_as_they_come(tmp_path):
    complete, agent, _ = run_once(tmp_path, "rollouts")
    lines = metrics(tmp_path)
    # 225 steps of each of two environments, a rollout every 8, five updates logged together.
    assert complete and len(agent.batches) == 225 // 8
    logged = [(line["update"], line["step"]) for line in lines if "model_loss" in line]
    assert logged == [(n, n * 8 * 2 * 2) for n in (5, 10, 15, 20, 25)]
    tested = [line["step"] for line in lines if "test/return" in line]
    assert tested == [0, 300, 600, 900]
    for batch in agent.batches:
        assert batch["reward"].shape == (2, 9)
    mean = np.mean([((b["reward"] - b["vector"][..., 0]) ** 2).mean() for b in agent.batches[:5]])
    (first, *_) = [line for line in lines if "model_loss" in line]
    assert first["model_loss"] == pytest.approx(mean, rel=1e-5)


def test_windows_follow_the_schedule_and_the_priorities(tmp_path):
    complete, agent, _ = run_once(tmp_path, "priorities")
    logged = [line["update"] for line in metrics(tmp_path) if "model_loss" in line]
    assert complete and logged == [7, 12, 17, 22, 27, 32, 37, 42]
    _, arrays = final_arrays(tmp_path)
    known = arrays["source/priorities"][arrays["source/priorities"] > 0]
    errors = [np.abs(b["reward"] - b["vector"][..., 0]).sum(1) ** 0.6 for b in agent.batches]
    # What the checkpoint holds are errors that the agent has met, or those of the last updates.
    assert np.isclose(known[:, None], np.concatenate(errors)[None], rtol=1e-5).any(1).all()
    assert arrays["source/largest"] == pytest.approx(np.concatenate(errors[:-3]).max(), rel=1e-5)
    np.testing.assert_array_equal(arrays["source/pending_updates"], [40, 41])


class Crash(Exception):
    """As a kill: nothing is saved."""


@pytest.mark.parametrize("kind", WANTED)
def test_after_a_crash_what_reached_the_disk_is_used(tmp_path, kind):
    def crash(update):
        if update == 12:
            raise Crash

    with pytest.raises(Crash):
        run_once(tmp_path, kind, crash, checkpoint__minutes=9)
    assert not list((tmp_path / "checkpoints").iterdir())
    there = {path.name for path in (tmp_path / "episodes").glob("*.npy")}
    assert there, "nothing reached the disk before the crash"
    complete, agent, warnings = run_once(tmp_path, kind)
    assert complete and not warnings
    state, _ = final_arrays(tmp_path)
    counters = SimpleNamespace(**state["counters"])
    assert counters.step >= 900 and Schedule(settings(), state["at_once"]).finished(counters)
    assert there <= {path.name for path in (tmp_path / "episodes").glob("*.npy")}
    told = [line for line in metrics(tmp_path) if "train/return" in line]
    # 26 records, 50 steps with the action repeat, in each of two environments at the same time.
    ends = sorted(int(name.partition("-")[0]) // 2 * 2 * 2 for name in there)
    assert [line["step"] for line in told][: len(there)] == ends
    assert counters.episodes == len(told) == 2 * (900 // 100)
