"""What a user gets for a wrong command line."""

import subprocess
import sys

import pytest
from runs_for_tests import ENVIRONMENT, ROOT


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--train.batch_sise", "5"], "train.batch_size"),
        (["--behavior.horizon", "many"], "many"),
        (["--task", "dmc_walker_wlak"], "dmc_walker_walk"),
        (["--task", "no_such_module:make"], "no_such_module"),
        (["--task", "environments_for_tests:Mixed"], "image"),
        (["--configs", "cpuu"], "cpuu"),
        (["--logdir", "/dev/null/runs"], "/dev/null/runs"),
    ],
)
def test_train_answers_mistakes_in_one_line_and_creates_nothing(words, expected, tmp_path):
    result = subprocess.run(
        [sys.executable, "-m", "dreamer_tf.train", "--logdir", str(tmp_path / "runs"), *words],
        cwd=ROOT,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2, result.stderr
    assert result.stderr.startswith("error: ") and expected in result.stderr
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["nowhere"], "nowhere"),
        (["{run}", "--episodes", "0"], "--episodes"),
        (["{run}", "--json", "/nonexistent/out.json"], "/nonexistent/out.json"),
    ],
)
def test_evaluate_answers_mistakes_in_one_line(words, expected, tmp_path):
    (tmp_path / "config.yaml").touch()
    words = [word.format(run=tmp_path) for word in words]
    result = subprocess.run(
        [sys.executable, "-m", "dreamer_tf.evaluate", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ") and expected in result.stderr
