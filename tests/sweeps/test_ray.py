"""Sweeps on Ray: a worker that is killed, and a cluster that loses a node."""

import subprocess
import sys

import pytest
from ray_for_tests import SETTINGS
from runs_for_tests import ENVIRONMENT, ROOT, metrics
from test_running import plan

from dreamer_tf.sweeps import ray_cluster
from dreamer_tf.sweeps.process import bring_to_end

pytestmark = pytest.mark.skipif(not ray_cluster.available(), reason="Ray is not installed")

COMMON = """
import os, pathlib, signal, sys, time
sys.path.insert(0, "tests/sweeps")
from test_running import plan
from dreamer_tf.sweeps.ray_cluster import RayLauncher
from dreamer_tf.sweeps.resources import Resources

folder = pathlib.Path(sys.argv[1])

def wait_for(condition):
    end = time.monotonic() + 200
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)

def began(each):
    path = each.folder(folder) / "checkpoints"
    return path.is_dir() and any(path.iterdir())
"""
# The process that waits for the run is Ray's; killed, it takes the run with it.
KILLED_WORKER = """
launcher = RayLauncher(Resources(1, 0, 1e9), attempts=3)
launcher.start([plan()], folder)
wait_for(lambda: began(plan()))
words = {path: path.read_bytes().split(bytes(1))
         for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")}
(run,) = [int(path.parent.name) for path, each in words.items()
          if {str(folder).encode(), b"dreamer_tf.train"} <= set(each)]
parent = int((pathlib.Path("/proc") / str(run) / "stat").read_text().rpartition(")")[2].split()[1])
os.kill(parent, signal.SIGKILL)
wait_for(lambda: not launcher.working())
print("STATES", launcher.states())
launcher.close()
"""
LOST_NODE = """
from ray_for_tests import cluster as make_cluster

cluster = make_cluster(num_cpus=0)
nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
launcher = RayLauncher(Resources(1, 0, 1e8), attempts=3, address=cluster.address)
print("WHERE", launcher.describe())
plans = [plan(0), plan(1)]
launcher.start(plans, folder)
wait_for(lambda: all(map(began, plans)))
episodes = {path for each in plans for path in (each.folder(folder) / "episodes").glob("0*.npy")}
cluster.remove_node(nodes[0], allow_graceful=False)
wait_for(lambda: not launcher.working())
print("STATES", sorted(launcher.states().items()))
print("LOST", len([path for path in episodes if not path.exists()]), "of", len(episodes))
launcher.close()
cluster.shutdown()
"""


def script(text, folder):
    result = subprocess.run(
        [sys.executable, "-c", COMMON + text, str(folder)],
        cwd=ROOT,
        env=ENVIRONMENT | SETTINGS,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_a_run_survives_the_worker_that_waits_for_it(tmp_path):
    assert bring_to_end(plan(), tmp_path / "whole", 1, lambda: False) == "done"
    assert "STATES {0: 'done'}" in script(KILLED_WORKER, tmp_path / "killed")
    whole, killed = (metrics(plan().folder(tmp_path / name)) for name in ("whole", "killed"))
    assert killed == whole


@pytest.mark.lengthy
def test_a_cluster_that_loses_a_node_ends_all_runs_and_loses_no_episode(tmp_path):
    output = script(LOST_NODE, tmp_path)
    assert "WHERE Ray, 3 nodes, 2 cores" in output
    assert "STATES [(0, 'done'), (1, 'done')]" in output
    (lost,) = [line for line in output.splitlines() if line.startswith("LOST")]
    assert lost.startswith("LOST 0 of ") and not lost.endswith(" 0")
