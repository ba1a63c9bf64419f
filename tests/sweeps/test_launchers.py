"""Where runs go: GPUs, what does not fit, what a launcher survives. No training here."""

import json
import os
import pickle
import subprocess
import sys

import pytest
from ray_for_tests import SETTINGS
from runs_for_tests import ENVIRONMENT, ROOT, wait_for

from dreamer_tf.basics import machine
from dreamer_tf.basics.errors import UserError
from dreamer_tf.runs.run_directory import BUSY
from dreamer_tf.sweeps import process, ray_cluster, resources
from dreamer_tf.sweeps.local import LocalLauncher
from dreamer_tf.sweeps.plans import Plan
from dreamer_tf.sweeps.process import Attempts, bring_to_end
from dreamer_tf.sweeps.ray_cluster import RayLauncher
from dreamer_tf.sweeps.resources import Resources
from dreamer_tf.sweeps.slurm import SlurmLauncher

PLAN = Plan("toy_reach", ("smoke",), "small", 0)


@pytest.mark.parametrize(
    ("visible", "needed", "expected"),
    [
        ("3,5", 1, ["3", "5"]),
        ("3,5", 0.5, ["3", "3", "5", "5"]),
        ("3,5", 0.4, ["3", "3", "5", "5"]),
        ("0", 0.2, ["0"] * 5),
        ("GPU-a,GPU-b,GPU-c", 2, ["GPU-a,GPU-b"]),
        ("1,-1,2", 1, ["1"]),
        ("", 1, []),
        ("3,5", 0, []),
        ("3,5", None, []),
    ],
)
def test_each_run_sees_gpus_that_exist_and_are_ours(visible, needed, expected, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert resources.shares(needed) == expected


@pytest.mark.parametrize(("gpus", "seen"), [(1, "7"), (0, ""), (None, "7,8")])
def test_what_a_run_on_this_computer_sees(gpus, seen, monkeypatch, tmp_path):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "7,8")
    script = (
        "import os; print('error:', os.environ['CUDA_VISIBLE_DEVICES'] + '!'); raise SystemExit(2)"
    )
    monkeypatch.setattr(Plan, "command", lambda self, logdir: [sys.executable, "-c", script])
    launcher = LocalLauncher(Resources(1, gpus, 1), attempts=1)
    launcher.start([PLAN], tmp_path)
    wait_for(lambda: not launcher.working())
    assert launcher.states() == {0: f"failed: {seen}!"}
    launcher.close()


@pytest.mark.parametrize(("own", "seen"), [(None, "2"), ("1", "1")])
def test_threads_are_as_many_as_cores_unless_they_are_set(own, seen, monkeypatch, tmp_path):
    monkeypatch.delenv(resources.THREADS, raising=False)
    if own:
        monkeypatch.setenv(resources.THREADS, own)
    script = f"import os; print(os.environ['{resources.THREADS}'] + '!'); raise SystemExit(2)"
    monkeypatch.setattr(Plan, "command", lambda self, logdir: [sys.executable, "-c", script])
    launcher = LocalLauncher(Resources(2.5, None, 1), attempts=1)
    launcher.start([PLAN], tmp_path)
    wait_for(lambda: not launcher.working())
    assert launcher.states() == {0: f"failed: {seen}!"}
    launcher.close()


def test_gpus_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    with pytest.raises(UserError, match="a run needs 2 GPUs, this computer has 1"):
        LocalLauncher(Resources(1, 2, 1e9), attempts=1)


