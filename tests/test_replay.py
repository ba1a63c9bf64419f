"""The replay: what is drawn, how often, from which files, and what damage does to it."""

import io
import itertools
import os
import pickle
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dreamer_tf import atomic, seeding
from dreamer_tf.errors import UserError
from dreamer_tf.prefetch import Prefetch
from dreamer_tf.replay import Replay

ROOT = Path(__file__).parent.parent
RECORD = np.dtype(
    [
        ("image", np.uint8, (4, 4, 3)),
        ("action", np.float32, (2,)),
        ("reward", np.float32),
        ("is_first", bool),
        ("is_last", bool),
        ("is_terminal", bool),
    ]
)
SEED = 7


def make_records(index, length, dtype=RECORD):
    """Records that tell where they are from: the action is (index, position)."""
    numbers = seeding.generator(0, "test records", index)
    records = np.zeros(length, dtype)
    records["image"] = numbers.integers(0, 256, records["image"].shape)
    records["action"][:, 0] = index
    records["action"][:, 1] = np.arange(length)
    records["reward"] = numbers.normal(size=length)
    records["is_first"][0] = records["is_last"][-1] = True
    records["is_terminal"][-1] = index % 2
    return records


def make_replay(folder, lengths, seed=SEED):
    replay = Replay(folder, RECORD, seed, pytest.fail)
    for index, length in enumerate(lengths):
        replay.add(index, make_records(index, length))
    return replay


def places(batch):
    """Returns (episode index, position) of every record of a batch, shape [B, L, 2]."""
    return batch["action"].astype(int)


def same(left, right):
    return left.keys() == right.keys() and all(np.array_equal(left[k], right[k]) for k in left)


# What is drawn.


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    batch_size=st.integers(1, 6),
    length=st.integers(1, 15),
    update=st.integers(0, 10**6),
)
def test_sequences_are_pieces_of_the_files(lengths, batch_size, length, update):
    with tempfile.TemporaryDirectory() as folder:
        batch = make_replay(folder, lengths).sample(update, batch_size, length)
        stored = {int(path.name[:6]): np.load(path) for path in Path(folder).iterdir()}
    for row in range(batch_size):
        expected_index, expected_position = None, None
        for step in range(length):
            index, position = places(batch)[row, step]
            record = stored[index][position]
            for name in RECORD.names:
                assert np.array_equal(batch[name][row, step], record[name])
            assert batch["is_first"][row, step] == (position == 0)
            if step == 0:
                # Episodes at least as long as the sequence are never left before its end.
                assert position + length <= lengths[index] or position == 0
            elif expected_index is not None:
                assert (index, position) == (expected_index, expected_position)
            else:
                assert position == 0
            ended = position + 1 == lengths[index]
            expected_index, expected_position = (None, None) if ended else (index, position + 1)


def test_fields_keep_their_types_and_are_contiguous(tmp_path):
    batch = make_replay(tmp_path, [20, 30]).sample(0, 3, 10)
    assert list(batch) == list(RECORD.names)
    assert batch["image"].shape == (3, 10, 4, 4, 3) and batch["image"].dtype == np.uint8
    assert batch["action"].shape == (3, 10, 2) and batch["action"].dtype == np.float32
    assert batch["reward"].shape == (3, 10) and batch["is_last"].dtype == bool
    assert all(array.flags.c_contiguous and array.flags.aligned for array in batch.values())


def test_episodes_and_starts_are_uniform(tmp_path):
    lengths, length = [10, 13, 30], 10
    replay = make_replay(tmp_path, lengths)
    drawn = np.concatenate([places(replay.sample(u, 20, length))[:, 0] for u in range(300)])
    assert stats.chisquare(np.bincount(drawn[:, 0], minlength=3)).pvalue > 1e-3
    for index, records in enumerate(lengths):
        starts = drawn[drawn[:, 0] == index, 1]
        counts = np.bincount(starts, minlength=records - length + 1)
        # Every possible start, 0 and the one that ends with the last record included.
        assert len(counts) == records - length + 1 and counts.min() > 0
        if len(counts) > 1:
            assert stats.chisquare(counts).pvalue > 1e-3


def test_an_episode_after_a_short_one_is_uniform_and_begins_at_its_reset(tmp_path):
    replay = make_replay(tmp_path, [3, 4, 40])
    batches = np.concatenate([places(replay.sample(u, 20, 10)) for u in range(200)])
    after = batches[batches[:, 0, 0] == 0][:, 3]
    assert (after[:, 1] == 0).all()
    assert stats.chisquare(np.bincount(after[:, 0], minlength=3)).pvalue > 1e-3


