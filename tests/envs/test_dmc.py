"""DeepMind Control, in workers and scripts only: this process may hold TensorFlow."""

import json
from pathlib import Path

import numpy as np
import pytest
from programs_for_tests import run_python

from dreamer_tf.envs.gl import try_backends
from dreamer_tf.envs.process.remote import RemoteEnv

# dm_control alone, without anything of this package.
TWIN = """
import sys
import numpy as np
from dm_control import suite
path, domain, task, camera, seed = sys.argv[1:]
env = suite.load(domain, task)
env.task.random.seed(int(seed))
env.reset()
bounds = env.action_spec()
images, rewards = [env.physics.render(64, 64, camera_id=int(camera))], [0.0]
for action in np.load(path + "/actions.npy"):
    scaled = bounds.minimum + (action + 1) / 2 * (bounds.maximum - bounds.minimum)
    rewards.append(env.step(scaled).reward + env.step(scaled).reward)
    images.append(env.physics.render(64, 64, camera_id=int(camera)))
np.savez(path + "/twin.npz", images=images, rewards=rewards)
"""

EVERY_TASK = """
import sys, time, warnings
import numpy as np
from dm_control import suite
from dreamer_tf.envs import make_env
from dreamer_tf.envs.tasks import PAPER_TASKS, SUITE
assert {(d, t) for d, tasks in SUITE.items() for t in tasks} == set(suite.ALL_TASKS)
for task in PAPER_TASKS:
    env = make_env(task, action_repeat=2, time_limit=3, render="fast")
    image = env.reset(seed=0)[0]["image"]
    assert image.std() > 5, task
    step = env.step(env.action_space.sample())
    assert step[0]["image"].any() and 0 <= step[1] <= 2 and step[2:4] == (False, False), task
    assert env.step(env.action_space.sample())[2:4] == (False, True), task
    env.close()
    print(task)
"""

CHECKER = """
import warnings
from gymnasium.utils.env_checker import check_env
from dreamer_tf.envs import make_env
env = make_env("dmc_cup_catch", action_repeat=2, time_limit=1000, render="fast")
check_env(env)
assert env.render().shape == (240, 240, 3)
env.close()
env.close()
"""

BESIDE_TENSORFLOW = """
import tensorflow
from pathlib import Path
from dreamer_tf.envs.process.remote import RemoteEnv
assert "libtensorflow" in Path("/proc/self/maps").read_text()
description = dict(task="dmc_walker_walk", action_repeat=2, time_limit=1000, render="fast")
with RemoteEnv(description) as worker:
    worker.send_reset(0)
    assert worker.receive()["image"].any()
    maps = Path(f"/proc/{worker.pid}/maps").read_text()
assert "libmujoco" in maps
assert "tensorflow" not in maps.lower()
"""


@pytest.fixture(scope="module")
def backend():
    name, _ = try_backends()
    if name is None:
        pytest.skip("no OpenGL back end renders here")
    return name


def describe(task, render="fast", action_repeat=2, time_limit=1000):
    return dict(task=task, action_repeat=action_repeat, time_limit=time_limit, render=render)


def play(worker, seed, actions):
    """Returns the records of an episode's start and the steps of some actions."""
    worker.send_reset(seed)
    records = [worker.receive()]
    for action in actions:
        worker.send_step(action)
        records.append(worker.receive())
    return np.stack(records)


def random_actions(count, size, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, size)).astype(np.float32)


@pytest.mark.parametrize(
    "task, domain, name, camera, size",
    [
        ("dmc_walker_walk", "walker", "walk", 0, 6),
        ("dmc_quadruped_walk", "quadruped", "walk", 2, 12),
        ("dmc_cup_catch", "ball_in_cup", "catch", 0, 2),
    ],
)
def test_frames_and_rewards_are_dm_controls_own(
    tmp_path, backend, task, domain, name, camera, size
):
    actions = random_actions(4, size)
    np.save(tmp_path / "actions.npy", actions)
    run_python(TWIN, tmp_path, domain, name, camera, 11, MUJOCO_GL=backend)
    twin = np.load(tmp_path / "twin.npz")
    with RemoteEnv(describe(task, render="paper"), gl=backend) as worker:
        records = play(worker, 11, actions)
    assert np.array_equal(records["image"], twin["images"])
    assert records["reward"] == pytest.approx(twin["rewards"], abs=1e-6)


def test_fast_rendering_is_nearly_the_same(backend):
    with RemoteEnv(describe("dmc_walker_walk", "paper"), gl=backend) as worker:
        paper = play(worker, 1, [])[0]["image"].astype(int)
    with RemoteEnv(describe("dmc_walker_walk", "fast"), gl=backend) as worker:
        fast = play(worker, 1, [])[0]["image"].astype(int)
    assert 0 < np.abs(fast - paper).mean() < 4


