"""Files that grow with their episodes: kills, torn records, full disks, and who sees how much."""

import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from episodes_for_tests import (
    RECORD,
    ROOT,
    SEED,
    draw,
    make_records,
    places,
    run_on_small_disk,
)

from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.growing_file import GrowingFile

INDEX, LENGTH = 77, 500


def records_of(length=LENGTH, whole=False):
    """The first records of a recognisable episode."""
    records = make_records(INDEX, LENGTH)
    records["is_last"][-1] = False
    records = records[:length].copy()
    records["is_last"][-1] = whole
    return records


def grow(episodes, records, first=0, environment=0):
    if first == 0:
        episodes.begin(environment, 3, 10)
    for record in records[first:]:
        episodes.append(environment, record)


def path_in(folder):
    (path,) = folder.glob("*.part")
    return path


def reopened(folder, stretch=16):
    episodes = Episodes(folder, RECORD, pytest.fail)
    episodes.stretch = stretch
    return episodes


# Kills.

PROGRAM = """
import os, signal, sys
import numpy as np
sys.path.insert(0, sys.argv[2])
from episodes_for_tests import RECORD
from test_growing_file import grow, records_of, reopened
from pathlib import Path
episodes = reopened(Path(sys.argv[1]))
"""
ENDLESS = """
records = np.concatenate([records_of()] + [records_of()] * 2000)
records["is_first"][1:] = False
records["action"][:, 1] = np.arange(len(records))
episodes.begin(0, 3, 10)
for count, record in enumerate(records):
    episodes.append(0, record)
    if count % 50 == 20:
        episodes.store()
    print(episodes.growing[0].stored, flush=True)
"""
KILLED_IN_FINISH = """
grow(episodes, records_of(40, whole=%r))
os.%s = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
episodes.finish(0, cut=%r)
"""


def start(program, folder):
    words = [sys.executable, "-c", PROGRAM + program, folder, ROOT / "tests" / "experience"]
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = {**os.environ, "PYTHONPATH": paths}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True)


def test_killed_at_any_moment_it_holds_what_was_stored(tmp_path):
    chance = random.Random(1)
    for attempt in range(6):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        process = start(ENDLESS, folder)
        for _ in range(chance.randint(20, 400)):
            promised = int(process.stdout.readline())
        time.sleep(chance.uniform(0, 0.003))
        process.kill()
        process.communicate()
        (growing,) = reopened(folder).take_left_over()
        assert (growing.environment, growing.number, growing.begin) == (0, 3, 10)
        assert growing.stored >= promised
        stored = np.concatenate(list(growing.records()))
        np.testing.assert_array_equal(stored["action"][:, 1], np.arange(growing.stored))
        assert stored["is_first"].sum() == 1 and not stored["is_last"].any()


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("call", ["replace", "fsync"])
def test_killed_between_the_final_header_and_the_rename(tmp_path, whole, call):
    process = start(KILLED_IN_FINISH % (whole, call, not whole), tmp_path)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    episodes = reopened(tmp_path)
    assert not len(episodes)
    (growing,) = episodes.take_left_over()
    assert growing.stored == 40 and growing.is_complete()
    episode = episodes.cut(growing)
    expected = records_of(40, whole=True)
    np.testing.assert_array_equal(np.load(tmp_path / episode.name), expected)
    assert episodes.known == ((10 + 39, 40),) and not list(tmp_path.glob("*.part"))
    assert reopened(tmp_path).known == episodes.known


# Torn and foreign files.


@pytest.mark.parametrize("missing", [1, 3, RECORD.itemsize - 1, RECORD.itemsize])
def test_a_torn_last_record_does_not_count(tmp_path, missing):
    episodes = reopened(tmp_path)
    grow(episodes, records_of(30))
    episodes.store()
    path = path_in(tmp_path)
    os.truncate(path, path.stat().st_size - missing)
    again = reopened(tmp_path)
    (growing,) = again.take_left_over()
    assert growing.stored == 29
    again.continue_with(growing)
    grow(again, records_of(35, whole=True), first=29)
    episode = again.finish(0)
    np.testing.assert_array_equal(np.load(tmp_path / episode.name), records_of(35, whole=True))


def test_a_torn_record_is_cut_off_with_the_episode(tmp_path):
    episodes = reopened(tmp_path)
    grow(episodes, records_of(30))
    episodes.store()
    os.truncate(path_in(tmp_path), path_in(tmp_path).stat().st_size - 5)
    again = reopened(tmp_path)
    (growing,) = again.take_left_over()
    episode = again.cut(growing)
    np.testing.assert_array_equal(np.load(tmp_path / episode.name), records_of(29, whole=True))


def test_an_empty_file_goes_and_a_foreign_one_stays_with_a_warning(tmp_path):
    name = "unfinished-0000-000003-000000010.npy.part"
    (tmp_path / name).write_bytes(b"")
    assert not reopened(tmp_path).take_left_over() and not list(tmp_path.iterdir())
    noise = np.random.default_rng(0).bytes(5000)
    (tmp_path / name).write_bytes(noise)
    warnings = []
    episodes = Episodes(tmp_path, RECORD, warnings.append)
    assert not episodes.take_left_over() and len(warnings) == 1 and name in warnings[0]
    assert (tmp_path / name).read_bytes() == noise


