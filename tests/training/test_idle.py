"""What is said of keys that mean nothing in an environment, and that they do mean nothing."""

import pytest

from dreamer_tf.config.files import load_config
from dreamer_tf.config.schema import schema
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.training import idle

IMAGE = {"image": ((64, 64, 3), "|u1")}
VECTOR = {"vector": ((3,), "<f4")}


def notes(spec, *keys, task="toy_reach", preset="dreamer", **values):
    overrides = [
        ("task", task),
        *((key.replace("__", "."), value) for key, value in values.items()),
    ]
    config = load_config([preset], overrides)
    return idle.notes(config, spec, (*keys, *(key for key, _ in overrides)))


def spec(observations=IMAGE, discrete=False, terminates=False):
    return EnvSpec(observations, 2, discrete, 1, 100, terminates)


@pytest.mark.parametrize(
    ("seen", "key", "reason"),
    [
        (spec(discrete=True), "exploration.noise", "actions are choices"),
        (spec(discrete=True), "behavior.init_std", "actions are choices"),
        (spec(discrete=True), "evaluate.action", "there is one best action"),
        (spec(), "behavior.entropy_limit", "behavior.entropy_scale is 0"),
        (spec(), "exploration.epsilon_final", "actions are no choices"),
        (spec(), "behavior.onehot_gradient", "actions are no choices"),
        (spec(VECTOR), "model.cnn_depth", "no image is observed"),
        (spec(IMAGE), "model.vector_scale", "no vector is observed"),
        (spec(), "env.render", "the task is not of the control suite"),
        (spec(), "env.life_loss", "the task is no Atari game"),
        (spec(), "model.contrast", "model.objective reconstruction"),
        (spec(), "model.discount_scale", "there is no discount head"),
    ],
)
def test_a_key_without_effect_is_named_with_the_reason(seen, key, reason):
    assert key in schema()
    assert notes(seen, key) == [f"without effect here: {key} ({reason})"]


@pytest.mark.parametrize(
    ("seen", "key"),
    [
        (spec(discrete=True), "exploration.epsilon"),
        (spec(), "behavior.init_std"),
        (spec(), "evaluate.action"),
        (spec(IMAGE | VECTOR), "model.vector_scale"),
        (spec(IMAGE | VECTOR), "model.cnn_depth"),
        (spec(terminates=True), "model.discount_scale"),
        (spec(VECTOR), "train.every"),
    ],
)
def test_of_what_has_an_effect_nothing_is_said(seen, key):
    assert notes(seen, key) == []


def test_several_keys_share_a_line_and_switches_count():
    (line,) = notes(spec(VECTOR), "model.cnn_depth", "model.dither")
    assert line == "without effect here: model.cnn_depth, model.dither (no image is observed)"
    assert notes(spec(), "model.discount_layers", model__discount_head="on") == []
    assert notes(spec(), "model.contrast", preset="contrastive") == []
    assert notes(spec(), "env.render", task="dmc_cup_catch") == []
    assert notes(spec(), "env.life_loss", task="atari_pong") == []
    assert "one best" in notes(spec(), "evaluate.action", preset="planet")[0]


def test_noise_that_the_number_of_environments_leaves_out_is_told():
    noises = ("d4pg.noise", "d4pg.noise_min", "d4pg.noise_max")
    (line,) = notes(spec(VECTOR), *noises, preset="d4pg_vectors", envs=2)
    assert "d4pg.noise (each of several" in line
    (line,) = notes(spec(VECTOR), *noises, preset="d4pg_vectors", envs=1)
    assert "d4pg.noise_min, d4pg.noise_max (there is one environment)" in line
    (line,) = notes(spec(VECTOR), "d4pg.importance", preset="d4pg_vectors", d4pg__priority=0)
    assert "d4pg.importance (d4pg.priority is 0)" in line


def test_a_limit_beyond_the_environments_own_is_told():
    (line,) = notes(spec(), env__time_limit=5000)
    assert line == "without effect here: env.time_limit (the environment's own limit is 100 steps)"
    assert notes(spec(), env__time_limit=100) == []


def test_every_key_that_is_named_exists():
    configs = [
        load_config([name], [("task", "toy_reach")]) for name in ("dreamer", "contrastive", "d4pg")
    ]
    specs = [spec(seen, choice) for seen in (IMAGE, VECTOR) for choice in (True, False)]
    named = {
        key
        for config in configs
        for each in specs
        for _, keys in idle._reasons(config, each)
        for key in keys
    }
    assert len(named) > 15 and named <= schema().keys()
