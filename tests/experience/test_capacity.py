"""Experience of limited capacity: what is dropped, when files go, and that runs stay exact."""

import os
import signal
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from agents_for_tests import tiny_agent
from episodes_for_tests import RECORD, draw, make_records, prefetched, same
from hypothesis import given, settings
from hypothesis import strategies as st
from runs_for_tests import (
    BRIEF,
    assert_same_run,
    final_arrays,
    fingerprint,
    interrupt,
    metrics,
    run_path,
    start,
    train,
)

from dreamer_tf.basics.errors import UserError
from dreamer_tf.config import files
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.runs import checkpoint
from dreamer_tf.training import cost

BUDGET = ["--replay.capacity", "200"]


def indices(folder):
    return {int(path.name[:6]) for path in Path(folder).glob("*.npy")}


def newest(lengths, capacity):
    """The plain definition: the newest episodes that fit together, at least one."""
    kept, steps = {}, 0
    for index in sorted(lengths, reverse=True):
        steps += lengths[index] - 1
        if kept and steps > capacity:
            break
        kept[index] = lengths[index]
    return kept


@settings(max_examples=80, deadline=None)
@given(
    lengths=st.lists(st.integers(2, 12), min_size=1, max_size=15),
    capacity=st.integers(1, 40),
    reopen=st.sets(st.integers(0, 14)),
    save=st.sets(st.integers(0, 14)),
    disorder=st.randoms(use_true_random=False),
)
def test_the_newest_that_fit_are_known_also_after_reopening(
    lengths, capacity, reopen, save, disorder
):
    """Episodes end a little out of order, as those of several environments do."""
    order = sorted(range(len(lengths)), key=lambda index: index + disorder.uniform(0, 3))
    with tempfile.TemporaryDirectory() as folder:
        episodes = Episodes(folder, RECORD, pytest.fail, capacity=capacity)
        present, floor, last = {}, -1, set()
        for count, index in enumerate(order):
            episodes.add(index, make_records(index, lengths[index]))
            present[index] = lengths[index]
            above = {each: length for each, length in present.items() if each > floor}
            expected = newest(above, capacity) if above else {}
            floor = max([floor, *(above.keys() - expected.keys())])
            assert dict(episodes.known) == expected and episodes.floor == floor
            assert indices(folder) == present.keys() == {each.index for each in episodes.present()}
            if count in save:
                # Deleted is what the checkpoint before this one did not need any more either.
                episodes.delete_dropped()
                present = {each: present[each] for each in present if each not in last}
                last = present.keys() - expected.keys()
                assert indices(folder) == present.keys()
            if count in reopen and expected:
                before = draw(episodes, 5, 3, 4)
                episodes = Episodes(
                    folder, RECORD, pytest.fail, capacity=capacity, floor=episodes.floor
                )
                last = set()
                assert dict(episodes.known) == expected
                assert same(draw(episodes, 5, 3, 4), before)


def test_a_straggler_older_than_what_was_dropped_is_not_taken_back(tmp_path):
    episodes = Episodes(tmp_path, RECORD, pytest.fail, capacity=10)
    for index in (0, 2, 4, 6):
        episodes.add(index, make_records(index, 6))
    assert [index for index, _ in episodes.known] == [4, 6]
    episodes.delete_dropped()
    episodes.delete_dropped()
    assert indices(tmp_path) == {4, 6}
    episodes.add(1, make_records(1, 3))
    assert [index for index, _ in episodes.known] == [4, 6]
    assert indices(tmp_path) == {1, 4, 6}, "a later count of steps may need it"
    again = Episodes(tmp_path, RECORD, pytest.fail, capacity=10, floor=episodes.floor)
    assert again.known == episodes.known


def test_a_damaged_file_is_not_deleted_with_the_dropped_ones(tmp_path):
    warnings = []
    episodes = Episodes(tmp_path, RECORD, warnings.append, capacity=5)
    for index in range(3):
        episodes.add(index, make_records(index, 6))
    path = tmp_path / "000000-6.npy"
    path.write_bytes(b"noise")
    with pytest.raises(UserError, match="000000-6"):
        episodes.read(0)
    for _ in range(3):
        episodes.delete_dropped()
    assert indices(tmp_path) == {0, 2} and path.read_bytes() == b"noise"


def test_batches_under_way_keep_their_files(tmp_path):
    episodes = Episodes(tmp_path, RECORD, pytest.fail, capacity=20)
    for index in range(6):
        episodes.add(index, make_records(index, 6))
    with prefetched(episodes, 0, 20, 3, 4) as batches:
        first = next(batches)
        episodes.delete_dropped()  # As a checkpoint in the middle of a block does.
        rest = list(batches)
    assert len(rest) == 19
    expected = draw(episodes, 0, 3, 4)
    assert same(first, expected)


def test_a_run_with_a_capacity_goes_on_exactly_and_keeps_no_more(tmp_path):
    expected, run = run_path(tmp_path / "a"), run_path(tmp_path / "b")
    assert train(tmp_path / "a", *BUDGET, small=BRIEF).returncode == 0
    for count in (6, 14):
        process = start(tmp_path / "b", *BUDGET, small=BRIEF)
        assert interrupt(process, run, lambda n, count=count: n >= count, signal.SIGTERM) == 0
    assert train(tmp_path / "b", *BUDGET, small=BRIEF).returncode == 0
    assert_same_run(run, expected)
    # 14 episodes of 50 steps were made; the last four are there.
    assert indices(run / "episodes") == {550, 600, 650, 700}
    episodes = [line["episodes"] for line in metrics(run) if "train/return" in line]
    assert episodes == list(range(1, 15))