def test_what_befalls_one_run_leaves_the_others_alone(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    broken = LocalLauncher(Resources(1, None, 1), attempts=1)
    broken.start([PLAN], tmp_path / "file")  # No log can be written there.
    wait_for(lambda: not broken.working())
    assert broken.states()[0].startswith("failed: ") and "file" in broken.states()[0]

    def one_is_bad(plan, *_):
        if plan.seed == 0:
            raise RuntimeError("this one")
        return "done"

    monkeypatch.setattr("dreamer_tf.sweeps.local.bring_to_end", one_is_bad)
    launcher = LocalLauncher(Resources(machine.cores(), None, 1), attempts=1)
    launcher.start([PLAN, Plan("toy_reach", ("smoke",), "small", 1)], tmp_path)
    wait_for(lambda: not launcher.working())
    assert launcher.states() == {0: "failed: this one", 1: "done"}


def test_attempts_begin_anew_where_a_later_checkpoint_is_there():
    counted = Attempts(2)
    assert [counted.again(saved) for saved in (0, 100, 100)] == [True, True, False]
    counted = Attempts(2)
    # Falling back behind a damaged checkpoint is no progress.
    assert [counted.again(saved) for saved in (100, 50, 80)] == [True, False, False]


def test_a_folder_that_another_process_still_has_is_no_death(monkeypatch, tmp_path):
    statuses = iter([BUSY, BUSY, 2])
    monkeypatch.setattr(process, "PAUSE", 0)
    monkeypatch.setattr(process, "_run", lambda *_: (next(statuses), "said"))
    assert bring_to_end(PLAN, tmp_path, 1, lambda: False) == "failed: said"
    monkeypatch.setattr(process, "PATIENCE", 0)
    monkeypatch.setattr(process, "_run", lambda *_: (BUSY, "another process"))
    assert "another process" in bring_to_end(PLAN, tmp_path, 2, lambda: False)


def test_a_folder_is_waited_for_as_long_as_is_said(monkeypatch, tmp_path):
    class Clock:
        now = 50.0

        def monotonic(self):
            return self.now

        def sleep(self, seconds):
            self.now += seconds

    # Another process has the folder, leaves it to a start that dies, and has it again.
    clock, starts = Clock(), iter([(BUSY, 60), (BUSY, 60), (9, 4000)])

    def run(*_):
        status, seconds = next(starts, (BUSY, 60))
        clock.sleep(seconds)
        return status, "in use"

    monkeypatch.setattr(process, "time", clock)
    monkeypatch.setattr(process, "_run", run)
    assert bring_to_end(PLAN, tmp_path, 2, lambda: False) == "failed: in use"
    found_again = 50 + 2 * 65 + 4005 + 60  # With pauses of 5 s.
    assert 300 <= clock.now - found_again <= 365


def test_slurm_that_is_not_there_or_refuses_is_one_line(monkeypatch, tmp_path):
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="no sbatch"):
        SlurmLauncher(Resources(1, 0, 1e9), attempts=1, hours=1)
    for name, text in (
        ("srun", "true"),
        ("sbatch", "echo 'sbatch: error: no such gold' >&2; exit 1"),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    launcher = SlurmLauncher(Resources(1, 0, 1e9), 1, 1, {"account": "gold"})
    with pytest.raises(UserError, match="Slurm did not take the jobs: .*no such gold"):
        launcher.start([PLAN], tmp_path / "runs")
    launcher.close()


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """Gives a folder with the scripts that were submitted, and a file `queue` for squeue."""
    pytest.importorskip("submitit")
    folder, commands = tmp_path / "scripts", tmp_path / "commands"
    for each in (folder, commands):
        each.mkdir()
    monkeypatch.setenv("PATH", f"{commands}{os.pathsep}{os.environ['PATH']}")
    for name, text in {
        "srun": "true",
        "sbatch": f'cd {folder}; n=$(ls *.sh | wc -l); cp "$1" $n.sh; echo Submitted batch job $n',
        "squeue": f"cat {folder}/queue || exit 1",
    }.items():
        (commands / name).write_text(f"#!/bin/sh\n{text}\n")
        (commands / name).chmod(0o755)
    return folder


@pytest.mark.parametrize(
    ("needed", "hours", "asked"),
    [
        (Resources(1.9, 0.5, 2.9e9), 0.01, ("2", "3GB", "1", "1")),
        (Resources(4, 1, 4e9), 4.15, ("4", "4GB", "249", "1")),
        (Resources(0.5, 0, 1), 24, ("1", "1GB", "1440", None)),
    ],
)
def test_slurm_is_asked_for_no_less_than_what_is_needed(needed, hours, asked, cluster, tmp_path):
    SlurmLauncher(needed, 1, hours).start([PLAN], tmp_path / "runs")
    lines = (cluster / "0.sh").read_text().splitlines()
    words = [line.removeprefix("#SBATCH --") for line in lines if line.startswith("#SBATCH --")]
    found = dict(word.split("=", 1) for word in words)
    names = ("cpus-per-task", "mem", "time", "gpus-per-node")
    assert tuple(found.get(name) for name in names) == asked


def test_what_slurm_still_has_is_watched_and_not_submitted_again(cluster, tmp_path, capsys):
    plans = [Plan("toy_reach", ("smoke",), "small", seed) for seed in range(3)]

    def numbers(plans, *queue):
        (cluster / "queue").write_text("\n".join(queue))
        launcher = SlurmLauncher(Resources(1, 0, 1e9), 1, 1)
        launcher.start(plans, tmp_path / "runs")
        return [job.job_id for job in launcher.jobs], launcher

    assert numbers(plans[:2])[0] == ["0_0", "0_1"]
    assert capsys.readouterr().out == ""
    assert numbers(plans, "0_0", "0_1", "77")[0] == ["0_0", "0_1", "1"]
    assert capsys.readouterr().out.startswith("2 of 3 runs have a job already")
    assert numbers(plans, "0_0", "0_1", "1")[0] == ["0_0", "0_1", "1"]
    # One that was cancelled gets another.
    found, launcher = numbers(plans, "0_1", "1")
    assert found == ["2", "0_1", "1"] and len(list(cluster.glob("*.sh"))) == 3
    assert launcher.states() == {}
    launcher.jobs[1].paths.result_pickle.write_bytes(pickle.dumps(("success", "done")))
    assert launcher.states() == {1: "done"} and launcher.working()


def test_nothing_is_submitted_where_a_job_is_another_one_or_may_be_there(cluster, tmp_path):
    def start(*keys):
        plan = Plan("toy_reach", ("smoke",), "small", 0, keys)
        SlurmLauncher(Resources(1, 0, 1e9), 1, 1).start([plan], tmp_path / "runs")

    start()
    (cluster / "queue").write_text("0")
    start(("steps", "600"))  # A part of what the job makes.
    for keys in (("steps", "1300"),), (("model.units", "9"),):
        with pytest.raises(UserError, match=f"still has a job with another {keys[0][0]}: .*cel 0$"):
            start(*keys)
    (memory,) = (path for path in (tmp_path / "runs" / ".jobs" / "submitted").glob("*/*/*"))
    text = memory.read_text()
    memory.write_text(text[:9])
    with pytest.raises(UserError, match="small/0 is damaged: remove it if squeue"):
        start()
    memory.write_text(text)
    (cluster / "queue").unlink()
    with pytest.raises(UserError, match="squeue does not say .*No such file.*: try again, or rem"):
        start()
    assert len(list(cluster.glob("*.sh"))) == 1


@pytest.mark.skipif(not ray_cluster.available(), reason="Ray is not installed")
def test_servers_of_ray_that_do_not_come_up_are_one_line(monkeypatch):
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    import ray

    def init(**_):
        raise Exception("The current node\ntimed out during startup.")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(UserError, match="^Ray cannot be reached: The current node timed out"):
        RayLauncher(Resources(1, 0, 1), attempts=1)


RAY = """
import json, signal, sys, time
sys.path.insert(0, "tests/sweeps")
from ray_for_tests import cluster as make_cluster
from dreamer_tf.basics.errors import UserError
from dreamer_tf.sweeps.plans import Plan
from dreamer_tf.sweeps.ray_cluster import RayLauncher
from dreamer_tf.sweeps.resources import Resources

cluster = make_cluster(num_cpus=1)
launcher = RayLauncher(Resources(3, None, 1e6), attempts=1, address=cluster.address)
said = {"where": launcher.describe()}
launcher.start([Plan("toy_reach", ("smoke",), "small", 0)], sys.argv[1])
time.sleep(2)
said["working"] = launcher.working()
# As where it had begun on a node that is gone, and waits for another one.
open(launcher._begun(0), "w").close()
(lost,) = launcher.waiting
launcher._submit(0)
del launcher.waiting[lost]
began = time.monotonic()
launcher.close()
said |= {"seconds": time.monotonic() - began, "states": launcher.results}
cluster.shutdown()
try:
    RayLauncher(Resources(1, 5, 1e6), attempts=1)
except UserError as error:
    said["refused"] = str(error)
print(json.dumps(said))
"""


@pytest.mark.skipif(not ray_cluster.available(), reason="Ray is not installed")
def test_ray_says_what_no_node_has_and_can_be_left(tmp_path):
    result = subprocess.run(
        [sys.executable, "-c", RAY, str(tmp_path)],
        cwd=ROOT,
        env=ENVIRONMENT | SETTINGS,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    said = json.loads(result.stdout.strip().splitlines()[-1])
    assert "no node has 3 cores, 0 GPUs" in said["where"] and "runs wait for one" in said["where"]
    assert said["working"] and said["states"] == {"0": "stopped"} and said["seconds"] < 30
    assert said["refused"].startswith(
        "this computer does not have what a run needs: 1 cores, 5 GPUs"
    )
    assert list(tmp_path.glob(".stop*")) == []
