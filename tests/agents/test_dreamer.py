"""The agent as a whole: what changes, what repeats, what stops it."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import random_batch, tiny_agent, weights

from dreamer_tf.networks.optimizer import SMALLEST_LOSS_SCALE
from dreamer_tf.reports.means import Means

SEED = np.array([3, 4], np.int32)


def is_weight(path):
    return not path.startswith("optimizer/") and path != "updates"


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize(("discrete", "terminates"), [(False, False), (True, True)])
def test_every_trainable_variable_changes_in_an_update(precision, discrete, terminates):
    agent = tiny_agent(precision, discrete, terminates, model__free_nats=0)
    before = weights(agent)
    # float16 begins with too large a loss scale and skips steps until it fits.
    for number in range(1 if precision != "float16" else 20):
        metrics = agent.update(random_batch(discrete=discrete), SEED + number)
    agent.check()
    after = weights(agent)
    unchanged = [path for path in before if np.array_equal(before[path], after[path])]
    assert [path for path in unchanged if is_weight(path)] == []
    for name, value in metrics.items():
        assert value.dtype == tf.float32, name
        assert np.isfinite(value), name


def test_xla_makes_the_same_update_of_the_same_noise():
    batch, after = random_batch(2, 2), {}
    for xla in (False, True):
        agent = tiny_agent(xla=xla, behavior__horizon=2)
        noise = agent.noise.update(2, 2, tf.constant(SEED))
        learn = tf.function(agent.learn, jit_compile=agent._update._jit_compile, autograph=False)
        assert bool(agent._update._jit_compile) == xla
        learn(batch, noise)
        after[xla] = weights(agent)
    for path, value in after[False].items():
        np.testing.assert_allclose(after[True][path], value, rtol=1e-3, atol=1e-4, err_msg=path)


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_parameters_of_distributions_are_computed_in_float32(precision):
    agent = tiny_agent(precision, terminates=True)
    rssm = agent.world_model.rssm
    heads = [agent.actor, agent.value, agent.world_model.reward, agent.world_model.discount_head]
    for layer in [rssm.prior_parameters, rssm.posterior_parameters, *(h.parameters for h in heads)]:
        assert layer.compute_dtype == "float32"
    for layer in [rssm.gru, rssm.posterior_embed, *agent.world_model.encoder.convolutions]:
        assert layer.compute_dtype == precision


@pytest.mark.usefixtures("eager")
def test_metrics_are_those_of_the_official_code_and_two_more():
    agent = tiny_agent()
    batch = random_batch()
    found = {**agent.update(batch, SEED), **agent.report(batch, SEED)}
    grad_norms = {f"{name}_grad_norm" for name in ("model", "actor", "value")}
    losses = {f"{name}_loss" for name in ("model", "actor", "value", "image", "reward")}
    others = {"prior_ent", "post_ent", "div", "action_ent", "expl_amount"}
    ours = {"imagined_return", "largest_reward"}
    assert set(found) == grad_norms | losses | others | ours
    assert float(found["largest_reward"]) == np.abs(batch["reward"]).max()
    # Without an entropy bonus it is what the actor's loss is made of.
    assert agent.config.behavior.entropy_scale == 0
    assert float(found["imagined_return"]) == pytest.approx(-float(found["actor_loss"]), rel=1e-6)


def test_variables_hold_everything_that_learning_changes():
    agent = tiny_agent(discrete=True, terminates=True)
    models = [*agent.world_model.models, agent.actor, agent.value]
    expected = {id(weight) for model in models for weight in model.weights}
    for optimizer in agent.optimizers.values():
        expected |= {id(variable) for variable in optimizer.method.variables}
    expected.add(id(agent.updates))
    assert {id(variable) for variable in agent.variables.values()} == expected
    trainable = sum(len(model.trainable_variables) for model in models)
    # Two moments a weight, a step counter and a learning rate for each optimiser.
    assert len(agent.variables) == 3 * trainable + 3 * 2 + 1


@pytest.mark.usefixtures("eager")
def test_copying_the_variables_copies_the_future():
    batch = random_batch()
    first = tiny_agent()
    first.update(batch, SEED)
    second = tiny_agent(seed=9)
    for path, value in weights(first).items():
        second.variables[path].assign(value)
    for agent in (first, second):
        agent.update(batch, SEED + 1)
    for path, value in weights(first).items():
        np.testing.assert_array_equal(value, weights(second)[path], err_msg=path)


def test_initial_weights_depend_on_the_seed_alone():
    tf.random.set_seed(1)
    first = weights(tiny_agent(seed=1))
    tf.random.set_seed(2)
    keras.utils.set_random_seed(2)
    again, other = weights(tiny_agent(seed=1)), weights(tiny_agent(seed=2))
    kernels = [path for path in first if path.endswith("kernel") and is_weight(path)]
    assert len(kernels) > 20
    for path in kernels:
        np.testing.assert_array_equal(first[path], again[path])
        assert not np.array_equal(first[path], other[path]), path
        shape = first[path].shape
        alike = [p for p in kernels if first[p].shape == shape and p != path]
        assert not any(np.array_equal(first[path], first[p]) for p in alike), path


def test_noise_is_a_function_of_the_seed_and_differs_between_steps():
    agent = tiny_agent()
    noise = agent.noise.update(3, 5, SEED)
    again = agent.noise.update(3, 5, SEED)
    other = agent.noise.update(3, 5, SEED + 1)
    for values, same, different in zip(noise, again, other, strict=True):
        np.testing.assert_array_equal(values, same)
        assert not np.array_equal(values, different)
        assert np.std(values, axis=0).min() > 0
    assert noise.imagine_state.shape == (4, 15, 3)


@pytest.mark.usefixtures("eager")
def test_gradients_do_not_cross_between_the_three_losses():
    """Each loss changes its own networks only: freezing two of three leaves the third alike."""
    batch, parts = random_batch(), ("model", "actor", "value")
    full = tiny_agent(model__free_nats=0)
    full.update(batch, SEED)
    rates = ["model.learning_rate", "behavior.actor_learning_rate", "behavior.value_learning_rate"]
    for part in parts:
        still = {
            key.replace(".", "__"): 1e-30
            for key, name in zip(rates, parts, strict=True)
            if name != part
        }
        one = tiny_agent(model__free_nats=0, **still)
        start = weights(one)
        one.update(batch, SEED)
        for path, value in weights(one).items():
            if not is_weight(path):
                continue
            mine = path.split("/")[0] if path.startswith(("actor", "value")) else "model"
            expected = weights(full)[path] if mine == part else start[path]
            np.testing.assert_allclose(value, expected, rtol=0, atol=1e-20, err_msg=path)


@pytest.mark.parametrize("free_nats_per", ["batch", "step"])
def test_free_nats_switch_the_kl_gradient_off(free_nats_per):
    agent = tiny_agent(model__free_nats=1000, model__free_nats_per=free_nats_per)
    batch = random_batch()
    noise = agent.noise.update(3, 5, SEED)
    with tf.GradientTape() as tape:
        reconstruction = agent.world_model.reconstruct(batch, noise.posterior)
        found, _ = agent.world_model.losses(reconstruction)
    prior = agent.world_model.rssm.prior_parameters.trainable_variables
    for gradient in tape.gradient(found["model"], prior):
        assert gradient is None or not np.any(gradient)
    # What is no number is not within the free nats.
    broken = reconstruction._replace(kl=tf.fill(reconstruction.kl.shape, np.nan))
    assert np.isnan(agent.world_model.losses(broken)[0]["model"])


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("field", ["reward", "action"])
def test_a_non_finite_quantity_stops_all_updates_and_is_named(field):
    agent = tiny_agent()
    agent.update(random_batch(), SEED)
    good = weights(agent)
    poisoned = random_batch()
    poisoned[field][0, 0] = np.nan
    agent.update(poisoned, SEED)
    agent.update(random_batch(), SEED)
    for path, value in weights(agent).items():
        np.testing.assert_array_equal(value, good[path], err_msg=path)
    with pytest.raises(FloatingPointError, match="model_loss"):
        agent.check()


@pytest.mark.usefixtures("eager")
def test_an_update_with_a_non_finite_quantity_can_be_left_out():
    """What comes after it is as without it, but for the number of updates."""
    one, other = (tiny_agent(train__skip_nonfinite=True) for _ in range(2))
    poisoned = random_batch()
    poisoned["reward"][0, 0] = np.nan
    assert float(one.update(random_batch(), SEED)["skipped"]) == 0.0
    assert float(one.update(poisoned, SEED)["skipped"]) == 1.0
    assert float(one.update(random_batch(), SEED)["skipped"]) == 0.0
    one.check()
    for _ in range(2):
        other.update(random_batch(), SEED)
    expected = weights(other)
    assert expected.keys() == weights(one).keys()
    for path, value in weights(one).items():
        if path != "updates":
            np.testing.assert_array_equal(value, expected[path], err_msg=path)
    assert weights(one)["updates"] == 3 and expected["updates"] == 2


def test_means_are_of_what_was_not_left_out():
    means = Means()
    for loss, skipped in ((1.0, 0.0), (np.nan, 1.0), (3.0, 0.0), (np.inf, 1.0)):
        means.add({"model_loss": np.float32(loss), "skipped": np.float32(skipped)})
    means.fold()
    again = Means(json.loads(json.dumps(means.state())))
    assert again.result() == means.result() == {"model_loss": 2.0, "skipped": 0.5}
    means.clear()
    means.add({"model_loss": np.nan, "skipped": 1.0})
    means.fold()
    assert means.result() == {"skipped": 1.0}


def test_of_what_is_called_largest_the_largest_is_kept_across_a_checkpoint():
    means = Means()
    for value in (0.5, 3.0):
        means.add({"largest_reward": np.float32(value), "div": np.float32(value)})
    means.fold()
    again = Means(json.loads(json.dumps(means.state())))
    again.add({"largest_reward": np.float32(2.0), "div": np.float32(2.5)})
    again.fold()
    assert again.result() == {"largest_reward": 3.0, "div": 2.0}


@pytest.mark.usefixtures("eager")
def test_float16_counts_skipped_steps_and_goes_on():
    agent = tiny_agent("float16")
    agent.optimizers["model"].scaler.dynamic_scale.assign(2.0**30)
    metrics = agent.update(random_batch(), SEED)
    agent.check()
    assert float(metrics["model_skipped"]) == 1.0
    assert float(metrics["model_grad_norm"]) == 0.0
    assert float(agent.optimizers["model"].scale) == 2.0**29


@pytest.mark.usefixtures("eager")
def test_what_an_overflow_skips_is_no_update_that_was_left_out():
    """At the smallest scale that may be halved; below it the gradient would be at fault."""
    agent = tiny_agent("float16", train__skip_nonfinite=True, optimizer__clip=1e9)
    agent.optimizers["model"].scaler.dynamic_scale.assign(SMALLEST_LOSS_SCALE)
    batch = random_batch()
    batch["reward"][:] = 1e6  # Its square is finite in float32, no gradient of it in float16.
    before = weights(agent)
    metrics = agent.update(batch, SEED)
    assert float(metrics["model_skipped"]) == 1.0 and float(metrics["skipped"]) == 0.0
    after = weights(agent)
    changed = {
        path.split("/")[0] for path in after if not np.array_equal(after[path], before[path])
    }
    assert "actor" in changed and "encoder" not in changed
    assert float(agent.update(batch, SEED)["skipped"]) == 1.0


def test_update_and_policy_trace_once():
    agent = tiny_agent()
    state = agent.initial_state(2)
    for number in range(3):
        seed = SEED + number
        agent.update(random_batch(seed=number), seed)
        images = random_batch(seed=number)["image"][:2, 0]
        for mode in ("explore", "mode", "mean"):
            is_first = np.array([number == 0, True])
            _, new = agent.policy({"image": images}, is_first, state, seed, mode)
        state = new
    assert agent._update.experimental_get_tracing_count() == 1
    assert agent._policy.experimental_get_tracing_count() == 3  # One a mode.


@pytest.mark.usefixtures("eager")
def test_policy_forgets_the_rows_that_begin_an_episode():
    agent = tiny_agent()
    images = random_batch()["image"][:2, 0]
    used = {name: value + 0.5 for name, value in agent.initial_state(2).items()}
    _, found = agent.policy({"image": images}, np.array([True, False]), used, SEED, "explore")
    _, fresh = agent.policy(
        {"image": images}, np.array([True, True]), agent.initial_state(2), SEED, "explore"
    )
    np.testing.assert_array_equal(found["deter"][0], fresh["deter"][0])
    assert not np.allclose(found["deter"][1], fresh["deter"][1])


def test_sequences_restart_inside_a_batch_where_an_episode_begins():
    """Steps from `is_first` on are filtered as if the sequence began there."""
    agent = tiny_agent()
    batch = random_batch(length=6)
    batch["is_first"][:, 2] = True
    batch["action"][:, 2] = 7.0  # Whatever the stored action is, it led nowhere.
    noise = agent.noise.update(3, 6, SEED).posterior
    joined = agent.world_model.reconstruct(batch, noise).observed
    tail = {name: value[:, 2:] for name, value in batch.items()}
    alone = agent.world_model.reconstruct(tail, noise[2:]).observed
    for whole, part in zip(tf.nest.flatten(joined), tf.nest.flatten(alone), strict=True):
        np.testing.assert_allclose(whole[:, 2:], part, atol=1e-6)


def test_hoisted_posterior_layer_starts_like_one_layer_on_the_concatenation():
    agent = tiny_agent(model__deter=200, model__hidden=200, model__cnn_depth=32)
    limit = np.sqrt(6 / (200 + 1024 + 200))
    for name in ("posterior_deter", "posterior_embed"):
        kernel = agent.variables[f"rssm/{name}/kernel"].numpy()
        assert 0.99 * limit < np.abs(kernel).max() <= limit


def test_full_size_has_the_papers_number_of_parameters():
    from dreamer_tf.agents.dreamer import Dreamer
    from dreamer_tf.config import files
    from dreamer_tf.envs.spec import EnvSpec

    spec = EnvSpec({"image": ((64, 64, 3), "|u1")}, 6, False, 2, 1000, False)
    agent = Dreamer(files.load_config([], []), spec, "float32")
    found = {part.name: part.count_params() for part in agent.world_model.models}
    expected = {"encoder": 690144, "rssm": 557920, "decoder": 3795555, "reward": 253201}
    assert found == expected
    assert agent.actor.count_params() == 578412
    assert agent.value.count_params() == 413601
    described = agent.describe()
    assert described.parameters == {**expected, "actor": 578412, "value": 413601}
    assert "tanh-normal actor over 6 actions, additive noise (0.3)" in described.choices
    assert "without discount head (episodes never terminate)" in described.choices


@pytest.mark.usefixtures("eager")
def test_the_mean_action_is_the_tanh_of_the_actors_mean_and_needs_no_seed():
    agent = tiny_agent()
    observation = {"image": random_batch()["image"][:2, 0]}
    first = np.array([True, True])
    state = agent.initial_state(2)
    _, after = agent.policy(observation, first, state, SEED, "mean")
    features = np.concatenate([after["stoch"], after["deter"]], 1)
    normal = agent.actor(features).distribution.distribution
    np.testing.assert_allclose(after["action"], np.tanh(normal.loc), atol=1e-6)
    dreamt = [agent.dreams.act(after, SEED + number, "mean") for number in range(2)]
    np.testing.assert_array_equal(*dreamt)
    np.testing.assert_allclose(dreamt[0], after["action"], atol=1e-6)
    likeliest = [agent.dreams.act(after, SEED + number, "mode") for number in range(2)]
    assert not np.array_equal(*likeliest) and not np.allclose(likeliest[0], dreamt[0], atol=0.01)
