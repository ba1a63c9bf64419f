"""Gymnasium's environments by id, and what an agent sees of any environment."""

import environments_for_tests as odd
import gymnasium
import numpy as np
import pytest
import spaces_for_tests
from gymnasium.utils.env_checker import check_env
from programs_for_tests import run_python

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import check_task, make_env
from dreamer_tf.envs.observing import Observing
from dreamer_tf.envs.process.remote import RemoteEnv, WorkerError
from dreamer_tf.envs.repeat import RepeatAndLimit, own_limit
from dreamer_tf.envs.spec import EnvSpec


def remote(task, **changes):
    return RemoteEnv({"task": task, **changes}, timeout=60)


@pytest.fixture
def registered():
    """Registers environments under an id for the time of a test."""
    names = []

    def register(name, entry_point):
        gymnasium.register(name, entry_point=entry_point)
        names.append(name)

    yield register
    for name in names:
        del gymnasium.registry[name]


def play(worker, seed, actions):
    """Returns the records of an episode up to its end or that of the actions."""
    worker.send_reset(seed)
    records = [worker.receive()]
    for action in actions:
        if records[-1]["is_last"]:
            break
        worker.send_step(action)
        records.append(worker.receive())
    return np.stack(records)


def choices(count, size=2, seed=0):
    return np.eye(size, dtype=np.float32)[np.random.default_rng(seed).integers(size, size=count)]