def test_batches_depend_on_seed_update_and_known_episodes_only(tmp_path):
    lengths = [20, 25, 6, 30]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    replay = make_replay(tmp_path / "a", lengths)
    first = replay.sample(5, 4, 10)
    replay.sample(6, 4, 10)
    assert same(replay.sample(5, 4, 10), first)
    assert same(Replay(tmp_path / "a", RECORD, SEED, pytest.fail).sample(5, 4, 10), first)
    other_order = Replay(tmp_path / "b", RECORD, SEED, pytest.fail)
    for index in (2, 0, 3, 1):
        other_order.add(index, make_records(index, lengths[index]))
    assert other_order.episodes == ((0, 20), (1, 25), (2, 6), (3, 30))
    assert same(other_order.sample(5, 4, 10), first)
    assert not same(replay.sample(6, 4, 10), first)
    assert not same(Replay(tmp_path / "a", RECORD, SEED + 1, pytest.fail).sample(5, 4, 10), first)
    replay.add(9, make_records(9, 30))
    assert not same(replay.sample(5, 4, 10), first)


# Prefetching.


def prefetchers():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def test_prefetched_batches_are_the_sampled_ones(tmp_path):
    replay = make_replay(tmp_path, [20, 25, 6, 30])
    expected = [replay.sample(update, 4, 10) for update in range(3, 12)]
    with replay.batches(3, 9, 4, 10) as batches:
        replay.add(8, make_records(8, 50))  # Too late for these.
        obtained = list(batches)
        assert next(batches, None) is None
    assert len(obtained) == 9
    assert all(same(*pair) for pair in zip(obtained, expected, strict=True))
    assert not prefetchers()


@pytest.mark.parametrize("taken", [0, 1, 4])
def test_closing_early_leaves_no_thread(tmp_path, taken):
    replay = make_replay(tmp_path, [20, 25])
    with replay.batches(0, 1000, 4, 10) as batches:
        assert prefetchers()
        obtained = list(itertools.islice(batches, taken))
    assert len(obtained) == taken
    assert not prefetchers()
    with pytest.raises(ZeroDivisionError), replay.batches(0, 1000, 4, 10):
        _ = 1 / 0
    assert not prefetchers()


def test_no_more_than_the_depth_is_made_ahead():
    made = []
    with Prefetch((made.append(i) or i for i in range(100)), 2) as items:
        time.sleep(0.2)
        assert made == [0, 1]
        assert next(items) == 0
        time.sleep(0.2)
        assert made == [0, 1, 2]


def test_an_exception_in_the_thread_is_raised_in_its_place(tmp_path):
    def items():
        yield 1
        raise OSError("broken")

    with Prefetch(items(), 2) as prefetch:
        assert next(prefetch) == 1
        with pytest.raises(OSError, match="broken"):
            next(prefetch)
        assert next(prefetch, "ended") == "ended"
    replay = Replay(tmp_path, RECORD, SEED, pytest.fail)
    with replay.batches(0, 1, 4, 10) as batches, pytest.raises(UserError, match="no episodes"):
        next(batches)
    assert not prefetchers()


# Files.


def test_files_are_ordinary_arrays_and_counted(tmp_path):
    replay = make_replay(tmp_path, [20, 25])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000000-20.npy", "000001-25.npy"]
    assert np.array_equal(np.load(tmp_path / "000001-25.npy"), make_records(1, 25))
    assert np.array_equal(replay.read(1), make_records(1, 25))
    assert replay.episodes == ((0, 20), (1, 25)) and dict(replay.episodes)[1] == 25
    assert replay.steps == 19 + 24
    replay.add(1234567, make_records(1234567, 3))
    again = Replay(tmp_path, RECORD, SEED, pytest.fail)
    assert again.episodes == replay.episodes == ((0, 20), (1, 25), (1234567, 3))


def test_version_2_headers_are_read(tmp_path):
    records = make_records(0, 20)
    with open(tmp_path / "000000-20.npy", "wb") as file:
        np.lib.format.write_array(file, records, version=(2, 0))
    assert np.array_equal(Replay(tmp_path, RECORD, SEED, pytest.fail).read(0), records)


def unmarked(name, position, value):
    records = make_records(3, 20)
    records[name][position] = value
    return records


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
    replay = make_replay(tmp_path, [20])
    with pytest.raises(ValueError):
        replay.add(3, records)
    assert [path.name for path in tmp_path.iterdir()] == ["000000-20.npy"]
    assert replay.episodes == ((0, 20),)


def test_an_index_is_used_once(tmp_path):
    replay = make_replay(tmp_path, [20])
    with pytest.raises(ValueError, match="0 already"):
        replay.add(0, make_records(0, 30))
    assert replay.episodes == ((0, 20),)


# Damage. Each entry: what is made of the file 000003-20.npy, and a word of the reason.

