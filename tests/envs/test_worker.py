"""Environment workers as real processes: protocol, replay and every way to fail."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import environments_for_tests as odd
import numpy as np
import pytest
from programs_for_tests import ROOT

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.process import remote
from dreamer_tf.envs.process.remote import RemoteEnv, WorkerError


def describe(task, action_repeat=1, time_limit=100):
    if task[0].isupper():
        task = f"environments_for_tests:{task}"
    return dict(task=task, action_repeat=action_repeat, time_limit=time_limit, render="paper")


def state(pid):
    """Returns a process's state letter, or None when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return None


def step(worker, *action):
    worker.send_step(action)
    return worker.receive()


def reset(worker, seed=0):
    worker.send_reset(seed)
    return worker.receive()


def fail_at_first_step(task, timeout=20.0):
    """Returns the WorkerError of a worker that fails at its first step, and checks its end."""
    worker = RemoteEnv(describe(task), timeout)
    reset(worker)
    descriptors = len(os.listdir("/proc/self/fd"))
    with pytest.raises(WorkerError) as error:
        step(worker, 0.0)
    assert error.value.pid == worker.pid and str(worker.pid) in str(error.value)
    assert task in str(error.value)
    assert state(worker.pid) is None, "the process was not reaped"
    assert len(os.listdir("/proc/self/fd")) == descriptors - 3, "files were left open"
    with pytest.raises(WorkerError, match="closed"):
        worker.send_reset(0)
    worker.close()
    return str(error.value)


class TestSteps:
    def test_records_come_through_aligned(self):
        with RemoteEnv(describe("ActionEcho")) as worker:
            first = reset(worker)
            assert first.dtype == worker.spec.record_dtype and first.shape == ()
            assert first["is_first"] and first["action"] == 0 and first["reward"] == 0
            for action in (0.5, -0.75, 1.0):
                record = step(worker, action)
                assert record["action"][0] == action and record["reward"] == action
                assert (record["image"] == odd.shade(action)).all()
                assert not record["is_first"] and not record["is_last"]
        assert state(worker.pid) is None

    def test_a_worker_equals_the_environment_in_this_process(self):
        from dreamer_tf.envs import make_env

        env = make_env("toy_reach", action_repeat=2, time_limit=100)
        actions = np.random.default_rng(3).uniform(-1, 1, (50, 2)).astype(np.float32)
        with RemoteEnv(describe("toy_reach", action_repeat=2)) as worker:
            assert np.array_equal(reset(worker, 8)["image"], env.reset(seed=8)[0]["image"])
            for action in actions:
                observation, reward, _, truncated, _ = env.step(action)
                record = step(worker, *action)
                assert np.array_equal(record["image"], observation["image"])
                assert record["reward"] == np.float32(reward)
                assert record["is_last"] == truncated
        assert truncated

    def test_several_workers_step_at_the_same_time(self):
        workers = [RemoteEnv(describe("ActionEcho")) for _ in range(3)]
        assert len({worker.pid for worker in workers}) == 3
        for worker in workers:
            worker.send_reset(0)
        assert all(worker.receive()["is_first"] for worker in workers)
        for number, worker in enumerate(workers):
            worker.send_step([number / 4])
        assert [float(worker.receive()["reward"]) for worker in workers] == [0.0, 0.25, 0.5]
        for worker in workers:
            worker.close()
        for worker in workers:
            worker.close()
        assert not any(state(worker.pid) for worker in workers)

    def test_stray_prints_and_reads_are_harmless(self, monkeypatch):
        monkeypatch.setattr(remote, "LOG_BYTES", 20000)
        with RemoteEnv(describe("Printing"), timeout=10) as worker:
            reset(worker)
            for _ in range(10):
                assert step(worker, 0.5)["reward"] == 0.5
            size = os.fstat(worker._log.fileno()).st_size
            assert 0 < size <= 20000, "the log is lost or grows for ever"

    def test_the_workers_variables_are_its_own(self, monkeypatch):
        monkeypatch.delenv("MUJOCO_GL", raising=False)
        before = dict(os.environ)
        with RemoteEnv(describe("ActionEcho"), gl="osmesa") as worker:
            assert worker.spec.action_size == 1
            variables = Path(f"/proc/{worker.pid}/environ").read_bytes().split(b"\0")
        assert b"MUJOCO_GL=osmesa" in variables and b"CUDA_VISIBLE_DEVICES=" in variables
        assert dict(os.environ) == before


