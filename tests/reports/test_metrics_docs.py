"""docs/metrics.md knows every scalar and image that the program writes."""

import re

import numpy as np
import pytest
from agents_for_tests import BOTH, VECTORS, random_batch, tiny_agent, tiny_spec
from runs_for_tests import ROOT

from dreamer_tf import agents
from dreamer_tf.config import files
from dreamer_tf.reports.descriptions import descriptions
from dreamer_tf.reports.predictions import SHOWN

TEXT = (ROOT / "docs" / "metrics.md").read_text()
NAMES = set(re.findall(r"`([a-z_/]+)`", TEXT))
SEED = np.array([1, 2], np.int32)


def test_every_metric_of_an_update_and_report_is_explained():
    agent = tiny_agent("float16", terminates=True, observations=BOTH)
    batch = random_batch(observations=BOTH)
    found = {**agent.update(batch, SEED), **agent.report(batch, SEED)}
    assert set(found) <= NAMES, set(found) - NAMES


@pytest.mark.parametrize("name", ["d4pg", "a3c"])
def test_every_metric_of_the_other_agents_is_explained(name):
    config = files.load_config([], [("agent", name)])
    agent = agents.make(config, tiny_spec(observations=VECTORS), "float16")
    batch = random_batch(length=6, observations=VECTORS)
    batch |= {"window/valid": np.ones((3, 6), bool), "window/weight": np.ones(3, np.float32)}
    found = {**agent.update(batch, SEED), **agent.report(batch, SEED)}
    assert set(found) - {"priorities"} <= NAMES, set(found) - NAMES


def test_every_metric_of_the_loop_is_explained():
    written = set()
    for name in ("trainer.py", "evaluator.py"):
        source = (ROOT / "dreamer_tf" / "training" / name).read_text()
        written |= set(
            re.findall(r'"((?:sim|agent|test|train)/\w+(?:/\w+)?|episodes|fps)"', source)
        )
    assert {"test/return", "train/length", "fps"} <= written
    written |= {f"agent/{group}/{name}" for group in ("test", "train") for name in SHOWN}
    assert written <= NAMES, written - NAMES


def test_charts_are_described_by_the_tables():
    found = descriptions()
    assert found["div"].startswith("KL divergence of posterior and prior, nats. *some nats")
    assert found["model_grad_norm"] == found["value_grad_norm"]
    assert {"test/return", "fps", "agent/test/open_loop", "outside"} <= found.keys()
    assert not any("|" in text for text in found.values())


def test_the_constant_parts_are_right():
    constant = 0.5 * np.log(2 * np.pi)
    assert f"{constant * 64 * 64 * 3:,.0f}".replace(",", " ") in TEXT
    assert f"{constant:.2f}" in TEXT
    entropy = -(0.99 * np.log(0.99) + 0.01 * np.log(0.01))
    assert f"{entropy:.2f}" in TEXT