def test_actions_span_the_bounds_of_quadruped(backend):
    script = """
import json
import numpy as np
from dreamer_tf.envs import make_env
env = make_env("dmc_quadruped_walk", action_repeat=1, time_limit=10)
env.rendering = False
seen = []
for action in (-np.ones(12), np.zeros(12), np.ones(12), 9 * np.ones(12)):
    env.reset(seed=0)
    env.step(action.astype(np.float32))
    seen.append(env._physics.data.ctrl.tolist())
print(json.dumps([env.action_space.low.tolist(), env.action_space.high.tolist(), *seen]))
"""
    low, high, least, middle, most, beyond = json.loads(run_python(script, MUJOCO_GL=backend))
    assert low == [-1.0] * 12 and high == [1.0] * 12
    assert least == pytest.approx([-1.0, -1.0, -0.8] * 4)
    assert middle == pytest.approx([0.0, 0.05, 0.0] * 4)
    assert most == beyond == pytest.approx([1.0, 1.1, 0.8] * 4)


def test_the_papers_twenty_tasks_load_and_step(backend):
    printed = run_python(EVERY_TASK, MUJOCO_GL=backend, timeout=120)
    assert len(printed.split()) == 20


def test_passes_gymnasiums_checker(backend):
    run_python(CHECKER, MUJOCO_GL=backend)


@pytest.mark.parametrize("task, size", [("dmc_finger_turn_hard", 2), ("dmc_reacher_easy", 2)])
def test_a_seed_is_an_episode_whatever_happened_before(backend, task, size):
    actions = random_actions(5, size)
    with RemoteEnv(describe(task), gl=backend) as worker:
        first = play(worker, 3, actions)
        play(worker, 4, random_actions(9, size, seed=1))
        worker.send_reset(3)
        worker.receive()
        assert play(worker, 3, actions).tobytes() == first.tobytes()
        other = play(worker, 4, actions)
    assert not np.array_equal(first[0]["image"], other[0]["image"])
    with RemoteEnv(describe(task), gl=backend) as worker:
        assert play(worker, 3, actions).tobytes() == first.tobytes()


def test_replaying_gives_the_same_rewards_and_the_same_future(backend):
    actions = random_actions(60, 6)
    with RemoteEnv(describe("dmc_cheetah_run"), gl=backend) as worker:
        records = play(worker, 2, actions)
        play(worker, 5, actions[:3])
        rewards = worker.replay(2, actions[:50])["reward"]
        assert np.array_equal(rewards, records["reward"][:51]) and rewards.any()
        for action, record in zip(actions[50:], records[51:], strict=True):
            worker.send_step(action)
            assert worker.receive().tobytes() == record.tobytes()


def test_an_episode_lasts_its_time_limit_and_does_not_terminate(backend):
    with RemoteEnv(describe("dmc_pendulum_swingup", action_repeat=2), gl=backend) as worker:
        assert worker.spec.time_limit == 1000 and not worker.spec.terminates
        worker.replay(0, np.zeros((499, 1)))
        worker.send_step([0.0])
        record = worker.receive()
    assert record["is_last"] and not record["is_terminal"]


def test_the_cut_at_the_time_limit_keeps_the_last_reward(backend):
    with RemoteEnv(describe("dmc_cartpole_balance", "fast", 3, 7), gl=backend) as worker:
        rewards = play(worker, 0, np.zeros((3, 1)))["reward"]
    # Balanced to begin with: nearly one per environment step.
    assert rewards == pytest.approx([0, 3, 3, 1], abs=0.3)


def test_a_worker_holds_no_tensorflow(backend):
    with RemoteEnv(describe("dmc_walker_walk"), gl=backend) as worker:
        play(worker, 0, [])
        maps = Path(f"/proc/{worker.pid}/maps").read_text()
    assert "libmujoco" in maps and "tensorflow" not in maps.lower()


def test_a_worker_renders_beside_a_trainer_with_tensorflow(backend):
    run_python(BESIDE_TENSORFLOW, MUJOCO_GL=backend, TF_CPP_MIN_LOG_LEVEL="3")


def test_a_task_that_looks_for_a_context_has_one_from_vectors_too(backend):
    """dm_control's own quadruped_escape does at every reset."""
    task = {"task": "dmc_quadruped_escape", "observation": "vector"}
    with RemoteEnv(task, gl=backend) as worker:
        first = play(worker, 0, np.zeros((2, 12), np.float32))
    assert np.isfinite(first["vector"]).all()
