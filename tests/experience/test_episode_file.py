"""Episode files: which are taken, which are skipped, and what a kill or a full disk leaves."""

import itertools
import os
import pickle
import random
import subprocess
import sys
import time

import numpy as np
import pytest
from episodes_for_tests import (
    RECORD,
    ROOT,
    Bomb,
    draw,
    make_episodes,
    make_records,
    run_on_small_disk,
    saved,
    unmarked,
)

from dreamer_tf.basics import atomic
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.growing_file import GrowingFile

# Files.


def test_files_are_ordinary_arrays_and_counted(tmp_path):
    episodes = make_episodes(tmp_path, [20, 25])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000-20.npy", "000001-25.npy"]
    assert np.array_equal(np.load(tmp_path / "000001-25.npy"), make_records(1, 25))
    assert np.array_equal(episodes.read(1), make_records(1, 25))
    assert episodes.known == ((0, 20), (1, 25)) and dict(episodes.known)[1] == 25
    assert episodes.steps == 19 + 24
    episodes.add(1234567, make_records(1234567, 3))
    again = Episodes(tmp_path, RECORD, pytest.fail)
    assert again.known == episodes.known == ((0, 20), (1, 25), (1234567, 3))


@pytest.mark.parametrize(
    "names", [[f"sensor-{i:03d}'s" for i in range(200)], ["θ", "位置"], ["x" * 70000]]
)
def test_records_with_any_names_are_written_read_and_are_numpys(tmp_path, names):
    dtype = np.dtype([*((name, "<f4", (2,)) for name in names), *RECORD.descr])
    records = np.zeros(20, dtype)
    records[names[-1]] = np.arange(40).reshape(20, 2)
    records["is_first"][0] = records["is_last"][-1] = True
    Episodes(tmp_path, dtype, pytest.fail).add(7, records)
    again = Episodes(tmp_path, dtype, pytest.fail)
    assert again.known == ((7, 20),) and np.array_equal(again.read(7), records)
    assert np.array_equal(np.load(tmp_path / "000007-20.npy", max_header_size=10**6), records)
    renamed = np.dtype([("other", "<f4", (2,)), *dtype.descr[1:]])
    said = []
    assert Episodes(tmp_path, renamed, said.append).known == () and len(said) == 1
    growing = GrowingFile(tmp_path, 0, 0, 0, dtype)
    for record in records[:5]:
        growing.add(record)
    growing.store()
    assert len(GrowingFile.open(growing.path, dtype)) == 5


def test_version_2_headers_are_read(tmp_path):
    records = make_records(0, 20)
    with open(tmp_path / "000000-20.npy", "wb") as file:
        np.lib.format.write_array(file, records, version=(2, 0))
    assert np.array_equal(Episodes(tmp_path, RECORD, pytest.fail).read(0), records)


@pytest.mark.parametrize(
    "records",
    [
        np.zeros(20, np.float32),
        make_records(3, 20).reshape(2, 10),
        make_records(3, 20)[:0],
        unmarked("is_first", 0, False),
        unmarked("is_last", -1, False),
        unmarked("is_first", 5, True),
        unmarked("is_last", 5, True),
    ],
)
def test_what_is_no_episode_is_refused(tmp_path, records):
    episodes = make_episodes(tmp_path, [20])
    with pytest.raises(ValueError):
        episodes.add(3, records)
    assert [path.name for path in tmp_path.iterdir()] == ["000000-20.npy"]
    assert episodes.known == ((0, 20),)


def test_an_index_is_used_once(tmp_path):
    episodes = make_episodes(tmp_path, [20])
    with pytest.raises(ValueError, match="0 already"):
        episodes.add(0, make_records(0, 30))
    assert episodes.known == ((0, 20),)


# Damage. Each entry: what is made of the file 000003-20.npy, and a word of the reason.

GOOD = saved(make_records(3, 20))


def other_fields(dtype):
    return saved(make_records(3, 20, np.dtype(dtype)))