class TestIds:
    @pytest.mark.parametrize("repeat", [1, 3])
    def test_cartpole_is_gymnasiums_own(self, repeat):
        actions = choices(500)
        with remote("gym_CartPole-v1", action_repeat=repeat) as worker:
            spec = worker.spec
            records = play(worker, 7, actions)
            replayed = worker.replay(7, records["action"][1:])
        assert (spec.discrete, spec.action_size, spec.terminates) == (True, 2, True)
        assert (spec.time_limit, spec.action_repeat) == (500, repeat)
        assert spec.observations == {"vector": ((4,), "<f4")}
        env = gymnasium.make("CartPole-v1")
        observation, _ = env.reset(seed=7)
        np.testing.assert_array_equal(records["vector"][0], observation)
        for record, action in zip(records[1:], actions, strict=False):
            total = 0.0
            for _ in range(repeat):
                observation, reward, terminated, truncated, _ = env.step(int(np.argmax(action)))
                total += reward
                if terminated:
                    break
            np.testing.assert_array_equal(record["vector"], observation)
            assert record["reward"] == total
            assert record["is_last"] == record["is_terminal"] == terminated and not truncated
        assert terminated
        assert set(replayed.dtype.names) == set(records.dtype.names)
        for name in replayed.dtype.names:
            np.testing.assert_array_equal(replayed[name], records[name])

    def test_pendulum_ends_by_its_time_limit_and_never_terminates(self):
        actions = np.random.default_rng(0).uniform(-1, 1, (300, 1)).astype(np.float32)
        with remote("gym_Pendulum-v1") as worker:
            spec = worker.spec
            records = play(worker, 3, actions)
        assert not spec.terminates and not spec.discrete and spec.time_limit == 200
        assert len(records) == 201 and records["is_last"][-1] and not records["is_terminal"].any()
        env = gymnasium.make("Pendulum-v1")
        env.reset(seed=3)
        expected = [env.step(2 * action)[1] for action in actions[:200]]
        np.testing.assert_allclose(records["reward"][1:], expected, rtol=1e-6)

    @pytest.mark.parametrize(
        "family",
        [
            *("Pendulum-v1", "HalfCheetah-v5", "Swimmer-v5", "Reacher-v5", "Pusher-v5"),
            "HumanoidStandup-v5",
        ],
    )
    def test_environments_said_not_to_terminate_have_no_way_to(self, family):
        import inspect

        source = inspect.getsource(gymnasium.make(family).unwrapped.step)
        assert "False, False, " in source
        assert not make_env(f"gym_{family}").get_wrapper_attr("terminates")

    def test_a_namesake_of_somebody_else_may_terminate(self):
        def make(render_mode=None):
            return odd.Terminating()

        gymnasium.register("Reacher-v99", entry_point=make, max_episode_steps=50)
        try:
            env = make_env("gym_Reacher-v99")
            assert env.get_wrapper_attr("terminates") and env.time_limit == 50
        finally:
            del gymnasium.registry["Reacher-v99"]

    @pytest.mark.parametrize("observation", ["auto", "vector"])
    @pytest.mark.parametrize("frames", [False, True])
    def test_a_constructor_without_a_render_mode(self, observation, frames, registered):
        registered("Strict-v0", odd.StrictVector)
        env = make_env("gym_Strict-v0", observation=observation, frames=frames)
        env.reset(seed=1)
        assert env.step(np.zeros(1, np.float32))[1] == 0

    def test_a_reset_without_options(self):
        env = make_env("environments_for_tests:Optionless")
        assert env.reset(seed=1)[0]["vector"].shape == (1,)

    def test_an_image_that_such_a_constructor_cannot_give_is_one_line(self, registered):
        registered("Strict-v0", odd.StrictVector)
        with pytest.raises(UserError, match="observes no image and renders none"):
            make_env("gym_Strict-v0", observation="image")

    def test_what_a_constructor_raises_comes_from_its_own_place(self):
        with remote("gym_environments_for_tests:Clumsy-v0") as worker:
            with pytest.raises(WorkerError) as error:
                _ = worker.spec
        message = str(error.value)
        assert "TypeError: object of type 'int' has no len()" in message
        assert "environments_for_tests.py" in message and "len(3)" in message
        assert "\n" not in message

    @pytest.mark.parametrize(
        ("task", "meant"),
        [
            ("CartPole-v1", "gym_CartPole-v1"),
            ("CartPool-v1", "gym_CartPole-v1"),
            ("ALE/Pong-v5", "atari_pong"),
            ("my_module:Robot-v0", "gym_my_module:Robot-v0"),
        ],
    )
    def test_an_id_without_its_prefix_is_understood(self, task, meant):
        with pytest.raises(UserError, match=meant):
            check_task(task)

    def test_who_breaks_the_promise_not_to_terminate_is_told(self):
        env = make_env("environments_for_tests:Promising", action_repeat=3)
        env.reset(seed=0)
        env.step(np.zeros(1, np.float32))
        with pytest.raises(ValueError, match="terminates = False"):
            env.step(np.zeros(1, np.float32))

    @pytest.mark.parametrize(
        ("task", "wished", "limited"),
        [
            ("environments_for_tests:ActionEcho", "auto", False),
            ("environments_for_tests:ActionEcho", 90, True),
            ("spaces_for_tests:Many", "auto", True),
            ("gym_Pendulum-v1", "auto", True),
            ("toy_reach", "auto", True),
        ],
    )
    def test_a_limit_that_nobody_gave_is_known_as_such(self, task, wished, limited):
        with remote(task, time_limit=wished) as worker:
            assert worker.limited == limited

    @pytest.mark.parametrize("limit", [-1, 0, 2.5, "ten"])
    def test_an_impossible_limit_of_the_environment_is_refused(self, limit):
        env = odd.ActionEcho()
        env.time_limit = limit
        with pytest.raises(UserError, match="time_limit"):
            own_limit(env)

    def test_rewards_may_be_arrays_of_one_number(self):
        env = RepeatAndLimit(odd.ArrayReward(), 2, 10)
        env.reset(seed=0)
        assert env.step(np.ones(1))[1] == 3.0

    def test_a_shorter_limit_of_ours_truncates(self):
        env = make_env("gym_Pendulum-v1", time_limit=6, action_repeat=2)
        env.reset(seed=0)
        ends = [env.step(np.zeros(1, np.float32))[2:4] for _ in range(3)]
        assert ends == [(False, False), (False, False), (False, True)]
        assert make_env("gym_Pendulum-v1", time_limit=999, action_repeat=2).time_limit == 200

    @pytest.mark.parametrize(
        "task, word",
        [
            ("gym_CartPol-v1", "gym_CartPole-v1"),
            ("gym_CartPole-v7", "gym_CartPole-v"),
            ("gym_", "gym_"),
            ("gym_cartpole", "did you mean"),
        ],
    )
    def test_unknown_ids_are_told_the_nearest(self, task, word):
        with pytest.raises(UserError, match=word) as error:
            check_task(task)
        assert f"'{task}'" in str(error.value)

    @pytest.mark.parametrize(
        "task, word",
        [
            ("gym_LunarLander-v3", "pip install"),
            ("gym_nowhere:Thing-v0", "nowhere"),
            ("gym_NoSuch/Thing-v5", "NoSuch"),
        ],
    )
    def test_what_is_not_installed_is_one_line_from_the_worker(self, task, word):
        check_task(task)
        with remote(task) as worker, pytest.raises(UserError, match=word) as error:
            _ = worker.spec
        assert "\n" not in str(error.value) and f"'{task}'" in str(error.value)