GOOD = io.BytesIO()
np.save(GOOD, make_records(3, 20))
GOOD = GOOD.getvalue()


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


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
    "newer format": (GOOD[:6] + b"\x09" + GOOD[7:], "header"),
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
    make_replay(tmp_path, [20, 30])
    path = tmp_path / "000003-20.npy"
    path.write_bytes(content)
    warnings = []
    replay = Replay(tmp_path, RECORD, SEED, warnings.append)
    assert replay.episodes == ((0, 20), (1, 30))
    assert len(warnings) == 1 and path.name in warnings[0] and reason in warnings[0]
    assert "\n" not in warnings[0]
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    "name", ["3-20.npy", "000003.npy", "notes.txt", "0000003-20.npy", "000003-020.npy"]
)
def test_foreign_names_are_skipped(tmp_path, name):
    make_replay(tmp_path, [20])
    (tmp_path / name).write_bytes(GOOD)
    warnings = []
    assert Replay(tmp_path, RECORD, SEED, warnings.append).episodes == ((0, 20),)
    assert len(warnings) == 1 and name in warnings[0]


def test_what_is_no_file_is_skipped_and_two_of_an_index_too(tmp_path):
    make_replay(tmp_path, [20])
    (tmp_path / "000004-20.npy").mkdir()
    os.mkfifo(tmp_path / "000005-20.npy")
    (tmp_path / "000006-20.npy").symlink_to(tmp_path / "missing")
    (tmp_path / "000000-30.npy").write_bytes(saved(make_records(0, 30)))
    warnings = []
    assert Replay(tmp_path, RECORD, SEED, warnings.append).episodes == ((0, 20),)
    assert len(warnings) == 4
    assert "000000-30.npy" in warnings[1] or "000000-30.npy" in warnings[0]


@pytest.mark.parametrize("wrap", [False, True])
def test_pickles_are_never_executed(tmp_path, wrap):
    folder, trace = tmp_path / "episodes", tmp_path / "executed"
    folder.mkdir()
    make_replay(folder, [20])
    content = pickle.dumps(Bomb(trace))
    if wrap:
        content = saved(np.array([Bomb(trace)] * 20, object))
    path = folder / "000003-20.npy"
    path.write_bytes(content)
    warnings = []
    replay = Replay(folder, RECORD, SEED, warnings.append)
    replay.sample(0, 4, 10)
    assert len(warnings) == 1 and path.name in warnings[0]
    assert not trace.exists()
    if wrap:
        np.load(path, allow_pickle=True)
    else:
        pickle.loads(content)
    assert trace.exists()  # The trap was armed.


def test_left_over_temporary_files_are_removed_silently(tmp_path):
    make_replay(tmp_path, [20])
    (tmp_path / ("000001-20.npy" + atomic.TEMPORARY)).write_bytes(GOOD[:100])
    assert Replay(tmp_path, RECORD, SEED, pytest.fail).episodes == ((0, 20),)
    assert [path.name for path in tmp_path.iterdir()] == ["000000-20.npy"]


def spoil_truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def spoil_noise(path):
    size = path.stat().st_size
    path.write_bytes(np.random.default_rng(0).bytes(size))


def spoil_inside(path):
    content = bytearray(path.read_bytes())
    middle = slice(len(content) // 4, 3 * len(content) // 4)
    content[middle] = np.random.default_rng(0).bytes(middle.stop - middle.start)
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [spoil_truncate, spoil_noise, spoil_inside, os.remove])
def test_episodes_damaged_later_are_replaced_by_others(tmp_path, spoil):
    results = []
    for copy in ("a", "b"):
        folder = tmp_path / copy
        folder.mkdir()
        replay = make_replay(folder, [100, 100, 100])
        warnings = []
        replay._warn = warnings.append
        with replay.batches(0, 5, 10, 20) as batches:
            list(batches)
        spoil(folder / "000001-100.npy")
        with replay.batches(5, 5, 10, 20) as batches:
            results.append(list(batches))
        assert len(warnings) == 1 and "000001-100.npy" in warnings[0]
        assert replay.episodes == ((0, 100), (2, 100))
    assert all(same(*pair) for pair in zip(*results, strict=True))
    for batch in results[0]:
        for sequence in places(batch):
            assert sequence[0, 0] in (0, 2)
            assert (np.diff(sequence[:, 1]) == 1).all() and len(set(sequence[:, 0])) == 1


def test_a_process_out_of_descriptors_does_not_forget_episodes(tmp_path):
    replay = make_replay(tmp_path, [20, 20])
    opened = []
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limit[1]))
    try:
        with pytest.raises(OSError) as caught:
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        assert "Too many" in caught.value.strerror
        with pytest.raises(OSError, match="Too many"):
            replay.sample(0, 4, 10)
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert len(replay.episodes) == 2
    replay.sample(0, 4, 10)


