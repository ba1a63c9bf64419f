"""What a run is expected to take, beside counted operations and runs that were made."""

import csv

import pytest
from runs_for_tests import ROOT

from dreamer_tf.agents import flops
from dreamer_tf.basics import processor
from dreamer_tf.config.files import load_config
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.sweeps import costs


def config(*presets, task="dmc_walker_walk", **keys):
    return load_config(presets, [("task", task), *((key, str(keys[key])) for key in keys)])


def spec(image=None, vectors=0, actions=6):
    observations = {} if image is None else {"image": ((image, image, 3), "uint8")}
    if vectors:
        observations["vector"] = ((vectors,), "float32")
    return EnvSpec(observations, actions, False, 2, 1000, False)


@pytest.mark.parametrize(
    ("presets", "seen"),
    [
        ([], spec(64)),
        (["no_value"], spec(64)),
        (["planet"], spec(64)),
        (["cpu"], spec(64)),
        (["planet", "cpu"], spec(64)),
        (["contrastive"], spec(64)),
        (["debug"], spec(64, actions=2)),
        (["smoke"], spec(64, actions=2)),
        (["control"], spec(vectors=24)),
        (["d4pg"], spec(84)),
        (["d4pg_vectors"], spec(vectors=24)),
    ],
    ids=lambda each: "-".join(each) or "paper" if isinstance(each, list) else "",
)
def test_the_rough_count_is_near_that_of_all_operations(presets, seen):
    settings = config(*presets)
    if settings.d4pg is not None:
        exact = flops.d4pg_update(settings, seen)
    else:
        exact = flops.model_update(settings, seen, False)
    if settings.behavior is not None:
        exact += flops.imagination(settings, seen, False, settings.agent != "no_value")
    assert costs.gigaflops(settings) == pytest.approx(exact / 1e9, rel=0.05)
    if settings.planner is not None:
        assert costs.search(settings) == pytest.approx(flops.plan(settings, seen) / 1e9, rel=0.01)


@pytest.mark.parametrize(
    ("presets", "curve"),
    [
        (["debug"], "toy_reach/debug/2"),
        (["planet", "debug"], "toy_reach/planet-debug/0"),
        (["control"], "dmc_cartpole_swingup/control/0"),
        (["control"], "dmc_walker_walk/control/1"),
        (["vectors"], "gym_Pendulum-v1/vectors/1"),
        (["d4pg_vectors"], "dmc_cartpole_swingup/d4pg_vectors/0"),
        (["a3c_vectors"], "gym_CartPole-v1/a3c_vectors/0"),
    ],
)
def test_runs_that_were_made_took_about_as_long(presets, curve):
    path = ROOT / "docs" / "runs" / curve / "curve.csv"
    last = list(csv.DictReader(path.read_text().splitlines()))[-1]
    settings = config(*presets, task=curve.partition("/")[0], steps=last["step"])
    found, basis = costs.seconds(settings, gpu=False)
    assert basis == costs.CORES
    # Some of them had other processes beside them, and none was slowed down by much.
    assert 0.5 < (found + costs.START) / float(last["wall_time"]) < 1.6


@pytest.mark.parametrize(
    ("presets", "keys", "hours"),
    [
        (["cpu"], {"steps": 100_000}, 2.5),
        # Two quiet cores, seconds of an update: 5.7 in float32, 2.7 to 4 in bfloat16.
        ([], {"steps": 1_000_000}, 99_600 * 5.7 / 3600),
        ([], {"steps": 1_000_000, "precision": "bfloat16"}, 99_600 * 3.4 / 3600),
    ],
)
def test_runs_without_a_gpu_take_the_hours_of_their_updates(presets, keys, hours, monkeypatch):
    monkeypatch.setattr(processor, "lacks_bfloat16", lambda: False)
    found, _ = costs.seconds(config(*presets, **keys), gpu=False)
    assert found / 3600 == pytest.approx(hours, rel=0.1)


def test_where_the_processor_has_no_bfloat16_it_is_slower_than_float32(monkeypatch):
    monkeypatch.setattr(processor, "lacks_bfloat16", lambda: True)
    # Measured with AVX2 alone: 6.4 instead of 1.3 seconds.
    ratio = costs.update(config("cpu", precision="bfloat16")) / costs.update(config("cpu"))
    assert ratio == pytest.approx(6.36 / 1.26, rel=0.1)


@pytest.mark.parametrize(("presets", "hours"), [([], 3), (["planet"], 11)])
def test_the_papers_runs_take_its_hours_on_its_gpu(presets, hours):
    found, basis = costs.seconds(config(*presets, steps=1_000_000), gpu=True)
    assert found / 3600 == pytest.approx(hours, rel=0.02) and basis == costs.GPU


def test_what_a_run_is_told_to_do_counts():
    base = costs.seconds(config("cpu"), False)[0]
    more = costs.seconds(config("cpu", **{"train.updates": 20}), False)[0]
    assert more / base == pytest.approx(2, rel=0.1)
    wide = costs.seconds(config("cpu", **{"model.cnn_depth": 32}), False)[0]
    assert wide > 1.8 * base
    short = costs.seconds(config("cpu", steps=10_000), False)[0]
    assert short < base / 20
    # On a GPU small networks are not faster than large ones, larger ones are slower.
    paper = costs.seconds(config(steps=150_000), True)[0]
    assert costs.seconds(config("cpu"), True)[0] == pytest.approx(paper, rel=0.2)
    huge = costs.seconds(config(steps=150_000, **{"train.batch_size": 200}), True)[0]
    assert huge > 2 * paper


def test_no_speed_of_agents_without_a_world_model_is_assumed_of_a_gpu():
    for presets in (["d4pg_vectors"], ["a3c_vectors"]):
        settings = config(*presets)
        assert costs.seconds(settings, True) == costs.seconds(settings, False)
        assert costs.seconds(settings, True)[1] == costs.CORES
