"""Every method through the programs: trained, interrupted, resumed, evaluated, dreamt."""

import json

import pytest
from programs_for_tests import run_program
from runs_for_tests import assert_same_run, metrics

SMALL = {
    "steps": 320,
    "env.time_limit": 40,
    "train.prefill": 100,
    "train.pretrain": 3,
    "train.every": 40,
    "train.updates": 4,
    "train.batch_size": 3,
    "train.batch_length": 3,
    "evaluate.every": 120,
    "evaluate.episodes": 1,
    "model.deter": 12,
    "model.stoch": 4,
    "model.hidden": 12,
    "model.cnn_depth": 2,
    "model.units": 12,
}
IMAGINING = {"behavior.horizon": 2, "behavior.units": 12}
METHODS = {
    "planet": {
        "env.observation": "vector",
        **{"planner.horizon": 2, "planner.candidates": 20, "planner.elites": 5},
    },
    "no_value": {**IMAGINING, "env.observation": "vector"},
    "contrastive": IMAGINING,
    "reward_only": {**IMAGINING, "env.observation": "both"},
    "paper_tf1": {
        **IMAGINING,
        "task": "environments_for_tests:Walk",
        "env.observation": "vector",
    },
}


# Those whose parts the others have as well only run with --all.
LENGTHY = ("reward_only", "paper_tf1")


@pytest.mark.parametrize(
    "preset",
    [
        pytest.param(each, marks=[pytest.mark.lengthy] if each in LENGTHY else [])
        for each in METHODS
    ],
)
def test_a_method_is_trained_stopped_continued_evaluated_and_dreamt(preset, tmp_path):
    settings = {**SMALL, **METHODS[preset]}
    task = settings.get("task", "toy_reach").replace(":", "-")
    words = [word for key, value in settings.items() for word in (f"--{key}", str(value))]
    if "task" not in settings:
        words += ["--task", "toy_reach"]
    words = json.dumps(["--configs", preset, *words])
    result = run_program("methods_for_tests", words, tmp_path, task, preset, timeout=400)
    assert result.returncode == 0, result.stdout + result.stderr
    whole, part = (tmp_path / each / task / preset / "0" for each in ("whole", "part"))
    assert_same_run(part, whole)
    (stop,) = [line for line in result.stdout.splitlines() if line.startswith("INTERRUPTED")]
    assert int(stop.split()[1]) < len(metrics(whole))
    assert result.stdout.count("the same command continues the run") == 1
    updates = [line["update"] for line in metrics(whole) if "model_loss" in line]
    assert updates[-1] >= 20
    assert len(json.loads((tmp_path / "found.json").read_text())["returns"]) == 1
    (dream,) = [line for line in result.stdout.splitlines() if line.startswith("DREAM")]
    assert ("'image'" in dream) == (settings.get("env.observation") != "vector")
    assert ("'value'" in dream) == (preset not in ("planet", "no_value"))
