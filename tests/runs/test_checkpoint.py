"""Checkpoints: exact round trips, which one is loaded, damage, kills and full disks."""

import io
import itertools
import json
import math
import os
import pickle
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from episodes_for_tests import ROOT, Bomb, make_records, run_on_small_disk
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.runs import checkpoint

ARRAYS = {
    "agent/world_model/rssm/gru/kernel": np.arange(12, dtype=np.float32).reshape(3, 4),
    "agent/optimizer/iteration": np.int64(7),
    "agent/empty": np.zeros((0, 3), np.float32),
    "agent/special": np.array([np.nan, np.inf, -0.0, 5e-324]),
    "agent/fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "unfinished/0": make_records(0, 9),
    "state/of the policy": np.array([True, False]),
}
STATE = {"counters": {"step": 10, "update": 3}, "seed": 2**62, "means": {"loss": 0.1 + 0.2}}


def save(folder, update, step=None, keep=2, marker=None):
    """Saves a checkpoint that can be told from others by its marker."""
    step = 2 * update if step is None else step
    marker = update if marker is None else marker
    arrays = {"agent/w": np.full(1000, marker, np.float32)}
    return checkpoint.save(folder, arrays, {"marker": marker}, update=update, step=step, keep=keep)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def load(folder, warn=pytest.fail):
    """Returns the marker of the newest checkpoint after comparing its arrays."""
    saved = checkpoint.load_newest(folder, warn)
    assert (saved.arrays["agent/w"] == saved.state["marker"]).all()
    return saved.state["marker"]


def test_everything_comes_back_exactly(tmp_path):
    path = checkpoint.save(tmp_path, ARRAYS, STATE, update=3, step=10, keep=2)
    assert path == tmp_path / "0000000010-00000003.npz"
    for saved in (checkpoint.load_newest(tmp_path, pytest.fail), checkpoint.load(str(path))):
        assert saved.path == path and saved.state == STATE
        assert list(saved.arrays) == list(ARRAYS)
        for name, array in ARRAYS.items():
            loaded = saved.arrays[name]
            assert loaded.dtype == array.dtype and loaded.shape == array.shape
            assert loaded.tobytes() == np.asarray(array).tobytes()
            assert loaded.flags.writeable
    assert checkpoint.read_state(tmp_path) == STATE
    with np.load(path) as archive:
        assert set(archive.files) == {*ARRAYS, "state", "names"}
        assert json.loads(archive["state"].tobytes()) == STATE
    assert all(info.compress_type == 0 for info in zipfile.ZipFile(path).infolist())


@settings(max_examples=30, deadline=None)
@example([0.1, 5e-324, 1.7976931348623157e308, -0.0])
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False)))
def test_floats_survive(values):
    with tempfile.TemporaryDirectory() as folder:
        checkpoint.save(folder, {}, {"values": values}, update=0, step=0, keep=2)
        loaded = checkpoint.read_state(folder)["values"]
    assert [value.hex() for value in loaded] == [value.hex() for value in values]


@pytest.mark.parametrize(
    "arrays, state, keep, error",
    [
        ({}, {"loss": math.nan}, 2, ValueError),
        ({}, {"loss": math.inf}, 2, ValueError),
        ({}, {"loss": np.float32(1)}, 2, TypeError),
        ({"a": np.array([object()])}, {}, 2, TypeError),
        ({"a": np.zeros(3, [("a", object)])}, {}, 2, TypeError),
        ({"state": np.zeros(3)}, {}, 2, ValueError),
        ({"names": np.zeros(3)}, {}, 2, ValueError),
        ({}, {}, 1, ValueError),
    ],
)
def test_what_cannot_be_stored_exactly_is_refused(tmp_path, arrays, state, keep, error):
    save(tmp_path, 1)
    with pytest.raises(error):
        checkpoint.save(tmp_path, arrays, state, update=2, step=4, keep=keep)
    assert names(tmp_path) == ["0000000002-00000001.npz"]


def test_bfloat16_is_refused(tmp_path):
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    with pytest.raises(TypeError, match="a is of type bfloat16"):
        checkpoint.save(tmp_path, {"a": np.zeros(3, bfloat16)}, {}, update=2, step=4, keep=2)


def test_the_newest_by_update_then_step_not_by_time(tmp_path):
    paths = [save(tmp_path, *order, keep=9) for order in [(9, 30), (100, 20), (9, 40), (100, 10)]]
    for age, path in enumerate(paths):
        os.utime(path, (1000 + age, 1000 + age))
    saved = checkpoint.load_newest(tmp_path, pytest.fail)
    assert saved.path.name == "0000000020-00000100.npz"
    order = [path.name for path in checkpoint._newest_first(tmp_path)]
    assert order[1:] == [
        "0000000010-00000100.npz",
        "0000000040-00000009.npz",
        "0000000030-00000009.npz",
    ]


