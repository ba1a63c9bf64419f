"""Task names, spaces and specs, the toy task, and what a factory's environment goes through."""

import json
import time

import environments_for_tests as odd
import gymnasium
import numpy as np
import pytest
import spaces_for_tests
from gymnasium.utils.env_checker import check_env
from programs_for_tests import run_python

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import check_task, gl, make_env, task_names, toy
from dreamer_tf.envs.observing import Observing
from dreamer_tf.envs.recording import RecordingEnv
from dreamer_tf.envs.repeat import RepeatAndLimit
from dreamer_tf.envs.spec import EnvSpec


def make(name):
    """Returns one of the odd environments, or one with an odd space."""
    return getattr(spaces_for_tests if hasattr(spaces_for_tests, name) else odd, name)()


def build(name, action_repeat=1, time_limit=100, observation="auto"):
    """Returns a RecordingEnv of one of the odd environments, and its spec."""
    env = RepeatAndLimit(make(name), action_repeat, time_limit)
    env = Observing(env, observation)
    spec = EnvSpec.from_env(env)
    return RecordingEnv(env, spec), spec


def toy_return(policy, seeds=range(20)):
    env = make_env("toy_reach", action_repeat=2, time_limit=1000)
    returns = []
    for seed in seeds:
        env.reset(seed=seed)
        total, truncated = 0.0, False
        while not truncated:
            _, reward, terminated, truncated, _ = env.step(policy(env))
            assert 0.0 <= reward <= 2.0 and not terminated
            total += reward
        returns.append(total)
    return np.mean(returns)


def straight(env):
    return np.clip((env.target - env.point) / 0.2, -1.0, 1.0)


class TestNames:
    def test_the_papers_twenty_come_first(self):
        names = task_names()
        assert len(set(names)) == len(names)
        assert names[0] == "dmc_acrobot_swingup" and names[19] == "dmc_walker_walk"
        assert "dmc_cup_catch" in names[:20] and "toy_reach" in names[20:]

    @pytest.mark.parametrize(
        "wrong, nearest",
        [
            ("dmc_walker_wlak", "dmc_walker_walk"),
            ("walker_walk", "dmc_walker_walk"),
            ("toyreach", "toy_reach"),
            ("dmc_humanoid_CMU_dance", "dmc_humanoid_CMU_stand"),
        ],
    )
    def test_an_unknown_name_is_told_the_nearest(self, wrong, nearest):
        with pytest.raises(UserError) as error:
            check_task(wrong)
        assert f"'{wrong}'" in str(error.value) and f"'{nearest}'" in str(error.value)

    @pytest.mark.parametrize("task", ["", "a:", ":b", "a:b:c", "os;x:y", "../x:y"])
    def test_malformed_names(self, task):
        with pytest.raises(UserError):
            check_task(task)

    @pytest.mark.parametrize(
        "task, word",
        [
            ("no_such_package.part:make", "no_such_package"),
            ("environments_for_tests:missing", "missing"),
            ("environments_for_tests:ROOT", "cannot be called"),
            ("environments_for_tests:not_an_environment", "str"),
        ],
    )
    def test_useless_factories(self, task, word):
        with pytest.raises(UserError, match=word):
            make_env(task, action_repeat=1, time_limit=10)

    def test_checking_names_loads_nothing_heavy(self):
        loaded = run_python(
            "import sys, dreamer_tf.envs, dreamer_tf.envs.process.remote, dreamer_tf.envs.gl\n"
            "dreamer_tf.envs.check_task('dmc_walker_walk')\n"
            "print(*[m for m in ('tensorflow', 'dm_control', 'mujoco', 'OpenGL', 'glfw')"
            " if m in sys.modules])"
        )
        assert loaded.strip() == ""


