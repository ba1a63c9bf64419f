"""Runs are found wherever they lie; what is damaged is left out and said."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from results_for_tests import write_lines, write_run

from dreamer_tf.basics.errors import UserError
from dreamer_tf.results import scores

TASK = "dmc_walker_walk"


def row(step, **values):
    return {"step": step, "update": step // 10, "wall_time": step / 10, **values}


@pytest.mark.parametrize("below", [".", TASK, f"{TASK}/ours", f"{TASK}/ours/3"])
def test_a_run_is_found_from_any_folder_above(tmp_path, below):
    write_run(tmp_path, TASK, [10, 20, 30], seed=3, steps=25_000, env="{observation: vector}")
    (run,), skipped = scores.find([tmp_path / below])
    assert (run.task, run.name, run.seed) == (TASK, "ours", "3")
    assert (run.reached, run.planned, run.observation) == (25_000, 25_000, "vector")
    assert skipped == [] and run.remarks == ()
    curve = run.curve("test/return")
    np.testing.assert_array_equal(curve.steps, [5000, 15_000, 25_000])
    np.testing.assert_array_equal(curve.values, [10, 20, 30])
    np.testing.assert_array_equal(curve.errors, [3, 3, 3])
    np.testing.assert_allclose(curve.minutes, np.array([202, 602, 1002]) / 60)
    assert run.minutes_at(15_000) == pytest.approx(602 / 60)
    assert run.minutes_at(24_999) == pytest.approx(602 / 60)
    assert math.isnan(run.minutes_at(4000))
    assert run.describe() == f"{TASK}, ours, seed 3: 25000 steps, 3 evaluations"


def test_runs_are_ordered_and_foreign_folders_are_named(tmp_path):
    for seed in (1, 0):
        write_run(tmp_path, TASK, [1], seed)
    write_run(tmp_path, "dmc_cup_catch", [1])
    (tmp_path / "pictures" / "old").mkdir(parents=True)
    runs, skipped = scores.find([tmp_path])
    assert [(run.task, run.seed) for run in runs] == [
        ("dmc_cup_catch", "0"),
        (TASK, "0"),
        (TASK, "1"),
    ]
    (line,) = skipped
    assert line.startswith(
        f"{tmp_path / 'pictures'}: no metrics.jsonl and no curve.csv in it or in 3"
    )


def test_the_same_run_twice_counts_once(tmp_path):
    write_run(tmp_path / "a", TASK, [1])
    other = write_run(tmp_path / "b", TASK, [2])
    runs, skipped = scores.find([tmp_path / "a", tmp_path / "b", tmp_path / "a" / TASK])
    assert len(runs) == 1 and runs[0].curve("test/return").values == [1]
    assert len(skipped) == 1 and skipped[0].startswith(f"{other}: the same task, name and seed")


def test_a_cut_off_last_line_is_left_out(tmp_path):
    folder = write_run(tmp_path, TASK, [10, 20])
    text = (folder / "metrics.jsonl").read_text()
    (folder / "metrics.jsonl").write_text(text[:-5])
    run = scores.read(folder)
    np.testing.assert_array_equal(run.curve("test/return").values, [10])
    assert run.remarks == ("the last line is cut off",)


def test_damaged_lines_within_are_counted(tmp_path):
    folder = write_run(tmp_path, TASK, [10, 20])
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    lines[1:1] = ["\x00\x00", "[1, 2]", '{"test/return": 5}', '{"step": null}', "", "7"]
    (folder / "metrics.jsonl").write_bytes("\n".join(lines).encode() + b"\n{\xff}\n")
    run = scores.read(folder)
    np.testing.assert_array_equal(run.curve("test/return").values, [10, 20])
    assert run.remarks == ("6 lines cannot be read",)


def test_what_is_not_finite_is_kept_and_said(tmp_path):
    folder = write_run(tmp_path, TASK, [10, math.nan, math.inf])
    run = scores.read(folder)
    np.testing.assert_array_equal(run.curve("test/return").values, [10, math.nan, math.inf])
    assert "2 values of test/return are not finite" in run.remarks


def test_an_interrupted_run_says_so(tmp_path):
    write_run(tmp_path, TASK, [10], end=7100, steps=20_000)
    (run,), _ = scores.find([tmp_path])
    assert run.reached == 7100
    assert run.describe().endswith("1 evaluation; stopped or running, 20000 were asked for")


def test_after_going_back_the_later_lines_count(tmp_path):
    folder = tmp_path / TASK / "ours" / "0"
    steps = [5000, 15_000, 25_000, 15_000, 25_000]
    write_lines(folder, [row(s, **{"test/return": n}) for n, s in enumerate(steps)])
    run = scores.read(folder)
    np.testing.assert_array_equal(run.curve("test/return").values, [0, 3, 4])
    assert run.remarks == ("goes back 1 times, what was logged last counts",)


def test_what_was_logged_before_the_checkpoint_that_a_run_went_back_to_stays(tmp_path):
    folder = tmp_path / TASK / "ours" / "0"
    rows = [row(5000, wall_time=300, **{"test/return": 1}), row(5000, **{"train/return": 2})]
    rows += [row(6000, loss=1)]
    rows += [row(5000, **{"train/return": 3}), row(5000, **{"train/return": 4}), row(6000, loss=2)]
    write_lines(folder, rows)
    run = scores.read(folder)
    assert run.curve("test/return").values == [1] and run.curve("test/return").minutes == [5]
    assert list(run.curve("train/return").values) == [3, 4]  # Two environments' episodes.
    assert run.curve("loss").values == [2]


@pytest.mark.parametrize("stray", [[0], [0, 0], [12_000], [2000]])
@pytest.mark.parametrize("place", [2, 3, 4])
def test_a_line_with_a_step_out_of_order_erases_nothing(tmp_path, stray, place):
    folder = tmp_path / TASK / "ours" / "0"
    rows = [row(5000 + 10_000 * n, **{"test/return": n}) for n in range(5)]
    rows[place:place] = [row(step, **{"test/return": 99}) for step in stray]
    write_lines(folder, rows)
    run = scores.read(folder)
    np.testing.assert_array_equal(run.curve("test/return").values, range(5))
    assert run.remarks == (f"{len(stray)} lines with a step out of order are left out",)


def test_a_line_out_of_order_between_two_of_one_step_erases_nothing(tmp_path):
    folder = tmp_path / TASK / "ours" / "0"
    rows = [row(5000, **{"test/return": 1}), row(15_000, loss=2), row(0, loss=3)]
    write_lines(folder, [*rows, row(15_000, **{"test/return": 4})])
    assert list(scores.read(folder).curve("test/return").values) == [1, 4]


def test_a_last_line_behind_the_others_waits_for_what_follows(tmp_path):
    folder = tmp_path / TASK / "ours" / "0"
    rows = [row(5000 + 10_000 * n, **{"test/return": n}) for n in range(5)]
    write_lines(folder, [*rows, row(16_000, **{"test/return": 99})])
    run = scores.read(folder)
    np.testing.assert_array_equal(run.curve("test/return").values, range(5))
    assert run.remarks == ("its last line is of step 16000, behind others: left out",)
    write_lines(folder, [*rows, *(row(16_000 + n, **{"test/return": 99}) for n in range(2))])
    np.testing.assert_array_equal(scores.read(folder).curve("test/return").values, [0, 1, 99, 99])


def test_of_what_a_run_makes_anew_the_second_counts_whatever_comes_between(tmp_path):
    folder = tmp_path / TASK / "ours" / "0"
    rows = [row(5000), row(7000), row(10_000, **{"test/return": 1}), row(6000)]
    write_lines(folder, [*rows, row(10_000, **{"test/return": 9})])
    run = scores.read(folder)
    assert run.curve("test/return").values == [9]
    assert run.remarks == ("goes back 1 times, what was logged last counts",)


def test_a_run_that_began_anew_is_what_it_was_then(tmp_path):
    folder = tmp_path / TASK / "ours" / "0"
    steps = [5000, 15_000, 25_000, 35_000, 500, 1000]
    write_lines(folder, [row(s, **{"test/return": n}) for n, s in enumerate(steps)])
    np.testing.assert_array_equal(scores.read(folder).curve("test/return").values, [4, 5])


def test_a_byte_order_mark_costs_no_line(tmp_path):
    for name, text in (
        ("metrics.jsonl", '{"step": 5000, "test/return": 1}\n'),
        ("curve.csv", "step,test/return\n5000,1\n"),
    ):
        folder = tmp_path / name / TASK / "ours" / "0"
        folder.mkdir(parents=True)
        (folder / name).write_text(text, encoding="utf-8-sig")
        run = scores.read(folder)
        assert run.curve("test/return").values == [1] and run.remarks == ()


@pytest.mark.parametrize(
    "names", [("test/return", "train/return"), ("eval_return", "train_return")]
)
def test_logs_of_other_code_are_read_by_their_folders_names(tmp_path, names):
    folder = tmp_path / TASK / "dreamer" / "1"
    write_lines(folder, [{"step": 1000.0, names[1]: 3.5}, {"step": 2000.0, names[0]: 4.5}])
    (run,), _ = scores.find([tmp_path])
    assert (run.task, run.name, run.seed, run.planned) == (TASK, "dreamer", "1", None)
    assert run.curve("train/return").values == [3.5]
    curve = run.curve("test/return")
    assert curve.values == [4.5] and np.isnan(curve.minutes).all() and np.isnan(curve.errors).all()


def test_exported_curves_are_read_and_damaged_lines_counted(tmp_path):
    folder = tmp_path / TASK / "ours" / "0"
    folder.mkdir(parents=True)
    lines = ["step,wall_time,test/return", "5000,60,", "15000,120,7.5", "x,1,1", "25000,180"]
    (folder / "curve.csv").write_text("\n".join(lines))
    run = scores.read(folder)
    curve = run.curve("test/return")
    assert curve.steps == [15_000] and curve.values == [7.5] and curve.minutes == [2]
    assert run.remarks == ("2 lines cannot be read",)


def test_a_stray_quote_costs_its_own_line(tmp_path):
    lines = [f"{step},{step / 10}" for step in range(1000, 201_000, 1000)]
    lines[19] = f'"{lines[19]}'
    (tmp_path / "dmc_walker_walk" / "a" / "0").mkdir(parents=True)
    path = tmp_path / "dmc_walker_walk" / "a" / "0" / "curve.csv"
    path.write_text("\n".join(["step,test/return", *lines]) + "\n")
    ((run,), _) = scores.find([tmp_path])
    assert len(run.rows) == 199 and run.reached == 200_000
    assert run.remarks == ("1 line cannot be read",)


def test_what_only_ends_lines_of_text_ends_none_of_a_log(tmp_path):
    folder = tmp_path / "dmc_walker_walk" / "a" / "0"
    folder.mkdir(parents=True)
    lines = [
        f'{{"step": {step}000, "test/return": {step}, "note": "a\u2028\x85b"}}' for step in (1, 2)
    ]
    (folder / "metrics.jsonl").write_text("\r\n".join(lines) + "\n", newline="")
    run = scores.read(folder)
    assert [row["test/return"] for row in run.rows] == [1, 2] and not run.remarks


def test_a_configuration_that_cannot_be_read_is_said(tmp_path):
    folder = write_run(tmp_path, TASK, [1])
    (folder / "config.yaml").write_text("task: [\n")
    assert scores.read(folder).remarks == ("config.yaml cannot be read",)
    (folder / "config.yaml").write_text("just text")
    assert scores.read(folder).task == TASK


@pytest.mark.parametrize(
    "content, reason",
    [
        ("", "metrics.jsonl holds no returns"),
        (json.dumps(row(1, div=2.0)), "metrics.jsonl holds no returns"),
        ("\x00" * 50, "metrics.jsonl holds no returns"),
        (json.dumps(row(1, **{"test/return": "high"})), "metrics.jsonl holds no returns"),
    ],
)
def test_runs_without_returns_are_skipped_with_the_reason(tmp_path, content, reason):
    write_run(tmp_path, TASK, [1], seed=0)
    bad = write_run(tmp_path, TASK, [1], seed=1)
    (bad / "metrics.jsonl").write_text(content)
    runs, skipped = scores.find([tmp_path])
    assert [run.seed for run in runs] == ["0"]
    assert skipped == [f"{bad}: {reason}"]


def test_a_log_whose_task_nobody_tells_is_skipped(tmp_path):
    write_lines(tmp_path / "some" / "where", [row(1, **{"test/return": 1.0})])
    with pytest.raises(UserError, match="neither a config.yaml nor the names of folders"):
        scores.find([tmp_path])


def test_mistaken_paths_are_told(tmp_path):
    (tmp_path / "file").write_text("")
    for path, message in (
        ("missing", "missing does not exist"),
        ("file", "file is not a folder"),
        (".", "no runs in"),
    ):
        with pytest.raises(UserError, match=message):
            scores.find([tmp_path / path])


def test_a_folder_that_may_not_be_looked_into_costs_only_itself(tmp_path, monkeypatch):
    write_run(tmp_path, TASK, [1])
    closed = tmp_path / TASK / "closed"
    closed.mkdir()
    is_file = Path.is_file

    def refuse(path):
        if closed in path.parents:
            raise PermissionError(13, "Permission denied", str(path))
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", refuse)
    runs, _ = scores.find([tmp_path])
    assert [run.name for run in runs] == ["ours"]


def test_no_steps_asked_for_is_as_none_known(tmp_path):
    run = scores.read(write_run(tmp_path, TASK, [1], steps=0))
    assert run.planned is None and run.finished and not run.ended
