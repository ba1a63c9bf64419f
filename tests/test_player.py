"""The player: what it takes for an observation, and its environment where nothing renders."""

from types import SimpleNamespace

import numpy as np
import pytest
from agents_for_tests import BOTH, IMAGE, VECTORS, Still

from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.files import load_config
from dreamer_tf.envs import gl
from dreamer_tf.envs.given import observed
from dreamer_tf.envs.process import starting
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.player import Player

TASK = [("task", "dmc_cartpole_balance")]


@pytest.mark.parametrize("name", ["|u1", "uint8"])
def test_an_image_that_is_not_of_bytes_is_refused(name):
    expected = {"image": ((64, 64, 3), name)}
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    np.testing.assert_array_equal(observed(image, expected)["image"], image[None])
    for wrong in (image / 255, image.astype(np.float32), image.astype(int), image > 9):
        with pytest.raises(UserError, match=r"image is \w+ .*, it must be uint8 \[64"):
            observed(wrong, expected)
    with pytest.raises(UserError, match="image is float64"):
        observed({"image": image / 255, "position": np.zeros(3), "velocity": np.zeros(2)}, BOTH)


def test_a_vector_is_taken_from_numbers_of_any_kind_and_from_nothing_else():
    for kind in (np.float64, np.float32, np.int64, np.uint8, bool):
        given = {"position": np.array([0, 1, 1], kind), "velocity": [1, 0]}
        found = observed(given, VECTORS)
        assert all(value.dtype == np.float32 for value in found.values())
        np.testing.assert_array_equal(found["position"], [[0, 1, 1]])
    with pytest.raises(UserError, match="velocity is <U1 .*, it must be float32"):
        observed({"position": np.zeros(3), "velocity": ["a", "b"]}, VECTORS)


def player_of(config):
    """Returns a `Player` of an agent that stands still in the environment of a `Config`."""
    with starting.worker_starter(config, None)() as worker:
        spec = worker.spec
    saved = SimpleNamespace(state={"counters": {"step": 0}, "spec": spec.to_json()})
    return Player(config, saved, Still(config, spec, "float32"))


@pytest.fixture
def no_gl(monkeypatch):
    """No OpenGL renders here, and nobody has chosen one."""
    monkeypatch.setattr(gl, "probe", lambda backend, timeout: f"no lib{backend}")
    monkeypatch.delenv("MUJOCO_GL", raising=False)


@pytest.mark.parametrize("chosen", [None, "abacus", "off"])
def test_an_agent_of_vectors_needs_no_opengl(chosen, no_gl, monkeypatch, capsys):
    if chosen is not None:
        monkeypatch.setenv("MUJOCO_GL", chosen)
    player = player_of(load_config(["control"], TASK))
    with player.environment() as environment:
        warning = capsys.readouterr().err
        assert warning.startswith("warning: ") and warning.count("\n") == 1
        assert "without frames" in warning and "env.observation" not in warning
        assert ("no libegl" in warning) == (chosen is None)
        record, state = environment.reset(seed=1), player.start()
        assert not environment.can_render
        with pytest.raises(UserError, match="can_render"):
            environment.render()
        action, state = player.act(record, state)
        assert environment.step(action)["vector"].shape == record["vector"].shape


def test_the_steps_of_a_dream_are_whole(capsys):
    player = player_of(load_config(["control"], TASK))
    player.agent.dreams = object()
    with pytest.raises(UserError, match="a dream of 2.0 steps: give a whole number"):
        player.imagine({}, 2.0)


@pytest.mark.parametrize(
    "steps, actions", [(0, None), (-1, None), (3, [[0.0], [0.0]]), (3, 5), (3, np.float32(5))]
)
def test_a_dream_has_a_step_and_each_step_an_action(steps, actions, capsys):
    player = player_of(load_config(["control"], TASK))
    player.agent.dreams = object()
    with pytest.raises(
        UserError, match=f"a dream of {steps} steps(: give a whole| with .*: give one)"
    ):
        player.imagine({}, steps, actions)


