"""Training and acting from Python: the same run as the program's, and the caller left as it was."""

import functools
import json
import signal
import subprocess
import sys
import threading

import gymnasium
import numpy as np
import pytest
import tensorflow as tf
from environments_for_tests import StrictVector
from runs_for_tests import ENVIRONMENT, assert_same_run, metrics, train, wait_for
from tensorflow.python.framework import config as settings

import dreamer_tf
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import factories
from dreamer_tf.reports.loggers import StopRun
from dreamer_tf.runs import checkpoint

SMALL = {
    "steps": 240,
    "env": {"observation": "vector", "time_limit": 20},
    "train": {"prefill": 100, "every": 20, "updates": 2, "pretrain": 2, "batch_size": 2},
    "train.batch_length": 4,
    "behavior": {"horizon": 2, "units": 8, "start_every": 1},
    "model": {"units": 8, "deter": 8, "hidden": 8},
    "evaluate": {"every": 100, "episodes": 1},
}
PRESET = {"configs": "vectors", "name": "small"}
# An agent whose updates are traced in a moment, where it does not matter what learns.
BRIEF = {
    **{"configs": "debug", "name": "small", "agent": "d4pg", "steps": 240},
    "env": {"observation": "vector", "time_limit": 20, "action_repeat": 1},
    "train": {"prefill": 100, "every": 20, "updates": 2, "pretrain": 2, "batch_size": 2},
    "evaluate": {"every": 100, "episodes": 1},
    "d4pg": {"actor_units": "16,16", "critic_units": "16,16"},
}


def words():
    flat = {}
    for key, value in SMALL.items():
        flat |= {f"{key}.{k}": v for k, v in value.items()} if isinstance(value, dict) else {}
        flat |= {} if isinstance(value, dict) else {key: value}
    pairs = [word for key, value in flat.items() for word in (f"--{key}", str(value))]
    return ["--configs", "vectors", "--name", "small", *pairs]


class Notes:
    """A logger that remembers."""

    def __init__(self):
        self.told = []

    def begin(self, run, config, step):
        self.told.append(("begin", run, config["train.every"], step))

    def write(self, group, counters, measured):
        self.told.append((group, {**counters, **measured}))

    def video(self, tag, step, frames):
        self.told.append((tag, step, frames.shape))

    def end(self):
        self.told.append(("end",))


class Broken(Notes):
    def write(self, group, counters, measured):
        raise ConnectionError("no network")


class Impatient(Notes):
    def write(self, group, counters, measured):
        if counters["step"] >= 160:
            raise StopRun


def test_what_fixes_arguments_is_known_by_the_function():
    fixed = functools.partial(functools.partial(StrictVector), 1)
    assert factories.named(fixed)[0] == factories.named(StrictVector)[0]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder, what a logger was told, what the caller's process was like before)."""
    settings.disable_op_determinism()  # As at first, whatever other tests have left.
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGHUP)}
    limit = 20  # A function that only this process knows, and what it remembers.

    def strict():
        env = StrictVector()
        env.remembered = limit
        return env

    notes = Notes()
    folder = dreamer_tf.train(
        strict, logdir=tmp_path_factory.mktemp("runs"), loggers=[notes, Broken()], **PRESET, **SMALL
    )
    return folder, notes, before


def test_the_run_is_the_programs(run, tmp_path):
    folder, *_ = run
    task = "environments_for_tests:StrictVector"
    result = train(tmp_path, "--task", task, small=words())
    assert result.returncode == 0, result.stderr
    assert_same_run(folder, tmp_path / "environments_for_tests-StrictVector" / "small" / "0")


def test_loggers_hear_what_is_written_and_one_that_fails_costs_nothing(run):
    folder, notes, _ = run
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert notes.told[0] == ("begin", folder, 20, 0) and notes.told[-1] == ("end",)
    assert [each[1] for each in notes.told if each[0] in ("sim", "agent")] == lines
    assert {"test/return", "train/return", "div"} <= {key for line in lines for key in line}


def test_the_callers_process_is_as_before(run):
    *_, before = run
    assert {number: signal.getsignal(number) for number in before} == before
    tf.random.normal([2])  # With deterministic operations it would need a seed.


def test_a_complete_run_is_found_complete(run, capsys):
    folder, *_ = run
    task = StrictVector
    again = dreamer_tf.train(task, logdir=folder.parents[2], **PRESET, **SMALL)
    assert again != folder and again.exists()  # Another name is another task.
    assert dreamer_tf.train(task, logdir=folder.parents[2], **PRESET, **SMALL) == again
    output = capsys.readouterr().out
    assert "is complete, nothing to do" in output
    # One that was made in another way would have the same name.
    assert output.count("StrictVector is all that is known of the environment") == 1


def test_the_player_takes_plain_observations(run):
    folder, *_ = run
    with pytest.raises(UserError, match="env="):
        dreamer_tf.load(folder)
    player = dreamer_tf.load(folder, env=StrictVector)
    name, (shape, _) = next(iter(player.spec.observations.items()))
    with player.environment() as environment:
        record, state, plain, other = environment.reset(seed=3), player.start(), None, None
        for _ in range(3):
            player._calls = 0
            action, state = player.act(record, state)
            player._calls = 0
            plain, other = player.act({name: record[name]}, other)
            np.testing.assert_array_equal(plain, action)
            record = environment.step(action)
    single, _ = player.act(record[name].astype(np.float64))
    assert single.shape == action.shape
    with pytest.raises(UserError, match="the observation has no"):
        player.act({"nothing": np.zeros(3)})
    with pytest.raises(UserError, match="it must be"):
        player.act(np.zeros([*shape, 2]))


