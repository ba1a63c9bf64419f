"""Checkpoint files: exact, whole or not there, never executed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from test_replay import Bomb, episode

from dreamer_tf import checkpoint
from dreamer_tf.errors import UserError


def arrays():
    return {
        "agent/encoder/h1/kernel": np.random.default_rng(0).normal(size=(4, 3)).astype("f4"),
        "agent/updates": np.int64(7),
        "unfinished/0": episode(9),
    }


def save(folder, update=1, keep=2, **state):
    return checkpoint.save(
        folder, arrays(), {"number": update, **state}, update=update, step=update * 10, keep=keep
    )


def test_everything_comes_back_exactly(tmp_path):
    state = {"third": 1 / 3, "names": ["a", "b"], "tiny": 5e-324, "none": None}
    path = save(tmp_path, **state)
    found = checkpoint.load_newest(tmp_path, pytest.fail)
    assert found.path == path
    assert found.state == {"number": 1, **state}
    assert found.arrays.keys() == arrays().keys()
    for name, value in arrays().items():
        assert found.arrays[name].dtype == value.dtype
        np.testing.assert_array_equal(found.arrays[name], value)


def test_the_newest_are_kept_by_updates_not_by_date(tmp_path):
    for update in (1, 2, 30):
        save(tmp_path, update)
    os.utime(tmp_path / "0000000020-00000002.npz")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["0000000020-00000002.npz", "0000000300-00000030.npz"]
    assert checkpoint.load_newest(tmp_path, pytest.fail).state["number"] == 30
    assert checkpoint.read_state(tmp_path)["number"] == 30


def test_nothing_there_is_none(tmp_path):
    assert checkpoint.load_newest(tmp_path, pytest.fail) is None
    assert checkpoint.read_state(tmp_path) is None


def damage(path, kind, proof):
    data = path.read_bytes()
    if kind == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif kind == "one byte":
        middle = data.find(b"\x93NUMPY", 2000) + 200
        path.write_bytes(data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :])
    elif kind == "noise":
        path.write_bytes(np.random.default_rng(0).bytes(len(data)))
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "pickle":
        import pickle

        path.write_bytes(pickle.dumps(Bomb(proof)))
    elif kind == "object array":
        with open(path, "wb") as file:
            np.savez(file, **{checkpoint.STATE: np.frombuffer(b"{}", np.uint8)}, bomb=[Bomb(proof)])
    elif kind == "no state":
        with open(path, "wb") as file:
            np.savez(file, **arrays())
    elif kind == "one array":
        with open(path, "wb") as file:
            np.save(file, np.zeros(3))


KINDS = ["truncated", "one byte", "noise", "empty", "pickle", "object array", "no state"]


@pytest.mark.parametrize("kind", [*KINDS, "one array"])
def test_a_damaged_file_is_skipped_named_and_never_executed(tmp_path, kind):
    folder, proof = tmp_path / "checkpoints", tmp_path / "executed"
    folder.mkdir()
    save(folder, 1)
    path = save(folder, 2)
    damage(path, kind, proof)
    warnings = []
    assert checkpoint.load_newest(folder, warnings.append).state["number"] == 1
    assert len(warnings) == 1 and path.name in warnings[0] and "\n" not in warnings[0]
    assert not proof.exists()
    (folder / "0000000010-00000001.npz").unlink()
    with pytest.raises(UserError, match="--fresh"):
        checkpoint.load_newest(folder, warnings.append)
    with pytest.raises(UserError, match=path.name):
        checkpoint.load(path)


def test_nan_and_objects_are_refused_and_leave_nothing(tmp_path):
    with pytest.raises(ValueError):
        save(tmp_path, bad=float("nan"))
    with pytest.raises(ValueError):
        checkpoint.save(tmp_path, {"x": np.array([{}])}, {}, update=1, step=1, keep=2)
    assert not list(tmp_path.iterdir())


WRITER = """
import sys
sys.path[:0] = {paths!r}
from test_checkpoint import save
print("ready", flush=True)
update = {first}
while True:
    save({folder!r}, update)
    update += 1
"""


def test_a_writer_killed_at_any_moment_leaves_whole_checkpoints_only(tmp_path):
    tests = Path(__file__).parent
    newest = 0
    for number in range(4):
        program = WRITER.format(
            paths=[str(tests), str(tests.parent)], folder=str(tmp_path), first=newest + 1
        )
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        process.stdout.readline()
        time.sleep(0.05 + 0.011 * number)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        found = checkpoint.load_newest(tmp_path, pytest.fail)
        assert found.state["number"] > newest
        newest = found.state["number"]
        for path in tmp_path.glob("*.npz"):
            checkpoint.load(path)
