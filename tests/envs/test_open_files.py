"""Many environments and few open files: real runs under a real limit."""

import subprocess

import pytest
from runs_for_tests import BRIEF, ENVIRONMENT, ROOT, command, processes

WORDS = ["--steps", "200", "--env.time_limit", "10", "--evaluate.episodes", "1"]


def train(logdir, envs, soft, hard, mark):
    limits = f'ulimit -Sn {soft} && ulimit -Hn {hard} && exec "$@"'
    words = command(logdir, *WORDS, "--envs", str(envs), small=BRIEF)
    return subprocess.run(
        ["sh", "-c", limits, "sh", *words],
        cwd=ROOT,
        env={**ENVIRONMENT, "DREAMER_TEST": mark},
        capture_output=True,
        text=True,
        timeout=250,
    )


@pytest.mark.parametrize("envs, hard", [(1024, 1024), (60, 256), (1, 64)])
def test_too_few_open_files_are_said_before_anything_starts(tmp_path, envs, hard):
    result = train(tmp_path / "runs", envs, min(hard, 256), hard, str(tmp_path))
    assert result.returncode == 1
    (line,) = result.stderr.strip().splitlines()
    assert line.startswith(f"error: {envs} environments need {3 * (envs + 1) + 100} open files")
    assert f"the system allows {hard}" in line and "--envs " in line and "ulimit" in line
    assert not (tmp_path / "runs").exists() and not processes(f"DREAMER_TEST={tmp_path}")
    suggested = int(line.split("--envs ")[1].split()[0])
    assert suggested == max(1, (hard - 100) // 3 - 1)


def test_the_soft_limit_is_raised_as_far_as_it_may_be(tmp_path):
    """Eleven environments would not fit into 34 open files."""
    result = train(tmp_path, 11, 34, 200, str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert "is complete" in result.stdout