def test_after_a_kill_dropped_episodes_are_counted(tmp_path):
    run, words = run_path(tmp_path), ["--replay.capacity", "60"]
    words += ["--checkpoint.minutes", "9"]  # None before the kill, so nothing may be deleted.
    process = start(tmp_path, *words, small=BRIEF)
    deadline = time.monotonic() + 120
    while len(indices(run / "episodes")) < 7 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    finished = indices(run / "episodes")
    assert len(finished) >= 7
    result = train(tmp_path, *words, small=BRIEF)
    assert result.returncode == 0, result.stderr
    assert f"{len(finished)} newer episodes adopted" in result.stdout
    lines = [line for line in metrics(run) if "train/return" in line]
    assert [line["episodes"] for line in lines] == list(range(1, 15))
    assert [line["step"] for line in lines] == list(range(50, 701, 50))
    counters = final_arrays(run)[0]["counters"]
    assert (counters["step"], counters["update"], counters["episodes"]) == (700, 60, 14)
    assert indices(run / "episodes") == {700}


def test_episodes_are_deleted_when_the_run_is_complete(tmp_path):
    run, words = run_path(tmp_path), ["--replay.keep", "false"]
    process = start(tmp_path, *words, small=BRIEF)
    assert interrupt(process, run, lambda n: n >= 8, signal.SIGTERM) == 0
    assert indices(run / "episodes"), "a stopped run needs them"
    assert train(tmp_path, *words, small=BRIEF).returncode == 0
    assert not indices(run / "episodes")
    again = train(tmp_path, *words, small=BRIEF)
    assert again.returncode == 0 and "complete" in again.stdout
    before = fingerprint(run)
    for keep in ("false", "true"):
        more = ["--steps", "900", "--extend", "--replay.keep", keep]
        longer = train(tmp_path, *words, *more, small=BRIEF)
        assert longer.returncode == 2 and longer.stderr.count("\n") == 1
        assert "cannot be prolonged: its episodes were deleted (replay.keep false)" in longer.stderr
        assert f"--init_from {run}" in longer.stderr
        assert fingerprint(run) == before


def test_episodes_of_a_complete_run_are_deleted_on_request_and_then_missed(tmp_path):
    run, words = run_path(tmp_path), ["--steps", "250"]
    assert train(tmp_path, *words, small=BRIEF).returncode == 0
    assert indices(run / "episodes")
    told = train(tmp_path, *words, "--replay.keep", "false", small=BRIEF)
    assert told.returncode == 0 and "its episodes are deleted now" in told.stdout
    assert not indices(run / "episodes") and "keep: false" in (run / "config.yaml").read_text()
    (run / "episodes").rmdir()  # Copies of a run may be without what is empty.
    again = train(tmp_path, *words, "--replay.keep", "false", small=BRIEF)
    assert again.returncode == 0 and "deleted" not in again.stdout
    assert "is complete, nothing to do" in again.stdout
    longer = train(tmp_path, "--steps", "400", "--extend", small=BRIEF)
    assert longer.returncode == 2 and "cannot be prolonged" in longer.stderr


@pytest.mark.parametrize("capacity", ["all", "300"])
def test_the_estimated_disk_is_what_is_used(capacity, tmp_path):
    overrides = {"steps": 2000, "train.prefill": 100, "replay.capacity": capacity}
    overrides["env.time_limit"] = 100
    # What a checkpoint says beside the weights is little beside weights of a usual number.
    overrides |= {"model.units": 300, "behavior.units": 300, "model.hidden": 300}
    agent = tiny_agent(**{key.replace(".", "__"): value for key, value in overrides.items()})
    config = agent.config
    limit = None if capacity == "all" else int(capacity)
    dtype = agent.spec.record_dtype
    episodes = Episodes(tmp_path, dtype, pytest.fail, capacity=limit)
    for index in range(20):
        records = np.zeros(51, dtype)
        records["is_first"][0] = records["is_last"][-1] = True
        episodes.add(index, records)
        episodes.delete_dropped()
        episodes.delete_dropped()
        used = sum(path.stat().st_size for path in tmp_path.glob("*.npy"))
    estimated, checkpoints = cost.disk_bytes(config, agent)
    # And, where finished ones go, the unfinished episode of the one environment at the most.
    unfinished = 0 if limit is None else records.nbytes
    assert estimated == pytest.approx(used + unfinished, rel=0.1)
    arrays = {name: variable.numpy() for name, variable in agent.variables.items()}
    for update in range(4):
        path = checkpoint.save(tmp_path, arrays, {}, update=update, step=0, keep=2)
    assert checkpoints == pytest.approx(3 * path.stat().st_size, rel=0.1)


def test_capacity_in_the_configuration():
    assert files.load_config([], [("replay.capacity", "1e6")]).replay.capacity == 10**6