def test_as_many_as_asked_are_kept(tmp_path):
    for update in range(6):
        save(tmp_path, update, keep=3)
        kept = [f"{2 * each:010d}-{each:08d}.npz" for each in range(max(0, update - 2), update + 1)]
        assert names(tmp_path) == kept
    save(tmp_path, 6, keep=2)
    assert len(names(tmp_path)) == 2
    save(tmp_path, 6, keep=2, marker=60)
    assert len(names(tmp_path)) == 2 and load(tmp_path) == 60


def test_old_ones_go_only_when_the_new_one_is_safe(tmp_path, monkeypatch):
    save(tmp_path, 1)
    save(tmp_path, 2)
    before = names(tmp_path)

    def replace(source, destination):
        assert names(tmp_path) == sorted([*before, Path(source).name])
        raise OSError("stopped here")

    monkeypatch.setattr(atomic.os, "replace", replace)
    with pytest.raises(OSError, match="stopped here"):
        save(tmp_path, 3)
    assert names(tmp_path) == before


def test_damaged_ones_do_not_push_out_good_ones(tmp_path):
    save(tmp_path, 10, keep=4)
    later = [save(tmp_path, update, keep=4) for update in (20, 30)]
    for path in later:
        path.write_bytes(b"damaged")
    warnings = []
    assert load(tmp_path, warnings.append) == 10 and len(warnings) == 2
    for update in (15, 25, 35):
        save(tmp_path, update)
        readable = [path for path in tmp_path.iterdir() if path.read_bytes() != b"damaged"]
        assert len(readable) == 2 and load(tmp_path, warnings.append) == update
        # Files beyond the new one are not touched.
        assert [path.exists() for path in later] == [update < 20, update < 30]
    assert len(names(tmp_path)) == 2


def test_without_checkpoints(tmp_path):
    for folder in (tmp_path, tmp_path / "missing"):
        assert checkpoint.load_newest(folder, pytest.fail) is None
        assert checkpoint.read_state(folder) is None
    (tmp_path / "notes.txt").write_text("not ours")
    assert checkpoint.load_newest(tmp_path, pytest.fail) is None
    with pytest.raises(UserError, match="0000000010-00000003.npz"):
        checkpoint.load(tmp_path / "0000000010-00000003.npz")


def test_left_over_temporary_files_are_removed(tmp_path):
    save(tmp_path, 1)
    (tmp_path / "0000000004-00000002.npz.tmp").write_bytes(b"half")
    assert load(tmp_path) == 1
    assert names(tmp_path) == ["0000000002-00000001.npz"]


# Damage. Each entry makes new content from a good file's.


