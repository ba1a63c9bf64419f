"""The benchmark runs and tells what it measured; no speed is asserted."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tools" / "benchmark.py"


def benchmark(*words, timeout=250):
    command = [sys.executable, str(SCRIPT), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout)


def test_update_and_policy_of_a_preset(tmp_path):
    path = tmp_path / "found.json"
    words = ["update", "policy", "--sizes", "debug", "--precisions", "float32"]
    found = benchmark(*words, "--rounds", 2, "--json", path)
    assert found.returncode == 0, found.stderr
    numbers = json.loads(path.read_text())
    plain, row = numbers["update"]
    assert (plain["code"], plain["ratio"]) == ("plain port", 1)
    assert row["ratio"] == pytest.approx(plain["best"] / row["best"])
    assert (row["size"], row["precision"], row["xla"]) == ("debug", "float32", "off")
    assert 0 < row["best"] <= row["median"] < row["first"]
    speed = row["gigaflop"] / row["best"]
    assert row["of peak"] == pytest.approx(speed / row["matmul"])
    assert [row["environments"] for row in numbers["policy"]] == [1, 4, 16]
    assert numbers["machine"]["cores"] >= 1
    for title in ("Seconds per update", "One policy step"):
        assert title in found.stdout


@pytest.mark.lengthy
def test_parts_of_an_update(tmp_path):
    path = tmp_path / "found.json"
    words = ["parts", "--sizes", "debug", "--precisions", "float32", "--rounds", 2, "--json", path]
    found = benchmark(*words)
    assert found.returncode == 0, found.stderr
    rows = json.loads(path.read_text())["parts"]
    parts = [row["part"] for row in rows]
    assert parts == ["encoder", "RSSM", "decoder", "imagination", "optimisers", "whole"]
    assert all(0 < row["share"] <= 1 for row in rows)
    assert "What an update consists of" in found.stdout


def test_steps_of_environments_are_timed_and_the_workers_end(tmp_path):
    script = """
from benchmarks import acting
rows = acting.environments("toy_reach", ("paper",), (1, 2), 40)
assert [row["environments"] for row in rows] == [1, 2], rows
assert all(0 < row["best"] <= row["median"] and row["steps/s"] > 0 for row in rows), rows
"""
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(SCRIPT.parent)])}
    subprocess.run([sys.executable, "-c", script], env=variables, check=True, timeout=200)


def test_memory_of_the_replay_is_measured_in_processes_of_its_own(tmp_path):
    path = tmp_path / "new" / "found.json"
    found = benchmark("memory", "--json", path)
    assert found.returncode == 0, found.stderr
    rows = json.loads(path.read_text())["memory"]
    assert [row["episodes"] for row in rows] == [10, 500, 5000]
    assert [row["agent steps"] for row in rows] == [5000, 250000, 2500000]
    assert all(row["memory"] > 10 and 0 < row["best"] <= row["median"] for row in rows)
    assert all(row["windows"] > 0 for row in rows)


def test_a_traced_block_has_its_updates_and_leaves_its_file(tmp_path):
    path = tmp_path / "found.json"
    found = benchmark("trace", "--sizes", "debug", "--json", path, "--trace", tmp_path / "trace")
    assert found.returncode == 0, found.stderr
    (row,) = json.loads(path.read_text())["trace"]
    assert row["updates"] == 5
    assert 0 < row["between two"] <= row["at most"] and 0 < row["of an update"]
    assert row["fetching all metrics"] > 0 and row["making a batch tensors"] > 0
    assert len(list((tmp_path / "trace").rglob("*.xplane.pb"))) == 1


def test_scale_tells_what_grows_with_the_number_of_episodes(tmp_path):
    path = tmp_path / "found.json"
    found = benchmark("scale", "--episodes", 6000, "--json", path)
    assert found.returncode == 0, found.stderr
    rows = json.loads(path.read_text())["scale"]
    assert [list(row) for row in rows] == [["thing", "10", "5,000", "6,000", "ratio"]] * 8
    for row in rows:
        assert row["ratio"] == pytest.approx(row["6,000"] / row["10"]) and row["5,000"] > 0


@pytest.mark.parametrize(
    "words, offence",
    [
        (["speed"], "'speed'"),
        (["--rounds", "0"], "--rounds 0"),
        (["scale", "--episodes", "0"], "--episodes 0"),
        (["--peer", "sheeprl", "--peer-python", "/nowhere/python"], "cannot import sheeprl"),
        (["update", "--sizes", "huge"], "'huge'"),
        (["--peer-python", "/nowhere/python"], "--peer-python is of --peer"),
        (["start", "--trace", "here"], "--trace is of the section trace"),
        (["start", "--episodes", "5"], "--episodes is of the section scale"),
        (["start", "--json", "."], "--json . is a folder: give the name of a file"),
        (["trace", "--trace", str(SCRIPT)], f"--trace {SCRIPT} is a file: give a folder"),
    ],
)
def test_what_cannot_be_measured_is_refused(words, offence):
    found = benchmark(*words)
    assert found.returncode == 2
    assert offence in found.stderr and "Traceback" not in found.stderr