def test_what_is_no_action_observation_or_seed_is_refused_in_one_line():
    player = player_of(load_config(["control"], TASK))
    player.agent.dreams = object()
    for actions in ([0.0, 0.0], [[0.0, 1.0]] * 2, [["left"]] * 2):
        with pytest.raises(UserError, match=r"an action is .*, it must be float32 \[1\]"):
            player.imagine({}, 2, actions)
    with player.environment() as environment:
        with pytest.raises(UserError, match="call reset before step"):
            environment.step([0.0])
        record = environment.reset(seed=np.int64(1))
        for action in (1, "left", [0.0, 1.0], [["left"]]):
            with pytest.raises(UserError, match=r"an action is .*, it must be float32 \[1\]"):
                environment.step(action)
        assert environment.step([0])["reward"] > 0  # It has lost nothing.
        for seed in (-1, 0.5, "a", 2**32):
            with pytest.raises(UserError, match="a seed is a whole number from 0"):
                environment.reset(seed)
        for state in ("x", {}, [1]):
            with pytest.raises(UserError, match="a state is what act or start returned"):
                player.act(record, state)
            for method in (player.look, player.best_action, lambda each: player.imagine(each, 1)):
                with pytest.raises(UserError, match="a state is what act or start returned"):
                    method(state)
        for wrong in (np.nan, np.inf):
            with pytest.raises(UserError, match="vector is not finite"):
                player.act(np.full(5, wrong, np.float32))
        with pytest.raises(UserError, match="an action is not finite"):
            environment.step([np.nan])
        # As Gymnasium's reset returns it.
        with pytest.raises(UserError, match="is a tuple of several shapes, it must be"):
            player.act((record["vector"], {}))


def test_states_and_records_are_those_of_the_agent():
    player = player_of(load_config(["control"], TASK))
    player.start = lambda: {"deter": np.zeros((1, 4), np.float32), "flag": np.zeros(1, bool)}
    state = player._checked_state({"deter": np.ones((1, 4)), "flag": np.ones(1, bool)})
    assert state["deter"].dtype == np.float32 and state["flag"].dtype == bool
    for wrong in (np.zeros((2, 4)), np.zeros(4), np.full((1, 4), np.nan), [["a"] * 4], None):
        with pytest.raises(UserError, match="deter of the state is"):
            player.act(np.zeros(5, np.float32), {"deter": wrong, "flag": np.zeros(1, bool)})
    record = np.zeros((), player.spec.record_dtype)
    for wrong in (record[None], np.zeros((), [("vector", "<f4", (5,)), ("is_first", "?")])):
        with pytest.raises(UserError, match="a record is a single one"):
            player.act(wrong)
    record["vector"] = np.nan
    with pytest.raises(UserError, match="vector is not finite"):
        player.act(record)


def test_dreams_take_actions_as_environments_do():
    taken = []
    player = player_of(load_config(["control"], TASK))
    player.agent.dreams = SimpleNamespace(
        step=lambda state, action, seed: taken.append(action) or state, look=lambda state: {}
    )
    player.imagine(player.start(), 3, [[2.0], [-1e6], [0.5]])
    np.testing.assert_array_equal(np.concatenate(taken), [[1.0], [-1.0], [0.5]])
    assert EnvSpec({}, 3, True, 1, 10, False).performed(np.float32([0.2, 0.9, 0.3])).tolist() == [
        0,
        1,
        0,
    ]
    for steps, actions in ((2, {"x": 1}), (2, "ab"), (True, None)):
        with pytest.raises(UserError):
            player.imagine(player.start(), steps, actions)


def test_after_its_end_an_episode_is_begun_anew():
    task = [("task", "environments_for_tests:Walk"), ("env.observation", "vector")]
    with player_of(load_config([], task)).environment() as environment:
        for seed in (1, 2):
            record, steps = environment.reset(seed=seed), 0
            while not record["is_last"]:
                record, steps = environment.step(np.float32([0, 1])), steps + 1
            assert steps < 30
            with pytest.raises(UserError, match="the episode is over: call reset before step"):
                environment.step(np.float32([0, 1]))


def test_an_environment_that_renders_nothing_survives_being_asked(capsys):
    task = [("task", "environments_for_tests:Choosing"), ("env.observation", "vector")]
    with player_of(load_config([], task)).environment() as environment:
        first = environment.reset(seed=1)
        assert not environment.can_render
        with pytest.raises(UserError, match="renders no frames"):
            environment.render()
        assert environment.step(first["action"])["reward"] == 1
    assert capsys.readouterr().err == ""


def test_only_a_training_is_told_to_learn_from_vectors(no_gl):
    config = load_config([], [*TASK, ("env.observation", "image")])
    saved = SimpleNamespace(state={"counters": {"step": 0}})
    player = Player(config, saved, SimpleNamespace(spec=SimpleNamespace(observations=IMAGE)))
    with pytest.raises(UserError, match="nothing here can render .*apt-get install") as caught:
        player.environment()
    assert "--env.observation" not in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(UserError, match="or train with --env.observation vector"):
        starting.find_gl(config)