class TestReplay:
    def test_an_episode_goes_on_bit_for_bit(self):
        actions = np.random.default_rng(5).uniform(-1, 1, (40, 2)).astype(np.float32)
        with RemoteEnv(describe("toy_reach", action_repeat=2)) as worker:
            records = [reset(worker, 6)] + [step(worker, *action) for action in actions]
            reset(worker, 7)
            rewards = worker.replay(6, actions[:25])["reward"]
            assert rewards.dtype == np.float32
            assert rewards.tolist() == [float(record["reward"]) for record in records[:26]]
            for action, record in zip(actions[25:], records[26:], strict=True):
                assert step(worker, *action).tobytes() == record.tobytes()

    def test_of_nothing_but_the_start(self):
        with RemoteEnv(describe("toy_reach")) as worker:
            assert worker.replay(6, np.zeros((0, 2)))["reward"].tolist() == [0.0]

    def test_more_actions_than_a_pipe_holds(self):
        with RemoteEnv(describe("ActionEcho", time_limit=10**6), timeout=20) as worker:
            actions = np.linspace(-1, 1, 40000, dtype=np.float32)
            rewards = worker.replay(0, actions[:, None])["reward"]
            assert np.array_equal(rewards, np.concatenate([[0], actions]))


class TestFailures:
    def test_raising(self):
        message = fail_at_first_step("Raising")
        assert "ValueError: the gripper melted" in message
        assert "environments_for_tests.py" in message and "raise ValueError" in message

    def test_a_library_that_exits(self):
        assert "SystemExit: cannot go on" in fail_at_first_step("Exiting")

    def test_ending_with_a_last_word(self):
        message = fail_at_first_step("Leaving")
        assert "status 7" in message and "the simulator has no licence" in message

    def test_no_answer(self):
        begin = time.monotonic()
        # Not less: on a busy machine a worker takes a second or two to start.
        message = fail_at_first_step("Sleeping", timeout=4.0)
        assert "no answer within 4 seconds" in message
        assert time.monotonic() - begin < 12

    def test_stopped(self):
        worker = RemoteEnv(describe("ActionEcho"), timeout=4.0)
        reset(worker)
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerError, match="no answer"):
            step(worker, 0.0)
        assert state(worker.pid) is None

    def test_stopped_worker_does_not_block_a_large_command(self):
        worker = RemoteEnv(describe("ActionEcho"), timeout=4.0)
        reset(worker)
        os.kill(worker.pid, signal.SIGSTOP)
        with pytest.raises(WorkerError, match="no answer"):
            worker.replay(0, np.zeros((10**6, 1), np.float32))
        assert state(worker.pid) is None

    def test_killed(self):
        worker = RemoteEnv(describe("ActionEcho"), timeout=60)
        reset(worker)
        os.kill(worker.pid, signal.SIGKILL)
        begin = time.monotonic()
        with pytest.raises(WorkerError, match="SIGKILL"):
            step(worker, 0.0)
        assert time.monotonic() - begin < 2
        assert state(worker.pid) is None

    def test_crashed(self):
        worker = RemoteEnv(describe("ActionEcho"), timeout=60)
        reset(worker)
        os.kill(worker.pid, signal.SIGSEGV)
        with pytest.raises(WorkerError, match="(?s)SIGSEGV.*Segmentation fault"):
            step(worker, 0.0)

    def test_an_action_of_the_wrong_size(self):
        worker = RemoteEnv(describe("ActionEcho"))
        reset(worker)
        with pytest.raises(WorkerError, match="action"):
            step(worker, 0.0, 0.0)

    @pytest.mark.parametrize(
        "task, word",
        [
            ("toy_raech", "toy_reach"),
            ("environments_for_tests:nothing", "nothing"),
            ("spaces_for_tests:Table", "12288"),
        ],
    )
    def test_a_users_mistake_comes_back_as_one(self, task, word):
        worker = RemoteEnv(describe(task))
        with pytest.raises(UserError, match=word):
            _ = worker.spec
        assert state(worker.pid) is None

    def test_no_temporary_files(self, tmp_path, monkeypatch):
        monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
        with RemoteEnv(describe("Printing")) as worker:
            reset(worker)
            step(worker, 0.0)
            assert list(tmp_path.iterdir()) == []


def start_trainer(script):
    """Starts a script that may use the package and the odd environments."""
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )


