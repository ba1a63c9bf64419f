"""What a user gets for wrong words, names, files and folders, from the real commands."""

import fcntl
import os
import pickle
import subprocess
import sys
import time

import numpy as np
import pytest
from episodes_for_tests import Bomb
from programs_for_tests import run_program
from runs_for_tests import ENVIRONMENT, ROOT

from dreamer_tf.config.files import load_config, to_yaml
from dreamer_tf.runs import checkpoint
from dreamer_tf.runs.run_directory import BUSY

RUN = "runs/toy_reach/debug/0"
DEBUG = ["--configs", "debug"]
TASK = "environments_for_tests"
SPACES = "spaces_for_tests"


def text(name, content):
    """Prepares a file."""

    def prepare(folder):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())

    return prepare


def a_run(change=lambda config: config, **files):
    """Prepares a run's folder, its config changed, with more files in it."""

    def prepare(folder):
        text(f"{RUN}/config.yaml", change(to_yaml(load_config(["debug"]))))(folder)
        for kind in ("episodes", "checkpoints"):
            (folder / RUN / kind).mkdir()
        for name, content in files.items():
            text(f"{RUN}/{name}", content)(folder)

    return prepare


def a_checkpoint_of_another_version(folder):
    a_run()(folder)
    checkpoint.save(folder / RUN / "checkpoints", {}, {"format": 1}, update=1, step=1, keep=2)


def damaged_checkpoints(folder):
    a_run()(folder)
    contents = [b"noise" * 100, pickle.dumps(Bomb(folder / "sprung"))]
    for number, content in enumerate(contents):
        text(f"{RUN}/checkpoints/000000001{number}-0000000{number}1.npz", content)(folder)


def a_pickled_case(folder):
    np.save(folder / "case.npy", np.array([Bomb(folder / "sprung")], object), allow_pickle=True)
    (folder / "case.npy").rename(folder / "case.npz")


