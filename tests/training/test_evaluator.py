"""Evaluations under trouble: no room for records, workers that fail, mistakes."""

import os
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from agents_for_tests import Still
from programs_for_tests import ROOT

from dreamer_tf import evaluate
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import gl, make_env
from dreamer_tf.envs.process.remote import WorkerError
from dreamer_tf.envs.recording import RecordingEnv
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.training import evaluator


class Worker:
    """As a `RemoteEnv` of `Walk`, in this process; of its calls those fail that are given.

    Args:
        failures: {name of a method: exception}.
    """

    can_render = False

    def __init__(self, failures):
        env = make_env("environments_for_tests:Walk", observation="vector")
        self.spec = EnvSpec.from_env(env)
        self._recording = RecordingEnv(env, self.spec)
        self._failures = failures

    def _fail(self, name):
        if name in self._failures:
            raise self._failures[name]

    def send_reset(self, seed):
        self._fail("send_reset")
        self._record = self._recording.reset(seed)

    def send_step(self, action):
        self._fail("send_step")
        self._record = self._recording.step(action)

    def receive(self):
        return self._record

    def render(self):
        return self._recording.render()

    def close(self):
        self._recording.close()


def evaluating(*failures, **options):
    """Returns (an `Evaluator`, its warnings, a list of its workers so far).

    Args:
        failures: those of the first workers, one after the other.
        options: of the `Evaluator`.
    """
    warnings, started, coming = [], [], list(failures)

    def start():
        started.append(Worker(coming.pop(0) if coming else {}))
        return started[-1]

    agent = Still(None, Worker({}).spec, "float32")
    options = {"seed": 0, "warn": warnings.append, "action": "mode", **options}
    return evaluator.Evaluator(start, agent, **options), warnings, started


def full(**options):
    """A file on a disk without room."""
    return open("/dev/full", "r+b", **options)


def test_a_full_disk_costs_the_videos_of_an_episode_only(monkeypatch):
    runner, warnings, started = evaluating()
    usual = runner.run(2, recorded=1)
    assert len(usual[0].records) == usual[0].length + 1 and not warnings
    monkeypatch.setattr(evaluator, "nameless_file", full)  # From the first record on.
    found = runner.run(2, recorded=1)
    assert [episode[:3] for episode in found] == [episode[:3] for episode in usual]
    assert [episode.records for episode in found] == [None, None]
    (line,) = warnings
    assert "no videos of this episode" in line and "No space left on device" in line
    assert len(started) == 1, "the worker has done nothing wrong"


def test_neither_a_folder_that_takes_no_file_nor_a_later_record_ends_the_run(monkeypatch):
    def nowhere(**options):
        raise FileNotFoundError(2, "No usable temporary directory found")

    runner, warnings, _ = evaluating()
    with monkeypatch.context() as patched:
        patched.setattr(evaluator, "nameless_file", nowhere)
        patched.setattr(tempfile, "tempdir", None)
        patched.setattr(tempfile, "_get_default_tempdir", nowhere)
        assert runner.run(1, recorded=1)[0].records is None
    really_write, count = evaluator.write_all, []

    def write(file, data):
        count.append(len(data))
        if len(count) == 3:
            raise OSError(28, os.strerror(28))
        really_write(file, data)

    monkeypatch.setattr(evaluator, "write_all", write)
    assert runner.run(1, recorded=1)[0].records is None
    assert len(count) == 3 and len(warnings) == 2
    assert "No usable temporary directory" in warnings[0] and "No space left" in warnings[1]


def test_a_worker_that_fails_is_replaced_and_its_episode_repeated():
    def error():
        return {"send_step": WorkerError("it slipped", 7)}

    runner, warnings, started = evaluating(error(), error())
    expected = evaluating()[0].run(2)
    assert runner.run(2) == expected and len(started) == 3 and len(warnings) == 2
    assert all("it slipped" in line and "trying again" in line for line in warnings)
    runner, warnings, started = evaluating(*[error() for _ in range(9)])
    with pytest.raises(WorkerError, match="it slipped"):
        runner.run(2)
    assert len(started) == evaluator.ATTEMPTS and runner.worker is None


def test_episodes_are_told_as_they_end():
    told = []
    runner, warnings, _ = evaluating()
    episodes = runner.run(2, tell=lambda *each: told.append(each))
    assert told == list(enumerate(episodes)) and not warnings


def test_a_mistake_is_not_tried_again():
    mistake = {"send_reset": UserError("the robot is not installed")}
    runner, warnings, started = evaluating(mistake, mistake, mistake)
    with pytest.raises(UserError, match="the robot is not installed"):
        runner.run(2)
    assert len(started) == 1 and not warnings and runner.worker is None
    # An environment that renders nothing says so before an episode, and when it is filmed.
    runner, warnings, started = evaluating(filmed=1)
    assert not runner.can_render
    with pytest.raises(UserError, match="renders no frames"):
        runner.run(1)
    assert len(started) == 1 and not warnings


def test_returns_are_summarized():
    episodes = [evaluator.Evaluated(0, total, 1) for total in (1.0, 2.0, 6.0)]
    mean, error = evaluator.summarize(episodes)
    assert mean == 3 and error == pytest.approx(np.std([1, 2, 6], ddof=1) / 3**0.5)
    assert evaluator.summarize(episodes[:1]) == (1, None)
    logged = {"test/return": 3, "test/length": 1, "test/return_error": error}
    assert evaluator.metrics_of(episodes) == logged
    assert evaluator.metrics_of(episodes[:1]) == {"test/return": 1, "test/length": 1}


def test_a_prediction_without_room_is_one_line():
    with pytest.raises(UserError, match=r"--predict out.gif: .*TMPDIR"):
        evaluate.show_prediction(None, None, SimpleNamespace(predict=Path("out.gif")))


def test_where_nothing_renders_only_the_film_is_refused(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gl, "probe", lambda backend, timeout: f"no lib{backend}")
    monkeypatch.delenv("MUJOCO_GL", raising=False)
    advices = {"dmc_walker_stand_vectors": ", or leave --video out", "dmc_walker_stand": ""}
    for agent, advice in advices.items():
        words = [str(ROOT / "agents" / agent), "--video", str(tmp_path / "out.gif")]
        assert evaluate.main(words) == 1
        line = capsys.readouterr().err
        assert line.startswith("error: nothing here can render") and line.count("\n") == 1
        assert line.endswith(f"install -y {gl.INSTALL.split(' -y ')[1]}'{advice}\n")
        assert "env.observation" not in line
