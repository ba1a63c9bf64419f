"""Atari games: set-up, seeds, images, lives, limits, workers."""

import functools
import math

import gymnasium
import numpy as np
import pytest
from ale_py import roms

from dreamer_tf.agents.random import RandomPolicy
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.files import load_config
from dreamer_tf.envs import check_task, make_env
from dreamer_tf.envs.atari import resize_by_area
from dreamer_tf.envs.process import starting
from dreamer_tf.envs.recording import RecordingEnv
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.envs.tasks import GAMES, default_limit, default_repeat
from dreamer_tf.experience.collector import Collector
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sequences import SequenceSource
from dreamer_tf.experience.sources import Sequences


def choices(env, count, seed=0):
    return np.random.default_rng(seed).integers(env.action_space.n, size=count)


def play(env, actions):
    """Returns [(image, reward, terminated, truncated), ...] up to the end."""
    found = []
    for action in actions:
        observation, reward, terminated, truncated, _ = env.step(action)
        found.append((observation["image"], reward, terminated, truncated))
        if terminated or truncated:
            break
    return found


def assert_same(left, right):
    assert len(left) == len(right)
    for one, other in zip(left, right, strict=True):
        assert one[1:] == other[1:] and np.array_equal(one[0], other[0])


def area_mean(image, size):
    """The mean of what each pixel covers, by pixels so small that both grids consist of them."""
    for axis in (0, 1):
        length = image.shape[axis]
        common = math.gcd(length, size)
        image = image.astype(np.float64).repeat(size // common, axis)
        image = np.moveaxis(image, axis, 0).reshape(size, length // common, -1, 3)
        image = np.moveaxis(image.mean(1), 0, axis)
    return image


class Twin:
    """A game in Gymnasium's own environment, stepped and observed frame by frame."""

    def __init__(self, game):
        name = game.title().replace("_", "")
        self.env = gymnasium.make(
            f"ale_py:ALE/{name}-v5", frameskip=1, repeat_action_probability=0.25
        )
        self.frames = []

    def reset(self, seed, memory):
        """Begins a seed's episode; returns after how many frames the memory was as given."""
        self.frames = [self.env.reset(seed=seed)[0]]
        for count in range(1, 31):
            self.frames.append(self.env.step(0)[0])
            if np.array_equal(self.env.unwrapped.ale.getRAM(), memory):
                return count
        return None

    def step(self, action, repeat):
        total = 0.0
        for _ in range(repeat):
            frame, reward, over, _, _ = self.env.step(action)
            self.frames.append(frame)
            total += reward
            if over:
                break
        return total, over

    def image(self):
        return np.rint(area_mean(np.maximum(*self.frames[-2:]), 64))


@pytest.mark.parametrize("game", GAMES)
def test_every_game_is_made_reset_and_stepped(game):
    env = make_env(f"atari_{game}")
    spec = EnvSpec.from_env(env)
    assert spec.discrete and spec.terminates and 3 <= spec.action_size <= 18
    assert (spec.action_repeat, spec.time_limit) == (4, 108_000)
    assert env.unwrapped._game.get_action_meanings()[0] == "NOOP"
    images = [env.reset(seed=1)[0]["image"]]
    images += [image for image, *_ in play(env, choices(env, 5))]
    assert len(images) == 6
    for image in images:
        assert image.shape == (64, 64, 3) and image.dtype == np.uint8
        assert len(np.unique(image)) > 3, "not black, not even after the reset"
    env.close()


class TestNames:
    def test_there_are_57_and_the_simulator_has_them_all(self):
        assert len(set(GAMES)) == 57 and set(GAMES) <= set(roms.get_all_rom_ids())

    @pytest.mark.parametrize(
        "wrong, nearest", [("atari_pnog", "pong"), ("breakout", "breakout"), ("Atari_Hero", "hero")]
    )
    def test_an_unknown_name_is_told_the_nearest(self, wrong, nearest):
        with pytest.raises(UserError, match=f"'atari_{nearest}'"):
            check_task(wrong)

    def test_gymnasiums_own_name_leads_here_and_to_gymnasiums_own(self):
        with pytest.raises(UserError, match="atari_pong.*gym_ale_py:ALE/Pong-v5"):
            check_task("gym_ALE/Pong-v5")
        env = make_env("gym_ale_py:ALE/Pong-v5")
        assert env.reset(seed=0)[0]["image"].shape == (64, 64, 3)

    def test_defaults_of_the_configuration(self):
        assert default_repeat("atari_pong") == 4 and default_limit("atari_pong") == 108_000
        load_config(["atari"])
        with pytest.raises(UserError, match="108000 is not a multiple of env.action_repeat 7"):
            load_config(["atari"], [("env.action_repeat", "7")])


class TestImages:
    @pytest.mark.parametrize("shape", [(210, 160), (250, 160), (64, 64), (66, 144)])
    @pytest.mark.parametrize("size", [64, 240])
    def test_resizing_is_the_mean_of_the_area(self, shape, size):
        image = np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)
        found, expected = resize_by_area(image, size), area_mean(image, size)
        assert found.dtype == np.uint8 and found.shape == (size, size, 3)
        # Half a level is rounded either way.
        assert np.abs(found - expected).max() <= 0.5 + 1e-4

    def test_a_larger_one_for_people(self):
        env = make_env("atari_pong")
        env.reset(seed=0)
        assert env.render().shape == (240, 240, 3)


@pytest.mark.parametrize("game, repeat", [("breakout", 4), ("asteroids", 3), ("seaquest", 1)])
def test_frames_rewards_and_ends_are_those_of_the_simulator(game, repeat):
    """No-ops, sticky actions, the sum of rewards, the maximum of the last two frames, the end."""
    env, twin = make_env(f"atari_{game}", observation="both", action_repeat=repeat), Twin(game)
    observation, _ = env.reset(seed=5)
    assert twin.reset(5, np.rint(255 * observation["vector"]).astype(np.uint8))
    np.testing.assert_allclose(observation["image"], twin.image(), atol=1)
    differences = total = flicker = 0
    for step, action in enumerate(choices(env, 300)):
        observation, reward, terminated, truncated, _ = env.step(action)
        expected, over = twin.step(action, repeat)
        assert (reward, terminated, truncated) == (expected, over, False)
        if over or step % 5 == 0:
            differences += (observation["image"] != twin.image()).sum()
        flicker += (twin.frames[-1] < twin.frames[-2]).any()
        total += reward
        if over:
            break
    assert total > 0 and flicker and over == (game == "breakout")
    assert differences < 10, "but for halves that are rounded the other way"


def test_no_ops_are_1_to_30_and_follow_from_the_seed():
    env, twin = make_env("atari_qbert", observation="vector"), Twin("qbert")
    memory = [np.rint(255 * env.reset(seed=seed)[0]["vector"]).astype("u1") for seed in range(12)]
    counts = [twin.reset(seed, memory[seed]) for seed in range(12)]
    assert None not in counts and len(set(counts)) > 6


class TestSeeds:
    def test_an_episode_is_a_function_of_its_seed_and_actions(self):
        fresh, used = make_env("atari_breakout"), make_env("atari_breakout", life_loss=True)
        for seed in (1, 2):
            used.reset(seed=seed)
            assert play(used, choices(used, 300))[-1][2], "a life was lost"
        for env in (fresh, used):
            first = env.reset(seed=3)[0]["image"]
            env.played = [(first, 0.0, False, False), *play(env, choices(env, 20))]
        assert_same(fresh.played, used.played)
        fresh.reset(seed=4)
        other = play(fresh, choices(fresh, 20))
        assert any((a[0] != b[0]).any() for a, b in zip(other, used.played[1:], strict=True))

    @pytest.mark.parametrize("repeat", [1, 4])
    def test_a_replay_without_images_goes_on_with_the_same_ones(self, repeat):
        env = make_env("atari_breakout", action_repeat=repeat, life_loss=True)
        spec = EnvSpec.from_env(env)
        recording = RecordingEnv(env, spec)
        actions = np.eye(4, dtype=np.float32)[choices(env, 15)]
        recording.reset(9)
        made = [recording.step(action) for action in actions]
        replayed = list(recording.replay(9, actions[:-1]))
        again = recording.step(actions[-1])
        assert [each["reward"] for each in replayed[1:]] == [each["reward"] for each in made[:-1]]
        assert again == made[-1] and np.array_equal(again["image"], made[-1]["image"])


class TestEnds:
    def test_a_lost_life_terminates_only_where_it_shall(self):
        whole, cut = make_env("atari_breakout"), make_env("atari_breakout", life_loss=True)
        actions = choices(whole, 600)
        whole.reset(seed=0), cut.reset(seed=0)
        life, game = play(cut, actions), play(whole, actions)
        assert life[-1][2:] == (True, False) and game[-1][2:] == (True, False)
        assert len(game) > 2 * len(life)
        assert_same(life[:-1], game[: len(life) - 1])
        # Whichever lives a game has, a whole one ends with the simulator's end.
        assert whole.unwrapped._game.ale.game_over() and not cut.unwrapped._game.ale.game_over()
        with pytest.raises(RuntimeError, match="over"):
            cut.step(0)

    def test_the_time_limit_is_no_termination(self):
        env = make_env("atari_breakout", time_limit=42)
        env.reset(seed=0)
        ends = [step[2:] for step in play(env, [0] * 20)]
        assert ends == [(False, False)] * 10 + [(False, True)], "42 frames are ten steps and a half"

    def test_it_can_be_shortened_only(self):
        assert make_env("atari_pong", time_limit=10**6).get_wrapper_attr("time_limit") == 108_000


def run_config(game, *overrides):
    return load_config(["atari"], [("task", f"atari_{game}"), *overrides])


def act(random, collector, observation, is_first, state):
    return random(len(is_first), collector.steps), state


class TestWorkers:
    @pytest.mark.parametrize("key, ends", [("true", True), ("false", False)])
    def test_lives_end_episodes_of_training_workers_only(self, key, ends):
        start = starting.worker_starter(run_config("assault", ("env.life_loss", key)), None)
        lengths = []
        for keywords in ({"training": True}, {}):
            with start(**keywords) as worker:
                nothing = np.eye(worker.spec.action_size)[0]
                worker.send_reset(2)
                records = [worker.receive()]
                while not records[-1]["is_last"]:
                    worker.send_step(nothing)
                    records.append(worker.receive())
            assert records[-1]["is_terminal"]
            lengths.append(len(records))
        training, counted = lengths
        assert (2 * training < counted) if ends else (training == counted)

    def test_pong_is_collected_and_lives_shorter_than_a_sequence_are_joined(self, tmp_path):
        for game, steps in (("pong", 40), ("breakout", 150)):
            start = starting.worker_starter(run_config(game), None)
            (tmp_path / game).mkdir()
            with start(training=True) as worker:
                spec = worker.spec
                episodes = Episodes(tmp_path / game, spec.record_dtype, pytest.fail)
                collector = Collector(start, [worker], 0, {}, episodes, pytest.fail)
                policy = functools.partial(act, RandomPolicy(spec, 0), collector)
                for _ in range(steps):
                    collector.step(policy)
            assert collector.steps == steps
        assert len(episodes) >= 2
        assert all(episodes.read(index)["is_terminal"][-1] for index, _ in episodes.known)
        assert all(length < 100 for _, length in episodes.known)
        batch = SequenceSource(Sequences(8, 100), episodes, 0).sample(0, 8, 100)
        inner = batch["is_first"][:, 1:]
        assert inner.any() and (batch["is_terminal"][:, :-1] == inner).all()
        assert (batch["action"].sum(-1) == ~batch["is_first"]).all()
