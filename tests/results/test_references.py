"""The numbers of others: complete, consistent with what was printed beside them."""

import importlib.resources
import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from results_for_tests import ROOT

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.tasks import PAPER_TASKS
from dreamer_tf.results import references

DATA = importlib.resources.files("dreamer_tf.results") / "data"


@pytest.mark.parametrize(
    "method, tasks, steps, observed, average",
    [
        ("A3C", 18, 10**8, "state", 243.70),
        ("D4PG", 18, 10**8, "pixels", 786.32),
        ("PlaNet", 20, 5 * 10**6, "pixels", 332.97),
        ("Dreamer", 20, 5 * 10**6, "pixels", 823.39),
    ],
)
def test_rows_of_the_papers_table_give_its_averages(method, tasks, steps, observed, average):
    scores = [each for each in references.paper_table() if each.method == method]
    assert {each.task for each in scores} <= set(PAPER_TASKS)
    assert len({each.task for each in scores}) == len(scores) == tasks
    assert {(each.steps, each.input) for each in scores} == {(steps, observed)}
    # Printed to two digits, D4PG's 786.3278 cut off instead of rounded.
    assert np.mean([each.value for each in scores]) == pytest.approx(average, abs=0.01)


def test_every_task_has_every_floor():
    floors = [each for each in references.floors() if not each.task.startswith("gym_")]
    wanted = {
        (task, policy)
        for task in PAPER_TASKS
        for policy in ("uniform", "zero", "plus_one", "untrained_actor")
    }
    assert Counter((each.task, each.policy) for each in floors) == dict.fromkeys(wanted, 1)
    assert all(each.episodes >= 20 and 0 <= each.mean < 1000 for each in floors)
    others = {each.task for each in references.floors()} - set(PAPER_TASKS)
    assert "gym_Pendulum-v1" in others and all(name.startswith("gym_") for name in others)
    balance = {each.policy: each for each in references.floors("dmc_cartpole_balance")}
    assert balance["zero"].mean == 740.1 and balance["uniform"].error == 14.3


def test_bins_of_the_tf2_runs():
    bins = references.tf2_bins()
    assert {each.task for each in bins} == set(PAPER_TASKS)
    assert all((each.low - 5000) % 100_000 == 0 for each in bins)
    assert all(each.high - each.low == 100_000 for each in bins)
    assert len({(each.task, each.high) for each in bins}) == len(bins)
    averages = {105_000: 142.0, 505_000: 560.7, 1_005_000: 699.6, 2_005_000: 788.1}
    for high, average in (averages | {4_905_000: 806.1}).items():
        means = [each.mean for each in bins if each.high == high]
        # Rows are rounded to whole returns; the averages were formed before that.
        assert len(means) == 20 and np.mean(means) == pytest.approx(average, abs=0.25)
    second = {each.task: each for each in bins if each.high == 205_000}
    assert len(second) == 7 and all(np.isnan(each.deviation) for each in second.values())
    assert all(each.deviation >= 0 for each in bins if each.high != 205_000)
    assert all(each.seeds == 5 for each in bins if each.high < 3_000_000)


def test_last_bins_of_the_tf2_runs():
    last = references.tf2_last_bins()
    assert set(last) == set(PAPER_TASKS)
    assert np.mean([mean for mean, _, _ in last.values()]) == pytest.approx(811.5, abs=0.25)
    assert last["dmc_cartpole_balance"] == (747, 282, 5)


@pytest.mark.parametrize("number, points", [(4, 8), (7, 4), (8, 4)])
def test_every_line_of_a_figure_has_all_its_points(number, points):
    found = references.figure(number)
    lines = Counter((each.task, each.method) for each in found)
    assert set(lines.values()) == {points}
    assert len(lines) == 3 * (4 if number == 4 else 8)
    assert {each.task for each in found} <= set(PAPER_TASKS)


def test_the_line_that_two_figures_share_was_read_off_alike():
    seven = {(p.task, p.x): p.value for p in references.figure(7) if p.method == "Dreamer"}
    eight = {(p.task, p.x): p.value for p in references.figure(8) if p.method == "Reconstruction"}
    shared = set(seven) & set(eight)
    assert len(shared) == 12
    assert all(abs(seven[key] - eight[key]) <= 10 for key in shared)


def test_early_points_rise_and_belong_to_known_tasks():
    points = references.early()
    assert {each.task for each in points} <= set(PAPER_TASKS)
    for task, method in {(each.task, each.method) for each in points}:
        curve = [(p.x, p.value) for p in points if (p.task, p.method) == (task, method)]
        assert len(curve) >= 2 and curve == sorted(curve)
        values = [value for _, value in curve]
        assert values == sorted(values) and 0 <= min(values) and max(values) <= 1000


def test_every_file_has_its_origin_and_nothing_else_is_described():
    files = {each.name for each in DATA.iterdir() if each.name.endswith(".csv")}
    text = (DATA / "README.md").read_text()
    described = {
        word.rstrip(",")
        for line in text.splitlines()
        if line.startswith("## ")
        for word in line[3:].split()
    }
    assert described == files


def test_reads_curves_of_single_seeds(tmp_path):
    path = tmp_path / "peers.json"
    runs = [{"task": "dmc_a_b", "seed": n, "xs": [105000, 205000], "ys": [n, 7]} for n in (1, 2)]
    path.write_text(json.dumps(runs))
    curves = [{105000: 1.0, 205000: 7.0}, {105000: 2.0, 205000: 7.0}]
    assert references.read_peers(path) == {"dmc_a_b": curves}
    path.write_text('[{"task": "dmc_a_b", "xs": [105000, 205000], "ys": [NaN, 7]}]', "utf-8-sig")
    assert references.read_peers(path) == {"dmc_a_b": [{205000: 7.0}]}


@pytest.mark.parametrize(
    "content",
    [
        *("", "{}x", '{"task": 1}', '[{"task": "a", "xs": [1], "ys": []}]', "[3]", "5"),
        *('[{"task": "a", "xs": [Infinity], "ys": [1]}]', "[" * 100_000),
    ],
)
def test_refuses_other_files_as_curves_of_seeds(tmp_path, content):
    path = tmp_path / "peers.json"
    path.write_text(content)
    with pytest.raises(UserError, match="peers.json is no list of curves"):
        references.read_peers(path)
    with pytest.raises(UserError, match="cannot read .*missing"):
        references.read_peers(tmp_path / "missing")


def test_importing_loads_neither_tensorflow_nor_matplotlib():
    code = (
        "import sys; from dreamer_tf.results import binning, check, export, figures, references, "
        "scores, series; print(sorted({'tensorflow', 'matplotlib', 'keras'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert found.stdout == "[]\n", found.stderr
