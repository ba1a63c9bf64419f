"""The program: its exit status, its files, and one clear line for mistakes."""

import os
import signal
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


def test_check_does_not_fail_for_what_cannot_be_compared(tmp_path, capsys, reproduce):
    vectors = {"agent": "a3c", "env": "{observation: vector}"}
    write_run(tmp_path / "good", WALK, [137] * 40 + [200] * 11, **vectors)
    write_run(tmp_path / "bad", WALK, [50] * 11, **vectors)
    assert reproduce.main(["check", str(tmp_path / "good")]) == 0
    text = capsys.readouterr().out
    assert "886 +- 28 (5)" in text and "<= 74" in text
    assert "above the floors; not comparable: A3C from vectors" in text
    assert text.splitlines()[-1].startswith("none of ")
    assert reproduce.main(["check", str(tmp_path / "bad")]) == 1
    assert "below, at a floor (untrained: 74)" in capsys.readouterr().out


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
        (["curves", "runs", "--out", "file"], 2, "error: --out file is a file: give a folder"),
        (["statistics", "runs", "--out", "file"], 2, "error: --out file is a file: give a folder"),
        (["export", "runs", "--out", "file/x"], 2, "file is a file, so nothing can be in it"),
        (["report", "runs", "--out", "runs"], 2, "--out runs is a folder: give the name of a file"),
        (["report", "runs", "--out", "file/r.html"], 2, "error: --out file/r.html: "),
        (["fig7", "--logdir", "file", "--plot", "runs"], 2, "--logdir file is a file: give a fold"),
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


def test_where_a_page_cannot_be_is_said_before_the_work(tmp_path, monkeypatch, capsys, reproduce):
    monkeypatch.setattr(reproduce.report, "page", lambda *_: pytest.fail("it has begun"))
    assert reproduce.main(["report", str(tmp_path), "--out", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith(f"error: --out {tmp_path} is a folder")


def test_a_report_makes_the_folders_that_it_goes_to(tmp_path, monkeypatch, capsys, reproduce):
    monkeypatch.setattr(reproduce.report, "page", lambda *_: "<p>page")
    page = tmp_path / "new" / "below" / "page.html"
    assert reproduce.main(["report", str(tmp_path), "--out", str(page)]) == 0
    assert page.read_text() == "<p>page" and capsys.readouterr().out == f"{page}\n"
    # A command that has nothing to write leaves none behind.
    empty = tmp_path / "empty"
    empty.mkdir()
    words = ["curves", str(empty), "--out", str(tmp_path / "other" / "below")]
    assert reproduce.main(words) == 2
    assert not (tmp_path / "other").exists()


INTERRUPTED = """
import os, signal, sys
sys.path[:0] = ["tools"]
import reproduce
reproduce.report.page = lambda *_: os.kill(os.getpid(), signal.SIGINT)
sys.exit(reproduce.main(["report", "runs"]))
"""


def test_ctrl_c_is_one_line(tmp_path):
    found = subprocess.run(
        [sys.executable, "-c", INTERRUPTED],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (found.returncode, found.stderr) == (130, "error: interrupted\n")


@pytest.mark.parametrize(
    "words",
    [
        ["reproduce.py", "fig10", "--plan", "--logdir", "runs"],
        ["sweep.py", "--tasks", "toy_reach", "--plan", "--logdir", "runs"],
    ],
)
def test_a_reader_that_goes_away_ends_a_plan_without_a_word(words):
    reading, writing = os.pipe()
    os.close(reading)
    script, *options = words
    found = subprocess.run(
        [sys.executable, str(ROOT / "tools" / script), *options],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(writing)
    assert found.stderr == ""
    # As every program that a pipe ends.
    assert found.returncode == -signal.SIGPIPE


def test_the_table_of_the_documentation_is_what_its_command_makes(tmp_path, capsys, reproduce):
    text = (ROOT / "docs" / "reproduce.md").read_text()
    shown = text[text.index("\ntask   ") + 1 :].split("```")[0]
    runs = ROOT / "docs" / "runs"
    paths = [*runs.glob("*/cpu"), *runs.glob("*/planet-cpu"), runs / "dmc_cartpole_swingup/pixels"]
    words = ["table", "--logdir", tmp_path, "--plot", *sorted(paths)]
    assert reproduce.main(list(map(str, words))) == 0
    assert (tmp_path / "figures" / "table.txt").read_text().strip() == shown.strip()