DAMAGE = {
    "empty": (b"", "header"),
    "no header": (b"\x00" * len(GOOD), "header"),
    "noise": (np.random.default_rng(0).bytes(len(GOOD)), "header"),
    "half a header": (GOOD[:40], "header"),
    "noise in the header": (GOOD[:10] + np.random.default_rng(1).bytes(80) + GOOD[90:], "header"),
    "header only": (GOOD[: len(GOOD) - 20 * RECORD.itemsize], "bytes"),
    "truncated": (GOOD[:-1], "bytes"),
    "too long": (GOOD + b"\x00", "bytes"),
    "newer format": (GOOD[:6] + b"\x09" + GOOD[7:], "version"),
    "no reset": (saved(unmarked("is_first", 0, False)), "is_first"),
    "no end": (saved(unmarked("is_last", -1, False)), "is_last"),
    "other length": (saved(make_records(3, 19)), "19"),
    "two dimensions": (saved(make_records(3, 20).reshape(20, 1)), "shape"),
    "other array": (saved(np.zeros(20)), "fields"),
    "other image": (
        other_fields([("image", np.uint8, (8, 8, 3)), *RECORD.descr[1:]]),
        "fields",
    ),
    "one field more": (other_fields([*RECORD.descr, ("extra", np.float32)]), "fields"),
    "text": (b"once upon a time " * 100, "header"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_skipped_by_name_and_left_alone(tmp_path, kind):
    content, reason = DAMAGE[kind]
    make_episodes(tmp_path, [20, 30])
    path = tmp_path / "000003-20.npy"
    path.write_bytes(content)
    warnings = []
    episodes = Episodes(tmp_path, RECORD, warnings.append)
    assert episodes.known == ((0, 20), (1, 30))
    assert len(warnings) == 1 and path.name in warnings[0] and reason in warnings[0]
    assert "\n" not in warnings[0]
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "name", ["3-20.npy", "000003.npy", "notes.txt", "0000003-20.npy", "000003-020.npy"]
)
def test_foreign_names_are_skipped(tmp_path, name):
    make_episodes(tmp_path, [20])
    (tmp_path / name).write_bytes(GOOD)
    warnings = []
    assert Episodes(tmp_path, RECORD, warnings.append).known == ((0, 20),)
    assert len(warnings) == 1 and name in warnings[0]


def test_what_is_no_file_is_skipped_and_two_of_an_index_too(tmp_path):
    make_episodes(tmp_path, [20])
    (tmp_path / "000004-20.npy").mkdir()
    os.mkfifo(tmp_path / "000005-20.npy")
    (tmp_path / "000006-20.npy").symlink_to(tmp_path / "missing")
    (tmp_path / "000000-30.npy").write_bytes(saved(make_records(0, 30)))
    warnings = []
    assert Episodes(tmp_path, RECORD, warnings.append).known == ((0, 20),)
    assert len(warnings) == 4
    assert "000000-30.npy" in warnings[1] or "000000-30.npy" in warnings[0]


@pytest.mark.parametrize("wrap", [False, True])
def test_pickles_are_never_executed(tmp_path, wrap):
    folder, trace = tmp_path / "episodes", tmp_path / "executed"
    folder.mkdir()
    make_episodes(folder, [20])
    content = pickle.dumps(Bomb(trace))
    if wrap:
        content = saved(np.array([Bomb(trace)] * 20, object))
    path = folder / "000003-20.npy"
    path.write_bytes(content)
    warnings = []
    episodes = Episodes(folder, RECORD, warnings.append)
    draw(episodes, 0, 4, 10)
    assert len(warnings) == 1 and path.name in warnings[0]
    assert not trace.exists()
    if wrap:
        np.load(path, allow_pickle=True)
    else:
        pickle.loads(content)
    assert trace.exists()  # The trap was armed.


def test_left_over_temporary_files_are_removed_silently(tmp_path):
    make_episodes(tmp_path, [20])
    (tmp_path / ("000001-20.npy" + atomic.TEMPORARY)).write_bytes(GOOD[:100])
    assert Episodes(tmp_path, RECORD, pytest.fail).known == ((0, 20),)
    assert [path.name for path in tmp_path.iterdir()] == ["000000-20.npy"]


# Real processes.

BIG = np.dtype([("image", np.uint8, (64, 64, 3)), *RECORD.descr[1:]])
ADDER = f"""
import sys, numpy as np
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.growing_file import GrowingFile
dtype = np.dtype({BIG.descr!r})
episodes = Episodes(sys.argv[1], dtype, print)
index = 1 + max([index for index, _ in episodes.known], default=-1)
print("ready", flush=True)
while True:
    records = np.zeros(20 + index % 30, dtype)
    records["image"], records["action"], records["reward"] = index % 256, index, index
    records["is_first"][0] = records["is_last"][-1] = True
    episodes.add(index, records)
    index += 1
"""


def test_every_visible_file_is_whole_after_kills(tmp_path):
    delays, leftovers, count = random.Random(0), 0, 0
    for attempt in itertools.count():
        command = [sys.executable, "-c", ADDER, tmp_path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(delays.uniform(0.005, 0.04))
            child.kill()
        leftovers += len(list(tmp_path.glob("*" + atomic.TEMPORARY)))
        episodes = Episodes(tmp_path, BIG, pytest.fail)
        assert len(list(tmp_path.iterdir())) == len(episodes.known) >= count
        count = len(episodes.known)
        # Until a kill came while a file was being written; otherwise nothing was tested.
        if attempt >= 15 and leftovers > 0 and count > 15:
            break
    for index, length in episodes.known:
        records = np.load(tmp_path / f"{index:06d}-{length}.npy")
        assert length == 20 + index % 30 and (records["image"] == index % 256).all()
        assert (records["reward"] == index).all()


FILLER = f"""
import errno, os, signal, sys, numpy as np
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.growing_file import GrowingFile
dtype = np.dtype({BIG.descr!r})
episodes = Episodes(sys.argv[1], dtype, print)
records = np.zeros(20, dtype)
records["is_first"][0] = records["is_last"][-1] = True
for index in range(20):
    known = episodes.known
    try:
        episodes.add(index, records)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        assert episodes.known == known
        names = sorted(os.listdir(sys.argv[1]))
        assert len(names) == index == len(known) > 0, names
        assert not any(name.endswith(".tmp") for name in names)
        os.remove(os.path.join(sys.argv[1], names[0]))
        episodes.add(index, records)
        assert len(Episodes(sys.argv[1], dtype, print).known) == index
        print("full", index)
        break
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    assert run_on_small_disk(FILLER, tmp_path) == "full 4\n"


def test_no_tensorflow_and_bounded_memory(tmp_path):
    program = f"""
import sys, numpy as np
from dreamer_tf.runs import checkpoint
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.growing_file import GrowingFile
from dreamer_tf.experience.sequences import SequenceSource
from dreamer_tf.experience.sources import Sequences
dtype = np.dtype({BIG.descr!r})
episodes = Episodes(sys.argv[1], dtype, print)
records = np.zeros(501, dtype)
records["is_first"][0] = records["is_last"][-1] = True
for index in range(20):
    episodes.add(index, records)
with SequenceSource(Sequences(20, 50), episodes, 0).batches(0, 40) as batches:
    for batch in batches:
        pass
assert "tensorflow" not in sys.modules
# Not of getrusage, which knows the memory of the process that this one was forked from, too.
status = open("/proc/self/status").read()
print(int(status.split("VmHWM:")[1].split()[0]) // 1024)
"""
    command = [sys.executable, "-c", program, tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    # MiB. The episodes alone have 120, of which a batch needs the pages of its sequences only.
    assert int(result.stdout) < 200


def test_five_thousand_files_are_searched_quickly(tmp_path):
    content = saved(make_records(0, 5))
    for index in range(5000):
        (tmp_path / f"{index:06d}-5.npy").write_bytes(content)
    start = time.process_time()
    episodes = Episodes(tmp_path, RECORD, pytest.fail)
    assert time.process_time() - start < 5
    assert len(episodes.known) == 5000 and episodes.steps == 20000
