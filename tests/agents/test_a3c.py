"""A3C against a gradient derived by hand, and what its policy's distributions are."""

import math

import numpy as np
import pytest
from agents_for_tests import IMAGE, VECTORS, random_batch, tiny_spec

from dreamer_tf import agents
from dreamer_tf.agents import baseline_symptoms
from dreamer_tf.config import files
from dreamer_tf.networks.actor_critic import ClippedNormal

GAMMA, ENTROPY, LENGTH, SEED = 0.9, 0.05, 6, np.array([1, 2], np.int32)


def make(discrete, precision="float32", **changes):
    settings = {"a3c.units": "5", "a3c.discount": GAMMA, "a3c.entropy": ENTROPY, "envs": 3}
    settings |= {"agent": "a3c"} | {key.replace("__", "."): each for key, each in changes.items()}
    config = files.load_config([], [(key, str(value)) for key, value in settings.items()])
    return agents.make(config, tiny_spec(discrete, observations=VECTORS), precision)


def rollout(discrete):
    """Three environments: one goes on, one terminates, one meets its time limit; some actions are
    at the ends."""
    batch = random_batch(3, LENGTH + 1, discrete=discrete, observations=VECTORS)
    for row, end, terminal in ((1, 2, True), (2, 4, False)):
        batch["is_last"][row, end], batch["is_terminal"][row, end] = True, terminal
        batch["is_first"][row, end + 1] = True
    if not discrete:
        batch["action"][0, 3] = -1, 1
        batch["action"][2, 2, 0] = 1
    return batch


def weights(agent):
    named = agent.variables
    return {
        f"{layer}_{kind}": named[f"actor_critic/{layer}/{kind}"].numpy().astype(np.float64)
        for layer in ("h0", "policy", "value")
        for kind in ("kernel", "bias")
    }


def advantages(batch, value):
    """Returns A = R - V of every record and whether there is one, by the definition."""
    found, made = np.zeros((3, LENGTH)), np.zeros((3, LENGTH), bool)
    for row in range(3):
        for t in range(LENGTH):
            made[row, t] = not batch["is_first"][row, t + 1]
            k, total, factor = t, 0.0, 1.0
            while made[row, t] and (k == t or (k < LENGTH and not batch["is_last"][row, k])):
                k += 1
                total, factor = total + factor * batch["reward"][row, k], factor * GAMMA
            last = (not batch["is_terminal"][row, k]) * value[row, k]
            found[row, t] = made[row, t] * (total + factor * last - value[row, t])
    return found, made