def test_a_logger_stops_the_run_and_the_same_call_goes_on(run, tmp_path, capsys):
    whole, *_ = run
    given = gymnasium.make("CartPole-v1")  # An object; its copies step elsewhere.
    stopped = dreamer_tf.train(given, logdir=tmp_path, loggers=[Impatient()], **PRESET, **SMALL)
    state = checkpoint.read_state(stopped / "checkpoints")
    assert 160 <= state["counters"]["step"] < 240
    assert "stopped by a logger" in capsys.readouterr().out
    assert dreamer_tf.train(given, logdir=tmp_path, **PRESET, **SMALL) == stopped
    assert max(line["step"] for line in metrics(stopped)) == 240
    meta = json.loads((stopped / "meta.json").read_text())
    assert [each["end"]["reason"] for each in meta["sessions"]] == [
        *("stopped by a logger", "complete"),
    ]


def test_an_interrupt_saves_and_reaches_the_caller(tmp_path):
    script = f"""
import dreamer_tf, environments_for_tests
try:
    dreamer_tf.train(environments_for_tests.Slow, logdir={str(tmp_path)!r},
                     **{BRIEF | {"steps": 100_000}!r})
except KeyboardInterrupt:
    print("the caller heard it")
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    )
    run = tmp_path / "environments_for_tests-Slow" / "small" / "0"
    wait_for(lambda: (run / "metrics.jsonl").exists() and len(metrics(run)) > 2)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0 and "the caller heard it" in output
    assert checkpoint.read_state(run / "checkpoints")["counters"]["step"] > 0


class Early(Notes):
    """Presses Ctrl-C before training begins."""

    def begin(self, run, config, step):
        signal.raise_signal(signal.SIGINT)


class Twice(Notes):
    """Presses Ctrl-C twice at a measurement."""

    def write(self, group, counters, measured):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize(
    ("logger", "words"),
    [(Early, "before anything was learned"), (Twice, "the same command")],
)
def test_an_interrupt_that_cannot_be_served_is_one_to_the_caller(logger, words, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=f"interrupted.*{words}") as caught:
        dreamer_tf.train(StrictVector, logdir=tmp_path, loggers=[logger()], **PRESET, **SMALL)
    assert caught.value.__suppress_context__ and signal.getsignal(signal.SIGINT) == before


def test_in_another_thread_it_trains_too_and_a_logger_stops_it(tmp_path):
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    found = []

    def train():
        options = {"logdir": tmp_path, "loggers": [Impatient()], **BRIEF}
        found.append(dreamer_tf.train(StrictVector, **options))

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    (stopped,) = found
    assert 160 <= checkpoint.read_state(stopped / "checkpoints")["counters"]["step"] < 240
    meta = json.loads((stopped / "meta.json").read_text())
    assert [each["end"]["reason"] for each in meta["sessions"]] == ["stopped by a logger"]
    assert {number: signal.getsignal(number) for number in before} == before


def test_two_threads_do_not_train_at_once(tmp_path):
    refused = []

    class Second(Notes):
        def begin(self, *given):
            with pytest.raises(UserError, match="another thread of this program is training"):
                dreamer_tf.train(StrictVector, logdir=tmp_path / "second", **BRIEF)
            refused.append(True)
            raise StopRun

    dreamer_tf.train(StrictVector, logdir=tmp_path / "first", loggers=[Second()], **BRIEF)
    assert refused == [True] and not (tmp_path / "second").exists()


@pytest.mark.parametrize(
    ("task", "keys", "words"),
    [
        ("toy_reach", {"train": {"evry": 3}}, "train.every"),
        ("toy_reach", {"steps": "many"}, "steps"),
        ("toy_reach", {"steps": np.array([1, 2])}, r"a single value, not an array \[2\]"),
        ("toy_reach", {"fresh": "no"}, "fresh must be True or False, not 'no'"),
        ("toy_reach", {"extend": 1}, "extend must be True or False, not 1"),
        ("toy_reach", {"name": 5}, "5 cannot be the name of a run"),
        ("toy_raech", {}, "toy_reach"),
        (7, {}, "7 is no environment"),
        (lambda: threading.Lock(), {}, "must return a gymnasium.Env"),
        ("toy_reach", {"loggers": None}, "loggers: None is none of the objects with the methods"),
        ("toy_reach", {"loggers": [Notes]}, "loggers: <class .* is none of the objects"),
        ("toy_reach", {"loggers": Notes}, "loggers: <class .* is none of the objects"),
        ("toy_reach", {"loggers": [print]}, "loggers: .* is none of the objects"),
        ("toy_reach", {"configs": None}, "configs: None is none of the names of presets"),
        ("toy_reach", {"logdir": None}, "--logdir None: give the path"),
        (type("Locked", (StrictVector,), {"lock": threading.Lock()})(), {}, "of its own"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(tmp_path, task, keys, words):
    with pytest.raises(UserError, match=words) as caught:
        dreamer_tf.train(task, **{"logdir": tmp_path / "runs", "configs": "vectors", **keys})
    assert "\n" not in str(caught.value) and not (tmp_path / "runs").exists()
