"""docs/environments.md: its table names every task, its examples run."""

import re

import numpy as np
import pytest
from runs_for_tests import ROOT

from dreamer_tf.config.files import load_config
from dreamer_tf.config.schema import schema
from dreamer_tf.envs import check_task, task_names
from dreamer_tf.envs.process.remote import RemoteEnv
from dreamer_tf.envs.tasks import PAPER_TASKS

TEXT = (ROOT / "docs" / "environments.md").read_text()


def test_the_table_lists_all_tasks_and_marks_the_papers():
    listed, bold = set(), set()
    for domain, tasks in re.findall(r"^\| `(dmc_\w+)_\.\.\.` \| (.*) \|$", TEXT, re.MULTILINE):
        for task in tasks.split(", "):
            name = f"{domain}_{task.strip('*')}"
            listed.add(name)
            if task.startswith("**"):
                bold.add(name)
    games = re.search(r"^`atari_<game>`, the game being one of\n\n> (.*?)\n\n", TEXT, re.M | re.S)
    listed |= {f"atari_{game}" for game in re.findall(r"\w+", games[1])}
    assert listed | {"toy_reach"} == set(task_names())
    assert bold == set(PAPER_TASKS)


@pytest.fixture
def examples(tmp_path, monkeypatch):
    """The modules of the document, in a folder that Python searches."""
    own = TEXT[TEXT.index("## Your own environment") :]
    blocks = re.findall(r"`(my_\w+\.py)`.*?```python\n(.*?)```", own, re.DOTALL)
    assert [name for name, _ in blocks] == ["my_catch.py", "my_spring.py"]
    for name, code in blocks:
        (tmp_path / name).write_text(code)
    monkeypatch.syspath_prepend(tmp_path)


def play(task, action):
    with RemoteEnv({"task": task}, timeout=60) as worker:
        worker.send_reset(3)
        records = [worker.receive()]
        while not records[-1]["is_last"]:
            worker.send_step(action(records[-1]))
            records.append(worker.receive())
        return worker.spec, np.stack(records)


def test_the_image_example_runs(examples):
    def follow(record):
        """Moves below the ball, as the image shows the two."""
        small = record["image"][::8, ::8]
        ball = np.argwhere(small[..., 0] == 255)[0, 1]
        paddle = np.argwhere(small[7, :, 2] == 255)[0, 0]
        return np.eye(3)[1 + np.sign(ball - paddle)]

    spec, records = play("my_catch:make", follow)
    assert spec.discrete and spec.terminates and set(spec.observations) == {"image"}
    assert records["is_terminal"][-1] and len(records) == 8
    assert records["reward"].sum() == 1


def test_the_vector_example_runs(examples):
    def brake(record):
        place, speed = record["vector"]
        return np.array([np.clip(-place - 3 * speed, -2, 2) / 2])

    spec, records = play("my_spring:Spring", brake)
    assert (
        not spec.terminates
        and spec.time_limit == 200
        and spec.observations == {"vector": ((2,), "<f4")}
    )
    assert len(records) == 201 and not records["is_terminal"].any()
    assert records["reward"][-50:].mean() > 0.8 > records["reward"][1]


def test_every_command_of_the_document_is_valid():
    commands = re.findall(r"^tools/run train (.*)$", TEXT, re.MULTILINE)
    assert len(commands) >= 4
    for words in map(str.split, commands):
        presets = [words[words.index("--configs") + 1]]
        load_config(presets)
        task = words[words.index("--task") + 1]
        check_task(task)
    for key in re.findall(r"`(?:--)?((?:env|model|exploration|replay)\.\w+)", TEXT):
        assert key in schema(), key