def test_episodes_that_were_numbered_otherwise_are_drawn_from_as_well(tmp_path):
    """Before, an index was number * environments + environment; records and names are the same."""
    old = Episodes(tmp_path, RECORD, pytest.fail, 2)
    for index in (0, 1, 2, 3):
        old.add(index, make_records(index, 20))
    old.leave(1, 2, 19, records_of(12))
    episodes = Episodes(tmp_path, RECORD, pytest.fail, 2)
    (growing,) = episodes.take_left_over()
    assert (growing.environment, growing.number, growing.begin, growing.stored) == (1, 2, 19, 12)
    episodes.continue_with(growing)
    grow(episodes, records_of(30, whole=True), first=12, environment=1)
    assert episodes.finish(1).index == (19 + 29) * 2 + 1
    assert {index for index, _ in places(draw(episodes, 0, 50, 5))[:, 0]} == {0, 1, 2, 3, INDEX}


# Who sees how much.


def test_nothing_is_drawn_from_beyond_the_visible_stretches(tmp_path):
    episodes = reopened(tmp_path, stretch=8)
    assert not episodes.sources()
    for count in range(1, 41):
        grow(episodes, records_of(count), first=count - 1)
        if count % 5 == 0:
            episodes.store()  # A checkpoint's; it makes nothing visible.
        visible = count // 8 * 8
        assert [each.length for each in episodes.sources()] == [visible] * bool(visible)
        if visible:
            found = places(draw(episodes, count, 30, 4))
            assert (found[..., 0] == INDEX).all()
            assert set(found[..., 1].ravel()) <= set(range(visible))
            assert visible > 8 or found[..., 1].max() == 7, "the last visible one can be drawn"
    assert not len(episodes)
    grow(episodes, records_of(41, whole=True), first=40)
    episodes.finish(0)
    assert [each.length for each in episodes.sources()] == [41] and len(episodes) == 1


def test_a_batch_drawn_before_is_drawn_the_same_from_a_file_opened_again(tmp_path):
    episodes = reopened(tmp_path, stretch=8)
    grow(episodes, records_of(21))
    expected = draw(episodes, 3, 20, 5, SEED)
    episodes.store()
    again = reopened(tmp_path, stretch=8)
    (growing,) = again.take_left_over()
    again.continue_with(growing)
    for name, array in draw(again, 3, 20, 5, SEED).items():
        np.testing.assert_array_equal(array, expected[name])


def test_what_was_visible_survives_being_given_up_and_the_rest_goes(tmp_path):
    episodes = reopened(tmp_path)
    grow(episodes, records_of(15))
    assert episodes.abandon(0) == 14 and not list(tmp_path.iterdir())
    grow(episodes, records_of(20))
    assert episodes.abandon(0) == 0
    assert episodes.known == ((10 + 19, 20),)
    np.testing.assert_array_equal(episodes.read(29), records_of(20, whole=True))


# Full disks.

FULL = """
import os, sys
import numpy as np
from pathlib import Path
sys.path[:0] = ["tests", "tests/experience"]
from test_growing_file import grow, records_of, reopened
folder = Path(sys.argv[1])
filler = folder / "filler"
def fill():
    with open(filler, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError:
            pass
def error_of(action):
    try:
        action()
    except OSError as error:
        return error.strerror
records, failures = records_of(500, whole=True), []
episodes = reopened(folder)
grow(episodes, records[:70])
fill()
for record in records[70:]:  # A page of the disk may have room left.
    failures.append(error_of(lambda: episodes.append(0, record)))
growing = episodes.growing[0]
print(sorted(set(failures), key=str), growing.stored < 200, len(growing))
print(error_of(episodes.store), error_of(lambda: episodes.finish(0)), len(episodes))
left = type(growing).open(growing.path, records.dtype)
found = np.concatenate(list(left.records()))
print(left.stored >= growing.stored, np.array_equal(found, records[: left.stored]))
filler.unlink()
episode = episodes.finish(0)
same = np.array_equal(np.load(folder / episode.name), records)
print(same, episodes.known, os.listdir(folder))
"""


def test_a_full_disk_loses_nothing_of_what_waits(tmp_path):
    appended, finished, left, end = run_on_small_disk(FULL, tmp_path).splitlines()
    full = "No space left on device"
    assert appended == f"['{full}', None] True 500"
    assert finished == f"{full} {full} 0"
    assert left == "True True", "another process finds the first ones, and maybe some more"
    assert end == "True ((509, 500),) ['000509-500.npy']"


def test_records_are_read_back_a_block_at_a_time(tmp_path):
    growing = GrowingFile(tmp_path, 0, 0, 0, RECORD)
    records = records_of()
    for record in records:
        growing.add(record)
    assert (len(growing), growing.stored) == (500, 0) and not list(tmp_path.iterdir())
    growing.store(sync=True)
    np.testing.assert_array_equal(np.concatenate(list(growing.records(37))), records[37:])
    growing.truncate(50)
    assert growing.stored == len(growing) == 50
    np.testing.assert_array_equal(np.concatenate(list(growing.records())), records[:50])