def categorical_gradient(logits, action, advantage, made):
    """d/d logits of -A log p(a) - cost * H."""
    p = np.exp(logits - logits.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    entropy = -(p * np.log(p)).sum(-1, keepdims=True)
    slope = -advantage[..., None] * (action - p)
    return slope + made[..., None] * ENTROPY * p * (np.log(p) + entropy)


def density(z):
    return np.exp(-0.5 * z**2) / math.sqrt(2 * math.pi)


def mass_below(z):
    return 0.5 * (1 + np.vectorize(math.erf)(z / math.sqrt(2)))


def gaussian_gradient(parameters, action, advantage, made):
    """The same of raw means and deviations, for normals that are clipped to [-1, 1]."""
    raw_mean, raw_std = np.split(parameters, 2, -1)
    mean, gate = np.tanh(raw_mean), 1 / (1 + np.exp(-raw_std))
    std = 0.01 + 2 * gate
    z = (action - mean) / std
    to_mean, to_std = z / std, (z**2 - 1) / std
    below, above = density(z) / mass_below(z), density(z) / (1 - mass_below(z))
    to_mean = np.where(action <= -1, -below / std, np.where(action >= 1, above / std, to_mean))
    to_std = np.where(
        action <= -1, -z * below / std, np.where(action >= 1, z * above / std, to_std)
    )
    weight = advantage[..., None]
    to_mean, to_std = -weight * to_mean, -weight * to_std - made[..., None] * ENTROPY / std
    return np.concatenate([to_mean * (1 - mean**2), to_std * 2 * gate * (1 - gate)], -1)


def by_hand(agent, batch):
    """Returns the gradient of every weight: sums over time, means over environments."""
    w = weights(agent)
    x = np.concatenate([batch[name] for name in VECTORS], -1).astype(np.float64)
    before = x @ w["h0_kernel"] + w["h0_bias"]
    hidden = np.maximum(before, 0)
    parameters = hidden @ w["policy_kernel"] + w["policy_bias"]
    value = (hidden @ w["value_kernel"] + w["value_bias"])[..., 0]
    rewards = {"reward": agent.settings.reward_scale * batch["reward"]}
    advantage, made = advantages({**batch, **rewards}, value)
    kind = categorical_gradient if agent.spec.discrete else gaussian_gradient
    to_policy = kind(parameters[:, :-1], batch["action"][:, 1:], advantage, made) / 3
    to_value = -advantage[..., None] / 3
    hidden, x, active = hidden[:, :-1], x[:, :-1], before[:, :-1] > 0
    to_hidden = (to_policy @ w["policy_kernel"].T + to_value @ w["value_kernel"].T) * active
    found = {}
    layers = (("h0", x, to_hidden), ("policy", hidden, to_policy), ("value", hidden, to_value))
    for layer, inputs, slope in layers:
        found[f"{layer}_kernel"] = np.einsum("nti,nto->io", inputs, slope)
        found[f"{layer}_bias"] = slope.sum((0, 1))
    return found, advantage


@pytest.mark.parametrize(("discrete", "scale"), [(True, 1.0), (False, 1.0), (False, 0.25)])
def test_the_gradient_is_the_one_derived_by_hand(discrete, scale):
    agent, batch = make(discrete, a3c__reward_scale=scale), rollout(discrete)
    expected, advantage = by_hand(agent, batch)
    learned = agent.learn(batch)
    np.testing.assert_allclose(learned.advantages, advantage, rtol=1e-4, atol=1e-5)
    targets = [variable.path.split("/")[-2:] for variable in agent.optimizer.trained]
    assert len(targets) == 6
    for (layer, kind), gradient in zip(targets, learned.gradients, strict=True):
        np.testing.assert_allclose(
            gradient, expected[f"{layer}_{kind}"], rtol=2e-4, atol=2e-5, err_msg=f"{layer} {kind}"
        )
    assert np.abs(expected["h0_kernel"]).max() > 1e-3


def test_what_follows_an_end_does_not_matter():
    """An episode's gradient is the same whatever the next one is, but for that one's own part."""
    agent, batch = make(True), rollout(True)
    before = agent.learn(batch).advantages.numpy()
    batch["reward"][1, 4] += 5
    after = make(True).learn(batch).advantages.numpy()
    changed = before != after
    assert changed[1, 3] and not changed[[0, 2]].any() and not changed[1, :3].any()


def test_clipped_actions_have_the_mass_beyond_the_end():
    parameters = np.float32([[0.3, -0.4, 0.2, -1.0]])
    policy = ClippedNormal(parameters)
    grid = np.linspace(-1, 1, 4001)[1:-1].astype(np.float32)
    for i in range(2):
        one = ClippedNormal(parameters[:, [i, 2 + i]])
        inside = np.exp(one.log_prob(grid[:, None])).sum() * (grid[1] - grid[0])
        ends = np.exp(one.log_prob(np.float32([[-1], [1]])))
        assert inside + ends.sum() == pytest.approx(1, abs=1e-3)
    noise = np.random.default_rng(0).normal(size=(20000, 2)).astype(np.float32)
    drawn = policy.sample(noise).numpy()
    assert np.abs(drawn).max() == 1
    mean, std = np.tanh(parameters[0, :2]), 0.01 + 2 / (1 + np.exp(-parameters[0, 2:]))
    np.testing.assert_allclose((drawn == 1).mean(0), 1 - mass_below((1 - mean) / std), atol=0.01)
    np.testing.assert_allclose(policy.best()[0], mean, rtol=1e-5)
    expected = 0.5 * np.log(2 * np.pi * np.e * std**2).sum()
    assert float(policy.entropy()[0]) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("discrete", [True, False])
def test_it_acts_and_learns_in_every_precision(precision, discrete):
    agent, batch = make(discrete, precision), rollout(discrete)
    observation = {name: batch[name][:, 0] for name in VECTORS}
    first = np.ones(3, bool)
    found = {
        mode: agent.policy(observation, first, agent.initial_state(3), SEED, mode)[0]
        for mode in ("explore", "mode", "mean")
    }
    np.testing.assert_array_equal(found["mode"], found["mean"])
    assert found["explore"].shape == (3, 2) and np.abs(found["explore"]).max() <= 1
    assert not discrete or (np.sort(found["explore"]) == [0, 1]).all()
    for _ in range(3):
        metrics = agent.update(batch, SEED)
    agent.check()
    assert int(agent.updates) == 3
    assert all(np.isfinite(value) for value in metrics.values())
    described = agent.describe()
    assert sum(described.parameters.values()) == sum(
        np.prod(each.shape) for each in agent.network.weights
    )


def test_a_decided_policy_is_a_symptom():
    assert not baseline_symptoms.of_a3c({"action_ent": 0.3}, discrete=True, actions=2)
    (line,) = baseline_symptoms.of_a3c({"action_ent": 1e-3}, discrete=True, actions=2).values()
    assert "--a3c.entropy" in line
    assert not baseline_symptoms.of_a3c({"action_ent": -5.0}, discrete=False, actions=2)


def test_images_are_refused():
    line = make(False).settings.misfit(tiny_spec(observations=IMAGE))
    assert "--env.observation vector" in line
    assert make(False).settings.misfit(tiny_spec(observations=VECTORS)) is None
