"""A run's last words: what they claim follows from the measurements, and the commands work."""

import json
from pathlib import Path

import pytest

from dreamer_tf.reports import summary


def write(folder, tests, random=(10, 20)):
    lines = [{"step": 50 * (i + 1), "train/return": value} for i, value in enumerate(random)]
    lines += [{"step": 200 + i, "test/return": value} for i, value in enumerate(tests)]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text + '{"step": 9')  # A kill may leave half a line.


def test_commands_work_where_the_person_is(tmp_path, monkeypatch):
    monkeypatch.chdir(summary.CHECKOUT)
    assert summary.opened("run", "toy_reach") == "tools/run evaluate run"
    monkeypatch.chdir(tmp_path)
    program = summary.opened("run", "toy_reach").split()[0]
    assert program == str(summary.CHECKOUT / "tools" / "run") and Path(program).is_file()
    # What a script alone has is opened there.
    assert summary.opened("run", "__main__:make").startswith("player = dreamer_tf.load('run', env=")


def test_the_last_and_the_best_evaluation_beside_random_actions(tmp_path):
    write(tmp_path, [12.0, 90.0, 80.0])
    learned, evaluate, curves, dream = summary.lines(
        tmp_path, "toy_reach", prefill=100, dreams=True
    )
    assert "80.0 in the last" in learned and "90.0 in the best" in learned and "15.0" in learned
    assert "not clearly" not in learned
    assert f"evaluate {tmp_path}" in evaluate and f"--logdir {tmp_path}" in curves
    assert f"dream {tmp_path}" in dream
    assert "--video" in evaluate and "tensorboard --logdir" in curves
    unseen = summary.lines(tmp_path, "toy_reach", 100, True, renders=False)[1]
    assert unseen == evaluate.removesuffix(" --video episode.gif")


@pytest.mark.parametrize(("last", "learned"), [(14.0, False), (20.0, False), (20.1, True)])
def test_a_return_within_a_deviation_of_random_is_no_learning(tmp_path, last, learned):
    write(tmp_path, [last])
    assert (
        "not clearly better than random" in summary.lines(tmp_path, "toy_reach", 100, True)[0]
    ) != learned


def test_returns_of_single_lives_are_called_so(tmp_path):
    write(tmp_path, [30.0])
    whole, lives = (
        summary.lines(tmp_path, "toy_reach", 100, True, lives=each)[0] for each in (False, True)
    )
    assert "life" not in whole and "15.0" in lives and "of one life" in lives


def test_a_damaged_line_of_measurements_is_left_out(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"step": 2, "\xff": 3\n{"step": 3}\n')
    assert [line["step"] for line in summary.read(path)] == [1, 3]


def test_without_measurements_nothing_is_claimed(tmp_path):
    assert "nothing was measured" in summary.lines(tmp_path, "toy_reach", 100, False)[0]
    assert len(summary.lines(tmp_path, "toy_reach", 100, False)) == 3, (
        "an agent without dreams has no dream"
    )
