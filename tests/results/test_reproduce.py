"""The program: its exit status, its files, and one clear line for mistakes."""

import os
import subprocess
import sys

import pytest
from results_for_tests import ROOT, program, write_run

WALK = "dmc_walker_walk"
GOOD = [137] * 11


@pytest.fixture(scope="module")
def reproduce():
    return program("reproduce")


def test_check_passes_good_runs_and_says_what_it_compared(tmp_path, capsys, reproduce):
    write_run(tmp_path, WALK, GOOD)
    (tmp_path / "else").mkdir()
    assert reproduce.main(["check", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"found {WALK}, ours, seed 0: 105000 steps, 11 evaluations"
    assert lines[1].startswith("skipped ") and "else" in lines[1]
    assert lines[2].split()[:3] == ["task", "name", "steps"]
    assert "137 +- 58 (5)" in lines[3] and lines[3].endswith("within")
    assert lines[-1] == "none of 1 below"


@pytest.mark.parametrize(
    "bad", [[137] * 11 + [400] * 10 + [20] * 10, [float("nan")] * 11, [0] * 11]
)
def test_check_fails_if_anything_is_below(tmp_path, capsys, reproduce, bad):
    write_run(tmp_path, WALK, GOOD)
    write_run(tmp_path, WALK, bad, name="bad")
    assert reproduce.main(["check", str(tmp_path)]) == 1
    assert "1 of" in capsys.readouterr().out.splitlines()[-1]


def test_check_of_nothing_that_can_be_judged_does_not_pass(tmp_path, capsys, reproduce):
    write_run(tmp_path, WALK, GOOD[:-1])
    assert reproduce.main(["check", str(tmp_path)]) == 1
    captured = capsys.readouterr()
    assert captured.err == "error: nothing could be judged: see above\n"
    assert "no complete bin, at 95000 of 105000 steps" in captured.out


def test_check_ranks_among_peers_and_shows_early_points(tmp_path, capsys, reproduce):
    write_run(tmp_path / "runs", WALK, GOOD)
    (tmp_path / "peers.json").write_text(
        '[{"task": "dmc_walker_walk", "xs": [105000], "ys": [200.0]}]'
    )
    words = ["check", str(tmp_path / "runs"), "--early", "--peers", str(tmp_path / "peers.json")]
    assert reproduce.main(words) == 0
    text = capsys.readouterr().out
    assert "2 of 2" in text and "50000 steps: ours 137 (1 seeds), DreamerV3, state 289" in text


def test_curves_and_export_and_curves_of_the_export(tmp_path, capsys, reproduce):
    write_run(tmp_path / "runs", WALK, GOOD)
    write_run(tmp_path / "runs", "dmc_cup_catch", GOOD[:3])
    one, two = tmp_path / "one", tmp_path / "two"
    assert reproduce.main(["curves", str(tmp_path / "runs"), "--out", str(one)]) == 0
    assert sorted(each.name for each in one.iterdir()) == [
        f"{task}.{kind}" for task in ("dmc_cup_catch", WALK) for kind in ("csv", "png", "svg")
    ]
    printed = capsys.readouterr().out.splitlines()
    assert str(one / f"{WALK}.png") in printed
    assert reproduce.main(["export", str(tmp_path / "runs"), "--out", str(tmp_path / "docs")]) == 0
    assert (tmp_path / "docs" / WALK / "ours" / "0" / "curve.csv").is_file()
    assert reproduce.main(["curves", str(tmp_path / "docs"), "--out", str(two)]) == 0
    for path in one.iterdir():
        assert (two / path.name).read_bytes() == path.read_bytes()


def test_the_bin_can_be_chosen(tmp_path, reproduce):
    write_run(tmp_path / "runs", WALK, GOOD)
    for words, count in (([], 10), (["--bin", "5e4"], 2)):
        out = tmp_path / str(count)
        assert reproduce.main(["curves", str(tmp_path / "runs"), "--out", str(out), *words]) == 0
        lines = (out / f"{WALK}.csv").read_text().splitlines()
        assert sum(",steps,mean," in line for line in lines) == count


@pytest.mark.parametrize(
    "words, status, message",
    [
        (["check", "missing"], 2, "error: missing does not exist"),
        (["check", "."], 2, "error: no runs in ."),
        (["curves", "runs", "--out", "file"], 1, "error: file: File exists"),
        (["curves", "runs", "--bin", "0"], 2, "'0' is no number of steps"),
        (["curves", "runs", "--bin", "many"], 2, "'many' is no number of steps"),
        (["export", "runs"], 2, "required: --out"),
        (["check", "runs", "--peers", "file"], 2, "error: file is no list of curves"),
        (["check"], 2, "required: RUNS"),
        ([], 2, "required: COMMAND"),
        (["judge"], 2, "invalid choice"),
    ],
)
def test_mistakes_get_one_clear_line(tmp_path, words, status, message):
    if "runs" in words:
        write_run(tmp_path / "runs", WALK, GOOD)
    (tmp_path / "file").write_text("")
    found = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "reproduce.py"), *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert found.returncode == status, found.stderr
    assert message in found.stderr.splitlines()[-1]
    assert "Traceback" not in found.stderr