class TestObservations:
    def test_cartpoles_frames_show_the_cart(self):
        with remote("gym_CartPole-v1", observation="both") as worker:
            spec = worker.spec
            records = play(worker, 0, [np.float32([0, 1])] * 30)
        assert list(spec.observations) == ["image", "vector"]
        image = records["image"].astype(int)
        # The cart is black on white, above a black track; it follows the vector's first number.
        dark = (image[:, 46:49].sum(-1) < 200).sum(1)
        centre = (dark * np.arange(64)).sum(1) / dark.sum(1)
        expected = 32 + records["vector"][:, 0] * 64 / 4.8
        np.testing.assert_allclose(centre, expected, atol=1.5)
        assert centre[-1] - centre[0] > 0.5

    def test_replaying_draws_nothing_and_changes_nothing(self):
        env = make_env("gym_CartPole-v1", observation="both")
        env.reset(seed=1)
        env.set_wrapper_attr("rendering", False, force=False)
        dark = env.step(1)[0]
        env.set_wrapper_attr("rendering", True, force=False)
        light = env.step(1)[0]
        assert not dark["image"].any() and light["image"].any()
        assert dark["vector"].any()

    def test_images_are_resized_by_weighted_means(self):
        def weights(size):
            """Triangles as wide as two new pixels: [64, size]."""
            scale = size / 64
            centres = (np.arange(64) + 0.5) * scale
            found = 1 - abs(np.arange(size) + 0.5 - centres[:, None]) / scale
            found = np.maximum(found, 0)
            return found / found.sum(1, keepdims=True)

        env = Observing(spaces_for_tests.Camera(), "image")
        small = env.reset(seed=0)[0]["image"]
        large = spaces_for_tests.Camera().reset(seed=0)[0]["camera"]
        expected = np.einsum("ah,bw,hwc->abc", weights(96), weights(128), large)
        np.testing.assert_allclose(small, expected, atol=1.01)
        exact = Observing(spaces_for_tests.Camera(), "image", 84).reset(seed=0)[0]["image"]
        assert exact.shape == (84, 84, 3)
        grey = Observing(spaces_for_tests.Grey(), "auto").reset(seed=0)[0]["image"]
        assert grey.shape == (64, 64, 3) and (grey[..., 0] == grey[..., 2]).all()
        np.testing.assert_allclose(grey[:, 0, 0], np.arange(64) * 2 + 0.5, atol=0.51)

    def test_numbers_of_all_kinds_become_vectors(self):
        env = Observing(spaces_for_tests.Camera(), "vector")
        found = env.reset(seed=0)[0]
        assert {name: value.tolist() for name, value in found.items()} == {
            "counts": [1, 2, 3, 4],
            "gear": [0, 1, 0],
            "speed": [0.5, -2.0],
        }
        assert all(value.dtype == np.float32 for value in found.values())
        assert set(Observing(spaces_for_tests.Camera(), "auto").observation_space) == {
            "image",
            "counts",
            "gear",
            "speed",
        }

    def test_a_small_board_is_a_vector_not_an_image(self):
        found = Observing(odd.Board(), "auto").reset(seed=0)[0]
        assert list(found) == ["vector"] and found["vector"].shape == (42,)

    @pytest.mark.parametrize("choice", ["auto", "vector"])
    def test_of_a_grid_world_the_numbers_are_taken_and_the_rest_is_told(self, choice):
        with remote("spaces_for_tests:Grid", observation=choice) as worker:
            record = play(worker, 0, [np.float32([0.5])])[0]
            notes = worker.notes
        assert set(worker.spec.observations) == {"direction", "image_numbers"}
        np.testing.assert_array_equal(record["image_numbers"], np.arange(147))
        assert record["direction"].tolist() == [0, 0, 1, 0]
        mission, image = sorted(notes, key=lambda text: "image" in text)
        assert "'mission' is left out" in mission
        assert "'image' is no image but Box(0, 255, (7, 7, 3), uint8)" in image

    @pytest.mark.parametrize(
        ("name", "left"),
        [("Speaking", {"image"}), ("Growing", {"image"}), ("ChannelFirst", {"speed"})],
    )
    def test_what_cannot_be_taken_is_left_out_and_told(self, name, left):
        choice = "vector" if name == "ChannelFirst" else "auto"
        env = Observing(getattr(spaces_for_tests, name)(), choice)
        assert set(env.observation_space) == left
        (note,) = env.notes
        assert "is left out" in note and "\n" not in note

    def test_a_discrete_observation_is_one_hot(self):
        env = make_env("gym_FrozenLake-v1")
        assert env.reset(seed=0)[0]["vector"].tolist() == [1.0] + [0.0] * 15

    @pytest.mark.parametrize(
        "kind, choice, word",
        [
            (odd.ActionEcho, "vector", "no vector"),
            (spaces_for_tests.Grey, "both", "no vector"),
            (odd.Choosing, "image", "render_mode"),
            (odd.Choosing, "both", "render_mode"),
        ],
    )
    def test_what_is_not_there_is_refused(self, kind, choice, word):
        with pytest.raises(UserError, match=word) as error:
            Observing(kind(), choice)
        assert f"--env.observation {choice}" in str(error.value)

    def test_toys_vector_is_its_state(self):
        env = make_env("toy_reach", observation="both")
        observation, _ = env.reset(seed=5)
        expected = np.concatenate([env.point, env.target]).astype(np.float32)
        np.testing.assert_array_equal(observation["vector"], expected)
        assert observation["image"].any()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "task, observation",
    [
        ("gym_CartPole-v1", "auto"),
        ("gym_CartPole-v1", "image"),
        ("gym_CartPole-v1", "both"),
        ("gym_Pendulum-v1", "both"),
        ("gym_FrozenLake-v1", "auto"),
        ("spaces_for_tests:Camera", "auto"),
        ("toy_reach", "vector"),
        ("toy_reach", "both"),
    ],
)
def test_passes_gymnasiums_checker(task, observation):
    env = make_env(task, observation=observation)
    check_env(env, skip_render_check=True)
    spec = EnvSpec.from_env(env)
    assert spec.observations.keys() == env.observation_space.spaces.keys()


def test_the_control_suite_from_vectors_needs_no_opengl(monkeypatch):
    """In a worker told to use a broken back end; its numbers are dm_control's own."""
    monkeypatch.setenv("MUJOCO_GL", "abacus")
    actions = np.random.default_rng(0).uniform(-1, 1, (5, 1)).astype(np.float32)
    with remote("dmc_cartpole_swingup", observation="vector") as worker:
        assert worker.spec.observations == {"vector": ((5,), "<f4")}
        records = play(worker, 11, actions)
    code = """
import numpy as np, sys
from dm_control import suite
env = suite.load("cartpole", "swingup", task_kwargs={"random": 0})
env.task.random.seed(11)
step = env.reset()
for action in np.float32(eval(sys.argv[1])):
    print(*np.concatenate([step.observation["position"], step.observation["velocity"]]))
    env.step(action), (step := env.step(action))
print(*np.concatenate([step.observation["position"], step.observation["velocity"]]))
"""
    printed = run_python(code, actions.tolist(), MUJOCO_GL="off")
    expected = np.array([line.split() for line in printed.splitlines()], float)
    np.testing.assert_allclose(records["vector"], expected, rtol=1e-6)