class Children:
    """What a `Simulator` has started."""

    def __init__(self, mark):
        self.mark = mark

    def pids(self):
        return [int(word) for word in self.mark.read_text().split()]

    def closed(self):
        return Path(f"{self.mark}-closed").exists()

    def gone(self):
        """Returns whether they end soon; they are reaped by whoever adopts them."""
        deadline = time.monotonic() + 15
        while any(state(pid) not in (None, "Z") for pid in self.pids()):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True


@pytest.fixture
def children(tmp_path, monkeypatch):
    monkeypatch.setenv("SIMULATOR_MARK", str(tmp_path / "mark"))
    found = Children(tmp_path / "mark")
    yield found
    for pid in found.pids():
        if state(pid) not in (None, "Z"):
            os.kill(pid, signal.SIGKILL)


class TestSignals:
    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_an_interrupt_is_the_trainers_affair(self, number):
        worker = RemoteEnv(describe("ActionEcho"))
        os.kill(worker.pid, number)  # While it starts.
        reset(worker)
        os.kill(worker.pid, number)
        assert step(worker, 0.5)["reward"] == 0.5
        worker.close()
        assert worker._process.returncode == 0

    def test_closing_a_stopped_worker(self):
        worker = RemoteEnv(describe("ActionEcho"), close_timeout=0.5)
        reset(worker)
        os.kill(worker.pid, signal.SIGSTOP)
        worker.close()
        worker.close()
        assert state(worker.pid) is None

    def test_programs_of_an_environment_take_signals_and_it_ends_in_order(self, children):
        worker = RemoteEnv(describe("Simulator"))
        reset(worker)
        assert step(worker, -1.0)["reward"] == 1  # Neither SIGTERM was ignored.
        worker.close()  # It takes longer than two seconds.
        assert children.closed() and not any(map(state, children.pids()))

    def test_an_end_that_takes_too_long_is_cut_off_with_all_that_was_started(self, children):
        worker = RemoteEnv(describe("Simulator"), close_timeout=0.1)
        reset(worker)
        begin = time.monotonic()
        worker.close()
        assert time.monotonic() - begin < 2.4 and not children.closed()
        assert children.gone()

    def test_death_is_noticed_though_a_fork_holds_the_pipe(self, children):
        worker = RemoteEnv(describe("Simulator"), timeout=60)
        reset(worker)
        begin = time.monotonic()
        with pytest.raises(WorkerError, match="ended with status 3"):
            step(worker, 1.0)
        assert time.monotonic() - begin < 5
        assert children.gone()

    def test_no_program_of_an_environment_outlives_a_killed_trainer(self, children):
        script = """
import sys, time
from dreamer_tf.envs.process.remote import RemoteEnv
worker = RemoteEnv(dict(task="environments_for_tests:Simulator", action_repeat=1, time_limit=9))
worker.send_reset(0)
worker.receive()
print("ready", flush=True)
time.sleep(3600)
"""
        trainer = start_trainer(script)
        with trainer:
            assert trainer.stdout.readline() == "ready\n"
            trainer.kill()
        assert children.gone() and children.closed()

    def test_no_worker_outlives_a_killed_trainer(self):
        script = """
import sys, time
from dreamer_tf.envs.process.remote import RemoteEnv
tasks = ["toy_reach", "environments_for_tests:Sleeping"]
workers = [
    RemoteEnv(dict(task=t, action_repeat=1, time_limit=9, render="paper")) for t in tasks]
for worker in workers:
    worker.send_reset(0)
    worker.receive()
workers[1].send_step([0.0])  # Busy for an hour.
print(*[worker.pid for worker in workers], flush=True)
time.sleep(3600)
"""
        trainer = start_trainer(script)
        try:
            pids = [int(pid) for pid in trainer.stdout.readline().split()]
            assert len(pids) == 2 and all(state(pid) for pid in pids)
        finally:
            trainer.kill()
            trainer.wait()
            trainer.stdout.close()
        deadline = time.monotonic() + 15
        try:
            # A killed trainer reaps nobody; that is up to whoever adopts its children.
            while any(state(pid) not in (None, "Z") for pid in pids):
                assert time.monotonic() < deadline, "a worker outlived its trainer"
                time.sleep(0.05)
        finally:
            for pid in pids:
                if state(pid) not in (None, "Z"):
                    os.kill(pid, signal.SIGKILL)
