"""Vectors beside or instead of images: encoders, decoders, likelihood, whole updates."""

import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import (
    BOTH,
    VECTORS,
    random_batch,
    tiny_agent,
    tiny_config,
    tiny_spec,
    weights,
)

from dreamer_tf import agents

SEED = np.array([3, 4], np.int32)
pytestmark = pytest.mark.usefixtures("eager")
POLICY = np.array([5, 6], np.int32)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def perceptron(agent, scope, layers, inputs):
    """A numpy twin of dense ELU layers h0, h1, ... of one model."""
    found = weights(agent)
    hidden = inputs.astype(np.float64)
    for i in range(layers):
        hidden = hidden @ found[f"{scope}/h{i}/kernel"] + found[f"{scope}/h{i}/bias"]
        hidden = elu(hidden)
    return hidden


def observation(batch):
    return {name: batch[name] for name in BOTH if name in batch}


@pytest.mark.parametrize("observations", [VECTORS, BOTH], ids=["vectors", "both"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_every_variable_learns(observations, precision):
    agent = tiny_agent(precision, terminates=True, observations=observations, model__free_nats=0)
    batch = random_batch(observations=observations)
    before = weights(agent)
    metrics = agent.update(batch, SEED)
    agent.check()
    after = weights(agent)
    unchanged = [path for path in before if np.array_equal(before[path], after[path])]
    assert all(path.endswith("_learning_rate") for path in unchanged), unchanged
    assert "vector_loss" in metrics and ("image_loss" in metrics) == ("image" in observations)
    scopes = {path.split("/")[0] for path in before}
    assert {"vector_encoder", "vector_decoder"} <= scopes
    assert ({"encoder", "decoder"} <= scopes) == ("image" in observations)
    state, is_first = agent.initial_state(2), np.array([True, False])
    seen = {name: array[:2, 0] for name, array in observation(batch).items()}
    action, _ = agent.policy(seen, is_first, state, POLICY, "explore")
    assert action.shape == (2, 2) and np.isfinite(action).all()
    assert np.isfinite(agent.report(batch, SEED)["action_ent"])


def test_image_agents_have_no_vector_networks():
    scopes = {path.split("/")[0] for path in weights(tiny_agent())}
    assert not {"vector_encoder", "vector_decoder"} & scopes


def test_vectors_go_through_one_perceptron_behind_the_images_embedding():
    agent = tiny_agent(observations=BOTH, model__vector_layers=3)
    batch = random_batch(observations=BOTH)
    embed = agent.world_model.embed(observation(batch)).numpy()
    joined = np.concatenate([batch["position"], batch["velocity"]], -1)
    expected = perceptron(agent, "vector_encoder", 3, joined)
    np.testing.assert_allclose(embed[..., 32:], expected, rtol=1e-4, atol=1e-5)
    image = agent.world_model.encoder(batch["image"].astype(np.float32) / 255 - 0.5)
    np.testing.assert_allclose(embed[..., :32], image, rtol=1e-4, atol=1e-5)


def test_the_order_of_an_observations_names_does_not_matter():
    agent = tiny_agent(observations=VECTORS)
    batch = observation(random_batch(observations=VECTORS))
    turned = dict(reversed(batch.items()))
    assert list(turned) != list(batch)
    np.testing.assert_array_equal(agent.world_model.embed(batch), agent.world_model.embed(turned))


def test_vectors_can_be_read_and_predicted_as_their_symlog():
    plain = tiny_agent(observations=VECTORS)
    agent = tiny_agent(observations=VECTORS, model__vector_transform="symlog")
    batch = random_batch(observations=VECTORS)
    batch["velocity"] = 1000 * batch["velocity"]
    small = {
        name: (np.sign(x) * np.log(1 + np.abs(x.astype(np.float64)))).astype(np.float32)
        for name, x in observation(batch).items()
    }
    embed = agent.world_model.embed(observation(batch))
    np.testing.assert_allclose(embed, plain.world_model.embed(small), rtol=1e-4, atol=1e-5)
    noise = tf.random.stateless_normal([5, 3, 3], [1, 2])
    found = agent.world_model.reconstruct(batch, noise)
    expected = plain.world_model.reconstruct(batch | small, noise)
    np.testing.assert_allclose(
        found.log_probs["vector"], expected.log_probs["vector"], rtol=1e-4, atol=1e-4
    )
    features = 10 * found.observed.states.features
    shown, inner = agent.world_model.decode(features), plain.world_model.decode(features)
    for name in VECTORS:
        value = inner[name].numpy().astype(np.float64)
        value = np.sign(value) * (np.exp(np.abs(value)) - 1)
        np.testing.assert_allclose(shown[name], value, rtol=1e-4, atol=1e-5)


def test_vector_likelihood_is_a_unit_variance_normals():
    agent = tiny_agent(observations=VECTORS, model__vector_layers=2, model__vector_scale=7)
    batch = random_batch(observations=VECTORS)
    noise = tf.random.stateless_normal([5, 3, 3], [1, 2])
    found = agent.world_model.reconstruct(batch, noise)
    joined = np.concatenate([batch["position"], batch["velocity"]], -1)
    hidden = perceptron(agent, "vector_decoder", 2, found.observed.states.features.numpy())
    variables = weights(agent)
    mean = hidden @ variables["vector_decoder/hout/kernel"] + variables["vector_decoder/hout/bias"]
    np.testing.assert_allclose(found.vector_mean, mean, rtol=1e-4, atol=1e-5)
    expected = -0.5 * ((joined - mean) ** 2 + np.log(2 * np.pi)).sum(-1)
    np.testing.assert_allclose(found.log_probs["vector"], expected, rtol=1e-4)
    losses, metrics = agent.world_model.losses(found)
    np.testing.assert_allclose(metrics["vector_loss"], -expected.mean(), rtol=1e-4)
    parts = 7 * float(metrics["vector_loss"]) + float(metrics["reward_loss"]) + 3.0
    np.testing.assert_allclose(
        losses["model"], parts, rtol=1e-4, err_msg="3 free nats stand for the KL"
    )


OBSERVING = {"dreamer": "vector_encoder/h0", "a3c": "actor_critic/h0", "d4pg": "actor/h0"}


@pytest.mark.parametrize(("precision", "level"), [("bfloat16", 10.0), ("float16", 1e5)])
@pytest.mark.parametrize(
    ("name", "observations"),
    [("dreamer", VECTORS), ("dreamer", BOTH), ("a3c", VECTORS), ("d4pg", VECTORS), ("d4pg", BOTH)],
)
def test_what_is_observed_is_not_rounded(name, observations, precision, level):
    """10 and 10.03 are one number in bfloat16, 1e5 is infinite in float16."""
    agent = agents.make(tiny_config(agent=name), tiny_spec(observations=observations), precision)
    # As a layer learns it that is to see what changes about a level.
    kernel, bias = (agent.variables[f"{OBSERVING[name]}/{each}"] for each in ("kernel", "bias"))
    bias.assign(-level * kernel[-5])  # Of the five numbers, which come last, the first one.

    def output(number):
        seen = {
            "image": tf.zeros([1, 64, 64, 3], tf.uint8),
            "position": tf.constant([[number, 0.5, -0.5]]),
            "velocity": tf.zeros([1, 2]),
        }
        seen = {name: seen[name] for name in observations}
        if name == "dreamer":
            return agent.world_model.embed(seen).numpy()
        if name == "a3c":
            return agent.network(agent._vector(seen))[0].numpy()
        if "image" in seen:
            seen["image"] = tf.tile(seen["image"], [1, 1, 1, agent.config.d4pg.stack])
        return agent.networks.act(agent.networks.see(seen)).numpy()

    assert np.isfinite(output(level)).all()
    assert np.any(output(level) != output(1.003 * level))