def rewritten(content, change):
    """Returns the archive with its {member: bytes} changed, checksums right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def array_bytes(array, allow_pickle=False):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=allow_pickle)
    return stream.getvalue()


def flipped(content, trace):
    place = content.index(np.full(20, 2, np.float32).tobytes()) + 40
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def without(name):
    return lambda content, trace: rewritten(content, lambda members: members.pop(name))


def with_member(name, data):
    return lambda content, trace: rewritten(content, lambda members: members.update({name: data}))


def object_array(content, trace):
    data = array_bytes(np.array([Bomb(trace)], object), allow_pickle=True)
    return rewritten(content, lambda members: members.update({"agent/w.npy": data}))


def raw_pickle_member(content, trace):
    data = pickle.dumps(Bomb(trace))
    return rewritten(content, lambda members: members.update({"agent/w.npy": data}))


DAMAGE = {
    "empty": lambda content, trace: b"",
    "truncated": lambda content, trace: content[:-1],
    "half": lambda content, trace: content[: len(content) // 2],
    "noise": lambda content, trace: np.random.default_rng(0).bytes(len(content)),
    "one bit": flipped,
    "noise inside": lambda content, trace: content[:900] + b"\x55" * 999 + content[1899:],
    "pickle": lambda content, trace: pickle.dumps(Bomb(trace)),
    "object array": object_array,
    "pickle inside": raw_pickle_member,
    "no array": without("agent/w.npy"),
    "no state": without("state.npy"),
    "no names": without("names.npy"),
    "a member more": with_member("agent/v.npy", array_bytes(np.zeros(3))),
    "not an array": with_member("agent/w.npy", b"once upon a time"),
    "short array": with_member("agent/w.npy", array_bytes(np.zeros(30))[:-1]),
    "long array": with_member("agent/w.npy", array_bytes(np.zeros(30)) + b"\x00"),
    "state is not JSON": with_member("state.npy", array_bytes(np.zeros(3, np.uint8))),
    "state is a list": with_member("state.npy", array_bytes(np.frombuffer(b"[1]", np.uint8))),
    "names is a number": with_member("names.npy", array_bytes(np.frombuffer(b"1", np.uint8))),
    "endless array": with_member(
        "agent/w.npy",
        array_bytes(np.zeros(30)).replace(b"(30,), }              ", b"(300000000000000,), } "),
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damaged_files_are_skipped_by_name_and_never_executed(tmp_path, kind):
    folder, trace = tmp_path / "checkpoints", tmp_path / "executed"
    folder.mkdir()
    save(folder, 1)
    path = save(folder, 2)
    content = path.read_bytes()
    damaged = DAMAGE[kind](content, trace)
    assert damaged != content
    path.write_bytes(damaged)
    warnings = []
    assert load(folder, warnings.append) == 1
    assert len(warnings) == 1 and path.name in warnings[0] and "\n" not in warnings[0]
    assert len(warnings[0].split(path.name)[1]) > 10  # There is a reason, too.
    with pytest.raises(UserError, match=path.name) as caught:
        checkpoint.load(path)
    assert caught.value.status == 1
    os.remove(folder / "0000000002-00000001.npz")
    with pytest.raises(UserError, match=str(folder)) as caught:
        checkpoint.load_newest(folder, warnings.append)
    assert caught.value.status == 1
    assert path.read_bytes() == damaged and not trace.exists()


def test_the_traps_were_armed(tmp_path):
    content = save(tmp_path, 2).read_bytes()
    for kind, trace in (("pickle", tmp_path / "a"), ("object array", tmp_path / "b")):
        stream = io.BytesIO(DAMAGE[kind](content, trace))
        loaded = np.load(stream, allow_pickle=True)
        if kind == "object array":
            _ = loaded["agent/w"]
        assert trace.exists()


@pytest.mark.parametrize("kind", ["empty", "half", "noise", "pickle", "no state", "no array"])
def test_the_state_of_a_damaged_file_is_not_read(tmp_path, kind):
    save(tmp_path, 1)
    path = save(tmp_path, 2)
    assert checkpoint.read_state(tmp_path) == {"marker": 2}
    path.write_bytes(DAMAGE[kind](path.read_bytes(), tmp_path / "executed"))
    assert checkpoint.read_state(tmp_path) == {"marker": 1}
    assert not (tmp_path / "executed").exists()


# Real processes.

SAVER = """
import itertools, sys, numpy as np
from dreamer_tf.runs import checkpoint
saved = checkpoint.load_newest(sys.argv[1], print)
first = saved.state["marker"] + 1 if saved else 0
print("ready", flush=True)
for update in itertools.count(first):
    arrays = {f"agent/{i}": np.full(100_000, update, np.float32) for i in range(3)}
    checkpoint.save(sys.argv[1], arrays, {"marker": update}, update=update, step=update, keep=2)
"""


def test_every_visible_file_is_whole_after_kills(tmp_path):
    delays, leftovers, newest = random.Random(0), 0, -1
    for attempt in itertools.count():
        command = [sys.executable, "-c", SAVER, tmp_path]
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(delays.uniform(0.01, 0.06))
            child.kill()
        leftovers += len(list(tmp_path.glob("*" + atomic.TEMPORARY)))
        saved = checkpoint.load_newest(tmp_path, pytest.fail)
        for path in tmp_path.iterdir():
            each = checkpoint.load(path)
            assert all((array == each.state["marker"]).all() for array in each.arrays.values())
        marker = saved.state["marker"] if saved else -1
        assert marker >= newest and len(names(tmp_path)) >= min(2, marker + 1)
        newest = marker
        # Until a kill came while a file was being written; otherwise nothing was tested.
        if attempt >= 15 and leftovers > 0 and newest > 15:
            break


FILLER = """
import errno, os, sys, numpy as np
from dreamer_tf.runs import checkpoint
folder = sys.argv[1]
arrays = {"agent/w": np.zeros(100_000, np.float32)}
for update in range(3):
    before = sorted(os.listdir(folder))
    try:
        checkpoint.save(folder, arrays, {"n": update}, update=update, step=update, keep=2)
    except OSError as error:
        assert error.errno == errno.ENOSPC, error
        assert sorted(os.listdir(folder)) == before
        print("full", checkpoint.load_newest(folder, print).state["n"])
"""


def test_a_full_disk_leaves_the_earlier_checkpoints(tmp_path):
    assert run_on_small_disk(FILLER, tmp_path) == "full 1\n"
