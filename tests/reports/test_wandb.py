"""Weights & Biases: what it is told, by a stand-in with its interface, or by itself."""

import importlib.util
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports.wandb_logger import WandbLogger

RUN = Path("/logs/toy_reach/debug/0")


class Stand:
    """Notes what wandb and its run are asked for."""

    def __init__(self):
        self.noted = []

    def init(self, **settings):
        self.noted.append(settings)
        return self

    def Video(self, data, format):  # noqa: N802 - wandb's name
        return ("video", data.read(3), format)

    def define_metric(self, name, step_metric):
        self.noted.append((name, step_metric))

    def log(self, content):
        self.noted.append(content)

    def finish(self):
        self.noted.append("finish")


@pytest.fixture
def stand(monkeypatch):
    noted = Stand()
    module = types.SimpleNamespace(init=noted.init, Video=noted.Video)
    monkeypatch.setitem(sys.modules, "wandb", module)
    return noted


def follow(logger):
    logger.begin(RUN, {"seed": 0}, 0)
    logger.write("sim", {"step": 40, "update": 0}, {"train/return": 3.5})
    logger.video("sim/test/episode", 40, np.zeros((7, 8, 9, 3), np.uint8))
    logger.end()


def test_what_is_told(stand):
    follow(WandbLogger("mine", mode="offline"))
    begin, axis, line, video, end = stand.noted
    assert begin["project"] == "mine" and begin["mode"] == "offline" and begin["resume"] == "allow"
    assert begin["config"] == {"seed": 0} and begin["name"] == "toy_reach-debug-0"
    assert axis == ("*", "step")
    assert line == {"step": 40, "update": 0, "sim/train/return": 3.5}
    assert video == {"step": 40, "sim/test/episode": ("video", b"GIF", "gif")}
    assert end == "finish"


def test_a_continued_run_goes_on_in_the_same_one_and_another_does_not(stand):
    for run in (RUN, RUN, RUN.with_name("1")):
        WandbLogger("mine").begin(run, {}, 0)
    ids = [each["id"] for each in stand.noted if isinstance(each, dict)]
    assert ids[0] == ids[1] != ids[2]


def test_without_the_package_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match="pip install wandb"):
        WandbLogger("mine")


@pytest.mark.skipif(importlib.util.find_spec("wandb") is None, reason="wandb is optional")
def test_the_package_itself_takes_it_all(tmp_path):
    logger = WandbLogger("mine", mode="offline", dir=str(tmp_path))
    follow(logger)
    assert list(tmp_path.rglob("*.wandb"))