def test_an_empty_replay_says_what_to_do(tmp_path):
    warnings = []
    replay = make_replay(tmp_path, [20])
    replay._warn = warnings.append
    os.remove(tmp_path / "000000-20.npy")
    with pytest.raises(UserError, match="prefill") as caught:
        replay.sample(0, 4, 10)
    assert caught.value.status == 1 and len(warnings) == 1
    with pytest.raises(KeyError):
        replay.read(0)


def test_reading_a_damaged_episode_is_an_error_that_names_it(tmp_path):
    warnings = []
    replay = make_replay(tmp_path, [20, 20])
    replay._warn = warnings.append
    spoil_truncate(tmp_path / "000001-20.npy")
    with pytest.raises(UserError, match="000001-20.npy"):
        replay.read(1)
    assert replay.episodes == ((0, 20),) and len(warnings) == 1


# Real processes.

BIG = np.dtype([("image", np.uint8, (64, 64, 3)), *RECORD.descr[1:]])
ADDER = f"""
import sys, numpy as np
from dreamer_tf.replay import Replay
dtype = np.dtype({BIG.descr!r})
replay = Replay(sys.argv[1], dtype, 0, print)
index = 1 + max([index for index, _ in replay.episodes], default=-1)
print("ready", flush=True)
while True:
    records = np.zeros(20 + index % 30, dtype)
    records["image"], records["action"], records["reward"] = index % 256, index, index
    records["is_first"][0] = records["is_last"][-1] = True
    replay.add(index, records)
    index += 1
"""


def test_every_visible_file_is_whole_after_kills(tmp_path):
    delays, leftovers, count = random.Random(0), 0, 0
    for _ in range(15):
        command = [sys.executable, "-c", ADDER, tmp_path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(delays.uniform(0.005, 0.04))
            child.kill()
        leftovers += len(list(tmp_path.glob("*" + atomic.TEMPORARY)))
        replay = Replay(tmp_path, BIG, SEED, pytest.fail)
        assert len(list(tmp_path.iterdir())) == len(replay.episodes) >= count
        count = len(replay.episodes)
    for index, length in replay.episodes:
        records = np.load(tmp_path / f"{index:06d}-{length}.npy")
        assert length == 20 + index % 30 and (records["image"] == index % 256).all()
        assert (records["reward"] == index).all()
    # Otherwise no kill came while a file was being written, and nothing was tested.
    assert leftovers > 0 and count > 15


FILLER = f"""
import errno, os, signal, sys, numpy as np
from dreamer_tf.replay import Replay
dtype = np.dtype({BIG.descr!r})
replay = Replay(sys.argv[1], dtype, 0, print)
records = np.zeros(20, dtype)
records["is_first"][0] = records["is_last"][-1] = True
for index in range(20):
    known = replay.episodes
    try:
        replay.add(index, records)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        assert replay.episodes == known
        names = sorted(os.listdir(sys.argv[1]))
        assert len(names) == index == len(known) > 0, names
        assert not any(name.endswith(".tmp") for name in names)
        os.remove(os.path.join(sys.argv[1], names[0]))
        replay.add(index, records)
        assert len(Replay(sys.argv[1], dtype, 0, print).episodes) == index
        print("full", index)
        break
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    mount = 'mount -t tmpfs -o size=1m none "$1" && exec "$2" -c "$3" "$1"'
    command = ["unshare", "-rm", "sh", "-c", mount, "sh", tmp_path, sys.executable, FILLER]
    try:
        subprocess.run(["unshare", "-rm", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no small file system can be mounted here")
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.stdout == "full 4\n", result.stderr


def test_no_tensorflow_and_bounded_memory(tmp_path):
    program = f"""
import resource, sys, numpy as np
from dreamer_tf import checkpoint
from dreamer_tf.replay import Replay
dtype = np.dtype({BIG.descr!r})
replay = Replay(sys.argv[1], dtype, 0, print)
records = np.zeros(501, dtype)
records["is_first"][0] = records["is_last"][-1] = True
for index in range(20):
    replay.add(index, records)
with replay.batches(0, 40, 20, 50) as batches:
    for batch in batches:
        pass
assert "tensorflow" not in sys.modules
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, "MiB at most")
"""
    command = [sys.executable, "-c", program, tmp_path]
    result = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert result.returncode == 0, result.stderr
    print(result.stdout)


def test_five_thousand_files_are_searched_quickly(tmp_path):
    content = saved(make_records(0, 5))
    for index in range(5000):
        (tmp_path / f"{index:06d}-5.npy").write_bytes(content)
    start = time.process_time()
    replay = Replay(tmp_path, RECORD, SEED, pytest.fail)
    assert time.process_time() - start < 5
    assert len(replay.episodes) == 5000 and replay.steps == 20000