class TestToy:
    def test_passes_gymnasiums_checker(self):
        check_env(make_env("toy_reach", action_repeat=2, time_limit=1000).unwrapped)

    def test_a_straight_policy_is_far_better_than_a_random_one(self):
        random = np.random.default_rng(0)
        wandering = toy_return(lambda env: random.uniform(-1, 1, 2))
        best = toy_return(straight)
        assert 90 < best <= 100
        assert wandering < 0.5 * best

    def test_the_image_has_the_size_that_is_asked_for(self):
        sizes = (64, 84, 128)
        made = [make_env("toy_reach", image_size=size) for size in sizes]
        images = [env.reset(seed=3)[0]["image"] for env in made]
        for env, image, size in zip(made, images, sizes, strict=True):
            assert EnvSpec.from_env(env).observations["image"][0] == image.shape
            assert image.shape == (size, size, 3)
        # The same scene: every pixel of the small one is one of four in the large one.
        assert (images[2][::2, ::2] == images[0]).all(-1).mean() > 0.95
        made[1].rendering = False
        assert not made[1].reset(seed=3)[0]["image"].any()

    @pytest.mark.parametrize("action_repeat, steps", [(1, 100), (2, 50), (3, 34)])
    def test_episode_length(self, action_repeat, steps):
        env = make_env("toy_reach", action_repeat=action_repeat, time_limit=1000)
        env.reset(seed=0)
        ends = [env.step(np.zeros(2))[3] for _ in range(steps)]
        assert ends == [False] * (steps - 1) + [True]
        with pytest.raises(RuntimeError, match="reset"):
            env.step(np.zeros(2))

    def test_action_repeat_and_its_cut_at_the_end(self):
        one = toy.ToyReach(action_repeat=1, time_limit=7)
        three = toy.ToyReach(action_repeat=3, time_limit=7)
        one.reset(seed=4), three.reset(seed=4)
        actions = np.random.default_rng(1).uniform(-1, 1, (3, 2))
        for count, action in zip((3, 3, 1), actions, strict=True):
            single = [one.step(action) for _ in range(count)]
            repeated = three.step(action)
            assert repeated[1] == pytest.approx(sum(step[1] for step in single), abs=1e-12)
            assert np.array_equal(repeated[0]["image"], single[-1][0]["image"])
            assert repeated[3] == single[-1][3]

    def test_the_image_shows_point_and_target(self):
        env = make_env("toy_reach", action_repeat=1, time_limit=100)
        for seed in range(10):
            image = env.reset(seed=seed)[0]["image"].astype(int)
            red = np.argwhere((image[..., 0] > 200) & (image[..., 1] < 150))
            y, x = (red.mean(axis=0) + 0.5) / 64
            margin = toy.TARGET_RADIUS + 1 / 64
            shown = (np.array([x, y]) - margin) / (1 - 2 * margin)
            assert np.abs(shown - env.point).max() < 0.02
            assert ((image[..., 1] > 200) & (image[..., 0] < 150)).sum() > 40

    def test_a_seed_is_an_episode_whatever_happened_before(self):
        fresh = make_env("toy_reach", action_repeat=2, time_limit=100)
        used = make_env("toy_reach", action_repeat=2, time_limit=100)
        used.reset(seed=1)
        used.step(np.ones(2))
        first, again = fresh.reset(seed=9)[0]["image"], used.reset(seed=9)[0]["image"]
        assert np.array_equal(first, again)
        assert not np.array_equal(first, used.reset(seed=10)[0]["image"])

    def test_nothing_but_the_image_depends_on_rendering(self):
        drawn = make_env("toy_reach", action_repeat=2, time_limit=100)
        blind = make_env("toy_reach", action_repeat=2, time_limit=100)
        blind.rendering = False
        drawn.reset(seed=2)
        assert not blind.reset(seed=2)[0]["image"].any()
        assert drawn.step(np.ones(2))[1:] == blind.step(np.ones(2))[1:]
        blind.rendering = True
        assert np.array_equal(
            drawn.step(np.zeros(2))[0]["image"], blind.step(np.zeros(2))[0]["image"]
        )

    def test_render_has_a_readable_size(self):
        env = make_env("toy_reach", action_repeat=2, time_limit=100)
        env.reset(seed=0)
        assert env.render().shape == (240, 240, 3) and env.render().dtype == np.uint8

    def test_is_fast(self):
        env = make_env("toy_reach", action_repeat=2, time_limit=1000)
        begin = time.perf_counter()
        env.reset(seed=0)
        for _ in range(50):
            env.step(np.zeros(2))
        assert time.perf_counter() - begin < 0.5


