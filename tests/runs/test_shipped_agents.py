"""The agents that come with the project behave as learned ones on this machine, too."""

import json

import pytest
from programs_for_tests import run_program
from runs_for_tests import ROOT

from dreamer_tf.results import references

AGENTS = sorted(path.parent for path in ROOT.glob("agents/*/config.yaml"))


def test_there_are_some_and_they_are_small():
    assert AGENTS
    sizes = [
        sum(file.stat().st_size for file in each.rglob("*") if file.is_file()) for each in AGENTS
    ]
    assert max(sizes) < 10e6 and sum(sizes) < 20e6


@pytest.mark.parametrize("folder", AGENTS, ids=lambda path: path.name)
def test_episodes_are_far_above_what_has_learned_nothing(folder, tmp_path):
    results = tmp_path / "results.json"
    words = ["--episodes", "2", "--json", results]
    run_program("dreamer_tf.evaluate", folder, *words).check_returncode()
    found = json.loads(results.read_text())
    highest = max(floor.mean for floor in references.floors(found["task"]))
    assert found["mean"] > 2.5 * highest
