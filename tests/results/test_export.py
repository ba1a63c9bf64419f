"""What is exported judges like the run and says nothing of the machine."""

import csv
import dataclasses
import json

import numpy as np
import pytest
from results_for_tests import program, write_run

from dreamer_tf.basics.errors import UserError
from dreamer_tf.results import check, export, scores

TASK = "dmc_walker_walk"
RETURNS = [100 + 31.7 * number for number in range(11)]
SESSION = {
    "date": "2026-01-01",
    "command": "'/opt/some where/bin/python' -m dreamer_tf.train --logdir '/data/my runs' "
    "--configs=/home/me/fast.yaml cpu --task dmc_walker_walk --init_from ~/runs/a/b/0",
    "git": {"commit": "abc", "dirty": False},
    "platform": "Linux-6.1-x86_64",
    "init_from": "/data/my runs/a/b/0",
    "note": "from https://example.org/a/b, 3/4 of it, in /tmp/x, gl=/usr/lib/libEGL.so",
}


def exported(tmp_path, meta=None):
    folder = write_run(tmp_path / "logs", TASK, RETURNS, seed=2, end=105_300, steps=200_000)
    meta = {"sessions": [SESSION]} if meta is None else meta
    (folder / "meta.json").write_text(meta if isinstance(meta, str) else json.dumps(meta))
    return folder, export.export(scores.read(folder), tmp_path / "out", set())


def test_the_exported_run_is_the_run(tmp_path):
    folder, target = exported(tmp_path)
    assert target == tmp_path / "out" / TASK / "ours" / "2"
    assert sorted(each.name for each in target.iterdir()) == [
        "config.yaml",
        "curve.csv",
        "meta.json",
    ]
    run, (again,) = scores.read(folder), scores.find([tmp_path / "out"])[0]
    for name in ("task", "name", "seed", "reached", "planned", "observation", "remarks"):
        assert getattr(again, name) == getattr(run, name)
    for name in ("test/return", "train/return"):
        curve, other = run.curve(name), again.curve(name)
        np.testing.assert_array_equal(other.steps, curve.steps)
        np.testing.assert_allclose(other.values, curve.values, rtol=1e-6)
        np.testing.assert_allclose(other.minutes, curve.minutes, rtol=1e-6)
        np.testing.assert_array_equal(other.errors, curve.errors)
    assert check.table(check.judge([again])[0]) == check.table(check.judge([run])[0])
    # And once more changes nothing.
    second = export.export(again, tmp_path / "second", set())
    for each in target.iterdir():
        assert (second / each.name).read_bytes() == each.read_bytes()


def test_only_a_longer_curve_of_the_same_run_replaces_one(tmp_path):
    def write(returns, seed):
        folder = write_run(tmp_path / f"logs{len(returns)}-{seed}", TASK, returns, seed=2)
        return export.export(scores.read(folder), tmp_path / "out", set())

    target = write(RETURNS[:5], 0)
    assert write(RETURNS[:5], 1) == write(RETURNS, 2) == target
    longer = (target / "curve.csv").read_bytes()
    for returns in (RETURNS[:5], [-each for each in RETURNS]):
        with pytest.raises(UserError, match="has another curve, or more of this one: move it"):
            write(returns, 3)
    assert (target / "curve.csv").read_bytes() == longer


def test_health_metrics_are_means_since_the_row_before(tmp_path):
    rows = [
        {"step": 1, "update": 0, "train/return": 5.0},
        {"step": 2, "update": 1, "div": 1.0, "image_loss": 9.0},
        {"step": 3, "update": 2, "div": 4.0, "action_ent": -1.0},
        {"step": 4, "update": 2, "test/return": 7.0, "test/return_error": 0.123456789},
        {"step": 5, "update": 3, "div": 8.0},
        {"step": 1234567, "update": 4, "div": 10.0},
    ]
    found = list(csv.DictReader(export.to_csv(export.curve_rows(rows)).splitlines()))
    assert [{name: text for name, text in row.items() if text} for row in found] == [
        {"step": "1", "update": "0", "train/return": "5"},
        {
            "step": "4",
            "update": "2",
            "test/return": "7",
            "test/return_error": "0.1234568",
            "div": "2.5",
            "action_ent": "-1",
        },
        {"step": "1234567", "update": "4", "div": "9"},
    ]


def test_where_things_lie_on_the_machine_is_left_out(tmp_path):
    _, target = exported(tmp_path)
    (session,) = json.loads((target / "meta.json").read_text())["sessions"]
    assert session == SESSION | {
        "command": "python -m dreamer_tf.train --configs=fast.yaml cpu --task dmc_walker_walk "
        "--init_from 0",
        "init_from": "0",
        "note": "from https://example.org/a/b, 3/4 of it, in x, gl=libEGL.so",
    }


def test_no_meta_that_cannot_be_cleaned_is_published(tmp_path):
    with pytest.raises(UserError, match="meta.json cannot be read"):
        exported(tmp_path, meta='{"sessions": [{"command": "/home/me')
    assert not (tmp_path / "out" / TASK).exists()
    with pytest.raises(UserError, match="meta.json cannot be read"):
        export.without_paths("[" * 100_000)


def test_a_command_with_an_odd_quote_is_cleaned_as_text(tmp_path):
    text = export.without_paths(json.dumps({"command": "/a/b/python -c 'it --logdir /x/runs"}))
    assert json.loads(text) == {"command": "python -c 'it --logdir runs"}


def test_a_run_is_not_exported_over_itself(tmp_path):
    folder = write_run(tmp_path, TASK, [1])
    # Nor over another one of the same names.
    other = write_run(tmp_path / "other", TASK, [2])
    for source in (folder, other):
        with pytest.raises(UserError, match="is a run itself"):
            export.export(scores.read(source), tmp_path, set())
    assert not (folder / "curve.csv").exists()


def test_names_of_any_script_are_kept_and_none_overwrites_another(tmp_path):
    names = ["方法", "实验", "a:b", "a-b"]
    runs = [scores.read(write_run(tmp_path / "logs", TASK, [1], name=name)) for name in names]
    out, written = tmp_path / "out", set()
    found = [export.export(run, out, written).parent.name for run in runs[:3]]
    assert found == ["方法", "实验", "a-b"]
    with pytest.raises(UserError, match="another run was written to"):
        export.export(runs[3], out, written)
    odd = dataclasses.replace(runs[0], task="..", name="a/../b")
    assert export.export(odd, out, written) == out / "--" / "a-..-b" / "0"


def test_a_run_that_cannot_be_exported_costs_only_itself(tmp_path, capsys):
    bad, _ = (write_run(tmp_path / "logs", TASK, [1], seed) for seed in (0, 1))
    (bad / "meta.json").write_text('{"sessions": [')
    out = tmp_path / "out"
    assert program("reproduce").main(["export", str(tmp_path / "logs"), "--out", str(out)]) == 1
    said = capsys.readouterr().out
    assert f"skipped {bad}: meta.json cannot be read" in said
    assert sorted(out.glob("*/*/*")) == [out / TASK / "ours" / "1"]