class TestSpec:
    def test_record_layout_is_packed_and_ordered(self):
        _, spec = build("Mixed", action_repeat=2)
        dtype = spec.record_dtype
        assert dtype.names == (
            *("image", "alpha", "zeta", "action"),
            *("reward", "is_first", "is_last", "is_terminal"),
        )
        assert dtype.itemsize == 64 * 64 * 3 + 4 * (3 + 2 + 1 + 1) + 3
        assert dtype["alpha"] == np.dtype(("<f4", (3,)))

    @pytest.mark.parametrize("name", ["Mixed", "Choosing", "Endless"])
    def test_survives_json(self, name):
        _, spec = build(name)
        again = EnvSpec.from_json(json.dumps(json.loads(spec.to_json())))
        assert again == spec and again.record_dtype == spec.record_dtype

    def test_who_terminates(self):
        assert build("ActionEcho")[1].terminates
        assert not build("Endless")[1].terminates
        toy = make_env("toy_reach", action_repeat=2, time_limit=1000)
        spec = EnvSpec.from_env(toy)
        assert not spec.terminates and spec.time_limit == 100 and spec.action_repeat == 2

    @pytest.mark.parametrize(
        "name, word",
        [
            ("Reserved", "'reward'"),
            ("Namesakes", "'image', 'image_numbers': two of them would be called the same"),
            ("FloatImage", "'image' is an image of float32"),
            ("ChannelFirst", "'image' is an image with its channels first, (3, 48, 64)"),
            ("Stacked", "'image' is a stack of 4 images"),
            ("StackedFirst", "'image' is a stack of images, (4, 64, 64, 3)"),
            ("Nested", "'camera' is a Dict of its own with the image 'left' in it"),
            ("OnlyText", "holds nothing to learn from"),
            ("Mosaic", "'mosaic' is an image of float32"),
            ("Table", "12288"),
            ("Blind", "nothing to learn from"),
            ("TwoImages", "'wrist'"),
            ("Unbounded", "action"),
            ("Huge", "bounds below 1e"),
            ("Astronomical", "at most 4096 actions"),
            ("Nameless", "call it a word"),
            ("SeveralChoices", "MultiDiscrete"),
        ],
    )
    def test_useless_spaces_are_one_clear_line(self, name, word):
        """Also where the rest could be learned from: what is lacking may be what matters."""
        with pytest.raises(UserError) as error:
            build(name)
        assert word in str(error.value) and "\n" not in str(error.value)


class TestRecords:
    def test_a_record_holds_what_its_action_led_to(self):
        recording, _ = build("ActionEcho")
        records = [recording.reset(0)]
        actions = np.array([[0.5], [-0.25], [1.0]], np.float32)
        records += [recording.step(action) for action in actions]
        expected = [0.0, 0.5, -0.25, 1.0]
        assert [float(record["action"][0]) for record in records] == expected
        assert [float(record["reward"]) for record in records] == expected
        assert [int(r["image"][5, 5, 0]) for r in records] == [odd.shade(a) for a in expected]
        assert [bool(record["is_first"]) for record in records] == [True, False, False, False]

    def test_time_limit_is_no_termination(self):
        recording, _ = build("ActionEcho", action_repeat=2, time_limit=5)
        recording.reset(0)
        records = [recording.step(np.ones(1, np.float32)) for _ in range(3)]
        assert [float(record["reward"]) for record in records] == [2.0, 2.0, 1.0]
        assert [bool(record["is_last"]) for record in records] == [False, False, True]
        assert not any(record["is_terminal"] for record in records)

    def test_termination_stops_the_repetition(self):
        recording, _ = build("Terminating", action_repeat=2)
        recording.reset(0)
        records = [recording.step(np.ones(1, np.float32)) for _ in range(3)]
        assert [float(record["reward"]) for record in records] == [2.0, 2.0, 1.0]
        assert bool(records[2]["is_last"]) and bool(records[2]["is_terminal"])

    def test_choices_are_one_hot_and_shifted_to_the_spaces_start(self):
        recording, spec = build("Choosing")
        assert (
            spec.discrete
            and spec.action_size == 4
            and spec.observations == {"vector": ((2,), "<f4")}
        )
        recording.reset(0)
        record = recording.step(np.array([0.1, 0.2, 0.9, 0.3], np.float32))
        assert record["action"].tolist() == [0, 0, 1, 0]
        assert record["vector"] == pytest.approx([0.5, 0.5])

    def test_actions_span_the_bounds(self):
        recording, _ = build("Scaled")
        recording.reset(0)
        for action, total in [((-1, -1), -3), ((1, 1), 7), ((0, 0), 2), ((5, -9), -1)]:
            record = recording.step(np.array(action, np.float32))
            assert float(record["reward"]) == total
            assert record["action"].tolist() == np.clip(action, -1, 1).tolist()

    @pytest.mark.parametrize(
        "name, word",
        [
            ("WrongType", "float64"),
            ("WrongShape", r"\(64, 64, 1\)"),
            ("WrongSize", r"\(16, 16, 4\)"),
            ("NotANumber", "nan"),
            ("Overflowing", r"1e\+39"),
            ("Infinite", "'speed' is not finite"),
        ],
    )
    def test_lies_about_the_spec_are_found(self, name, word):
        recording, _ = build(name)
        recording.reset(0)
        with pytest.raises(ValueError, match=word):
            recording.step(np.zeros(1, np.float32))

    @pytest.mark.parametrize("action", [[np.nan], [0.0, 0.0], []])
    def test_useless_actions_are_refused(self, action):
        recording, _ = build("ActionEcho")
        recording.reset(0)
        with pytest.raises(ValueError, match="action"):
            recording.step(np.array(action, np.float32))

    def test_replay_does_not_draw_and_draws_again_afterwards(self):
        recording, _ = build("Drawing", observation="both")
        actions = np.zeros((20, 1), np.float32)
        assert len(list(recording.replay(0, actions))) == 21
        # The environment has a method `rendering`, which nobody has overwritten.
        assert recording.step(actions[0])["image"][0, 0, 0] == 1
        assert recording.step(actions[0])["image"][0, 0, 0] == 2

    def test_an_action_that_is_repeated_draws_once(self):
        env = make_env("environments_for_tests:Drawing", observation="image", action_repeat=4)
        pictures = [env.reset(seed=0)[0], *(env.step(np.zeros(1))[0] for _ in range(3))]
        assert [picture["image"][0, 0, 0] for picture in pictures] == [1, 2, 3, 4]
        assert (env.action_repeat, env.time_limit, env.terminates) == (4, 1000, True)

    def test_replay_past_an_end_equals_nothing(self):
        recording, _ = build("Terminating")
        records = list(recording.replay(0, np.ones((7, 1), np.float32)))
        rewards = [record["reward"] for record in records]
        assert [bool(record["is_terminal"]) for record in records] == [False] * 5 + [True] * 3
        assert rewards[:6] == [0, 1, 1, 1, 1, 1]
        assert np.isnan(rewards[6:]).all() and len(rewards) == 8