# Words of the command line; what the answer must contain; what is there before.
TRAIN = [
    (["--train.batch_sise", "5"], ["train.batch_sise", "train.batch_size"]),
    (["--batch_size", "5"], ["--batch_size", "train.batch_size"]),
    (["--model", "5"], ["--model", "model.objective"]),
    (["--behavior.horizon", "many"], ["behavior.horizon", "'many'", "whole number"]),
    (["--steps"], ["--steps", "no value"]),
    (["--steps", "--seed", "1"], ["--steps", "no value"]),
    (["--steps="], ["--steps", "no value"]),
    (["--steps", "1e3.5"], ["--steps", "1e3.5", "whole number"]),
    (["--steps", "-5"], ["--steps", "-5", "at least 1"]),
    (["--steps", "100"], ["steps 100", "train.prefill 5000"]),
    (["--seed", "-1"], ["--seed", "-1", "at least 0"]),
    (["--seed", "0.5"], ["--seed", "0.5", "whole number"]),
    (["--envs", "0"], ["--envs", "at least 1"]),
    (["--precision", "float61"], ["float61", "float16"]),
    (["--model.learning_rate", "nan"], ["model.learning_rate", "nan"]),
    (["--replay.capacity", "none"], ["replay.capacity", "'none'", "all"]),
    (["--replay.keep", "maybe"], ["replay.keep", "'maybe'", "true or false"]),
    (["--env.observation", "pixels"], ["env.observation", "'pixels'", "image"]),
    (["--env.time_limit", "999"], ["env.time_limit 999", "env.action_repeat 2"]),
    (["--train.batch_length", "1"], ["train.batch_length 1", "at least 2"]),
    (["--exploration.epsilon", "0.01"], ["exploration.epsilon", "0.01"]),
    (["--configs"], ["--configs", "no value"]),
    (["--configs", "cpuu"], ["'cpuu'", "cpu"]),
    (["--configs", "mine.yaml"], ["mine.yaml", "No such file"]),
    (["--configs", "mine.yaml"], ["mine.yaml", "line 3"], text("mine.yaml", "a: 1\nb: [\n")),
    (["--configs", "mine.yaml"], ["mine.yaml", "sede", "seed"], text("mine.yaml", "sede: 1")),
    (["--configs", "mine.yaml"], ["mine.yaml", "steps"], text("mine.yaml", "steps: lots")),
    (
        ["--configs", "mine.yaml"],
        ["mine.yaml", "python"],
        text("mine.yaml", "task: !!python/object/apply:os.getcwd []"),
    ),
    (["--configs", "mine.yaml"], ["mine.yaml", "UTF-8"], text("mine.yaml", b"\xff\xfe")),
    (["--task", "dmc_walker_wlak"], ["dmc_walker_wlak", "dmc_walker_walk"]),
    (["--task", "dmc_walker"], ["dmc_walker", "did you mean"]),
    (["--task", "walker_walk"], ["walker_walk", "dmc_walker_walk"]),
    (["--task", "gym_CartPol-v1"], ["gym_CartPol-v1", "gym_CartPole-v1"]),
    (["--task", "gym_"], ["gym_", "did you mean"]),
    (["--task", "gym_LunarLander-v3"], ["gym_LunarLander-v3", "pip install"]),
    (["--task", "gym_nowhere:Thing-v0"], ["gym_nowhere:Thing-v0", "nowhere"]),
    (["--task", ""], ["--task", "no value"]),
    (["--task", "two words"], ["two words", "--task"]),
    (["--task", "dmc_\x1b[31mred"], ["--task", "\\x1b"]),
    (["--task", "dmc_" + "x" * 2000], ["unknown task", "did you mean"]),
    (["--task", "no_such_module:make"], ["no_such_module"]),
    (["--task", f"{TASK}:missing"], [f"{TASK}:missing", "missing"]),
    (["--task", f"{TASK}:ROOT"], [f"{TASK}:ROOT", "cannot be called"]),
    (["--task", f"{TASK}:not_an_environment"], ["not_an_environment", "gymnasium.Env"]),
    (["--task", f"{TASK}:Broken"], [f"{TASK}:Broken", "no such robot"]),
    (["--task", f"{SPACES}:SeveralChoices"], ["MultiDiscrete", "Discrete"]),
    (["--task", f"{SPACES}:Unbounded"], ["action space", "bounds below"]),
    (["--task", f"{SPACES}:ChannelFirst"], ["channels first", "--env.observation vector"]),
    (["--task", "gym_MiniGrid-Empty-5x5-v0"], ["pip install minigrid", "gym_minigrid:MiniGrid-"]),
    (["--dry_run", "--task", "dmc_walker_wlak"], ["dmc_walker_wlak", "dmc_walker_walk"]),
    (["--task", f"{SPACES}:TwoImages"], ["'wrist'", "leave one out"]),
    (["--task", f"{SPACES}:Reserved"], ["'reward'", "rename"]),
    (
        ["--task", f"{TASK}:ActionEcho", "--env.observation", "vector"],
        ["--env.observation vector", "no vector"],
    ),
    (
        ["--task", f"{TASK}:Choosing", "--env.observation", "image"],
        ["--env.observation image", "rgb_array"],
    ),
    (["--task", f"{TASK}:OldStyle"], [f"{TASK}:OldStyle", "does not start", "seed"]),
    (["--task", f"{TASK}:Crooked"], ["time_limit", "'ten'", "whole number"]),
    (["--name", "a/b"], ["a/b", "--name"]),
    (["--name", ".."], ["'..'", "--name"]),
    (["--name", ""], ["--name", "no value"]),
    (["--logd", "runs"], ["--logd", "--logdir"]),
    (["runs/"], ["'runs/'", "--"]),
    (["--fresh=yes"], ["--fresh", "yes"]),
    (["--fresh", "--extend"], ["--fresh", "--extend"]),
    (["--logdir", "file"], ["file", "--logdir"], text("file", "")),
    (["--logdir", "file/below"], ["file/below", "--logdir"], text("file", "")),
    (["--logdir", "/proc/runs"], ["/proc/runs", "--logdir"]),
    (["--init_from", "nowhere"], ["nowhere", "not a run"]),
    (["--init_from", RUN, "--name", "new"], [RUN, "no checkpoint"], a_run()),
    # Folders of runs.
    (DEBUG, [RUN, "--name"], text(f"{RUN}/thesis.tex", "")),
    ([*DEBUG, "--fresh"], ["thesis.tex", "--fresh"], a_run(**{"thesis.tex": ""})),
    (DEBUG, ["config.yaml", "--fresh"], a_run(lambda config: "{{{")),
    (DEBUG, ["config.yaml", "--fresh"], a_run(lambda config: config[: len(config) // 2])),
    ([*DEBUG, "--seed", "0", "--steps", "8600"], ["steps", "8600", "--extend"], a_run()),
    ([*DEBUG, "--steps", "7400", "--extend"], ["steps", "7400", "--name"], a_run()),
    ([*DEBUG, "--model.deter", "9"], ["model.deter", "9", "--name", "--fresh"], a_run()),
    (
        [*DEBUG, "--model.deter", "9", "--model.units", "8", "--envs", "3", "--steps", "9000"],
        ["model.deter", "--name", "--fresh"],
        a_run(),
    ),
    (DEBUG, ["format 1", "--fresh"], a_checkpoint_of_another_version),
    (DEBUG, ["checkpoints", "delete"], damaged_checkpoints),
]

EVALUATE = [
    ([], ["RUN"]),
    (["nowhere"], ["nowhere", "not a run"]),
    (["."], ["config.yaml", "not a run"]),
    ([RUN], [RUN, "no checkpoint"], a_run()),
    ([RUN], ["checkpoints", "delete"], damaged_checkpoints),
    ([RUN, "--episodes", "0"], ["--episodes", "at least 1"], a_run()),
    ([RUN, "--episodes", "some"], ["--episodes", "some"], a_run()),
    ([RUN, "--seed", "-1"], ["--seed", "at least 0"], a_run()),
    ([RUN, "--json", "file/out.json"], ["file/out.json", "--json"], a_run(), text("file", "")),
    ([RUN, "--vidoe", "out.gif"], ["--vidoe"], a_run()),
    ([RUN, "--video", "out.mp4"], ["--video", "out.mp4", ".gif"], a_run()),
    ([RUN, "--predict", "file/a.gif"], ["--predict", "file/a.gif"], a_run(), text("file", "")),
]

DREAM = [
    ([], ["RUN"]),
    (["nowhere"], ["nowhere", "not a run"]),
    ([RUN], [RUN, "no checkpoint"], a_run()),
    ([RUN, "--port", "99999"], ["--port", "99999"], a_run()),
]

REFERENCE = [
    ([], ["CASE"]),
    (["nowhere.npz"], ["nowhere.npz"]),
    (["case.npz"], ["case.npz"], text("case.npz", b"noise" * 99)),
    (["case.npz"], ["case.npz"], a_pickled_case),
]

# Without a verb it shows its whole usage: tests/tools/test_tools_run.py.
TOOLS = [(["trian"], ["trian", "train", "help"])]

# The others are programs of the package.
SCRIPTS = {
    "check_reference": [sys.executable, str(ROOT / "tools" / "check_reference.py")],
    "tools/run": [str(ROOT / "tools" / "run")],
}
TABLES = {
    "train": TRAIN,
    "evaluate": EVALUATE,
    "dream": DREAM,
    "check_reference": REFERENCE,
    "tools/run": TOOLS,
}
ROWS = [(program, *row) for program, rows in TABLES.items() for row in rows]


def answer(program, words, folder, **variables):
    """Returns (exit status, what was printed on stderr) of a command in a folder."""
    begin, environment = time.monotonic(), {**ENVIRONMENT, **variables}
    if program in SCRIPTS:
        result = subprocess.run(
            [*SCRIPTS[program], *words],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
    else:
        module = f"dreamer_tf.{program}"
        result = run_program(module, *words, environment=environment, folder=folder, timeout=60)
    assert time.monotonic() - begin < 30, "too long to wait for a typing error"
    assert "Traceback" not in result.stdout + result.stderr, result.stderr
    return result.returncode, result.stderr


def everything(folder):
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def check(status, errors, expected, statuses=(1, 2)):
    assert status in statuses, errors
    lines = errors.strip().split("\n")
    assert 1 <= len(lines) <= 3, errors
    assert "\x1b" not in errors
    for part in expected:
        assert part in errors, errors


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]} {' '.join(row[1])}"[:60])
def test_a_mistake_is_answered_in_three_lines_and_changes_nothing(row, tmp_path):
    program, words, expected, *prepare = row
    for each in prepare:
        each(tmp_path)
    before = everything(tmp_path)
    status, errors = answer(program, words, tmp_path)
    check(status, errors, expected)
    assert everything(tmp_path) == before


def test_there_are_many_of_them():
    assert len(ROWS) >= 80


def test_a_run_in_use_is_left_alone(tmp_path):
    a_run()(tmp_path)
    descriptor = os.open(tmp_path / RUN, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        status, errors = answer("train", DEBUG, tmp_path)
    finally:
        os.close(descriptor)
    check(status, errors, [RUN, "another process", "--name"], statuses=[BUSY])


def test_a_broken_choice_of_opengl(tmp_path):
    words = ["--task", "dmc_cartpole_balance"]
    status, errors = answer("train", words, tmp_path, MUJOCO_GL="abacus")
    check(status, errors, ["MUJOCO_GL", "abacus", "doctor"])
    assert not list(tmp_path.iterdir())


def test_help_helps_wherever_it_is_written(tmp_path):
    for words in (["-h"], ["--steps", "12", "--help", "--nonsense"]):
        result = run_program("dreamer_tf.train", *words)
        assert result.returncode == 0 and "--train.batch_size" in result.stdout
