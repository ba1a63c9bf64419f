"""Runs with several discrete, terminating environments: stopped, killed, resumed."""

import os
import signal
import time

from runs_for_tests import BRIEF, WALK, assert_same_run, interrupt, metrics, run_path, start, train


def test_several_discrete_environments_stop_and_go_on_exactly(tmp_path):
    task = "environments_for_tests-Walk"
    expected, run = run_path(tmp_path / "a", task=task), run_path(tmp_path / "b", task=task)
    result = train(tmp_path / "a", *WALK)
    assert result.returncode == 0, result.stderr
    chosen = "one-hot actor over 2 choices, epsilon-greedy (0.4 to 0.1), with discount head"
    assert f"{chosen} (episodes can terminate)" in result.stdout
    updates = [line for line in metrics(expected) if "model_loss" in line]
    assert "discount_loss" in updates[0]
    assert [line["update"] for line in updates] == [10, 20, 30, 40, 50, 60]
    for count in (25, 45):
        process = start(tmp_path / "b", *WALK)
        assert interrupt(process, run, lambda n, count=count: n >= count, signal.SIGTERM) == 0
    assert train(tmp_path / "b", *WALK).returncode == 0
    assert_same_run(run, expected)


def test_any_number_of_environments_shares_steps_and_updates_exactly(tmp_path):
    words = ["--envs", "5"]
    expected, run = run_path(tmp_path / "a"), run_path(tmp_path / "b")
    assert train(tmp_path / "a", *words, small=BRIEF).returncode == 0
    lines = metrics(expected)
    # 140 steps of each, 50 an episode: two whole episodes each, all five at the same moment.
    finished = [line["step"] for line in lines if "train/return" in line]
    assert finished == [250] * 5 + [500] * 5
    updates = [(line["step"], line["update"]) for line in lines if "critic_loss" in line]
    # Not before the first episode is there, then what is due by the steps of all five.
    assert updates == [(250, 10), (300, 20), (400, 30), (500, 40), (600, 50), (700, 60)]
    for count in (7, 16):
        process = start(tmp_path / "b", *words, small=BRIEF)
        assert interrupt(process, run, lambda n, count=count: n >= count, signal.SIGTERM) == 0
    assert train(tmp_path / "b", *words, small=BRIEF).returncode == 0
    assert_same_run(run, expected)


def test_several_environments_are_killed_and_nothing_finished_is_lost(tmp_path):
    run = run_path(tmp_path, task="environments_for_tests-Walk")
    words = [*WALK, "--checkpoint.minutes", "0.1"]
    process = start(tmp_path, *words)
    while process.poll() is None and len(list((run / "episodes").glob("*.npy"))) < 20:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finished = {path.name for path in (run / "episodes").glob("*.npy")}
    result = train(tmp_path, *words)
    assert result.returncode == 0, result.stderr
    after = {path.name for path in (run / "episodes").glob("*.npy")}
    assert finished <= after
    episodes = [line for line in metrics(run) if "train/return" in line]
    assert [line["episodes"] for line in episodes] == list(range(1, len(after) + 1))
    steps = [line["step"] for line in metrics(run)]
    assert steps == sorted(steps)