class TestOpenGL:
    def test_only_mujocos_images_need_it(self):
        assert gl.requires_gl("dmc_walker_walk") and gl.requires_gl("dmc_walker_walk", "both")
        assert not gl.requires_gl("dmc_walker_walk", "vector")
        assert gl.requires_gl("gym_Hopper-v5", "image") and not gl.requires_gl("gym_Hopper-v5")
        for task in ("toy_reach", "gym_CartPole-v1", "gym_ALE/Pong-v5", "a.b:make"):
            assert not gl.requires_gl(task, "image")

    def test_a_broken_wish_is_reported_and_passed_over(self, monkeypatch):
        monkeypatch.setenv("MUJOCO_GL", "abacus")
        name, reasons = gl.try_backends(candidates=())
        assert name is None and "abacus" in reasons["abacus"]

    def test_without_a_display_glfw_is_not_tried(self, monkeypatch):
        monkeypatch.delenv("DISPLAY", raising=False)
        assert "display" in gl.probe("glfw")

    def test_the_program_tells_what_it_tried_and_what_to_install(self, monkeypatch, capsys):
        monkeypatch.setattr(gl, "probe", lambda backend, timeout: f"no lib{backend}")
        monkeypatch.delenv("MUJOCO_GL", raising=False)
        assert gl.main() == 1
        printed = capsys.readouterr()
        assert "egl: no libegl" in printed.err and "osmesa: no libosmesa" in printed.err
        assert "apt-get install -y libegl1 " in printed.err and printed.out == ""

    def test_the_program_prints_the_first_that_works(self, monkeypatch, capsys):
        broken = {"egl": "no libegl"}
        monkeypatch.setattr(gl, "probe", lambda backend, timeout: broken.get(backend))
        monkeypatch.delenv("MUJOCO_GL", raising=False)
        assert gl.main() == 0
        assert capsys.readouterr().out == "osmesa\n"


def test_the_wrapper_keeps_the_environments_own_attributes():
    env = RepeatAndLimit(odd.Endless(), 2, 10)
    assert isinstance(env, gymnasium.Env)
    assert not env.get_wrapper_attr("terminates")
