"""D4PG: its targets against a numpy twin, its gradients, its frames, its exploration."""

import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import VECTORS, random_batch, tiny_spec

from dreamer_tf import agents
from dreamer_tf.agents import baseline_symptoms
from dreamer_tf.config import files
from dreamer_tf.experience.sources import Windows

SEED = np.array([1, 2], np.int32)
SMALL_IMAGE = {"image": ((16, 16, 3), "|u1")}
BOTH = {**SMALL_IMAGE, **VECTORS}
GAMMA, N, LOW, HIGH, ATOMS = 0.9, 3, -2.0, 6.0, 9
TINY = {
    "agent": "d4pg",
    "d4pg.stack": 2,
    "d4pg.embed": 4,
    "d4pg.actor_units": "7,5",
    "d4pg.critic_units": "8,6",
    "d4pg.atoms": ATOMS,
    "d4pg.value_min": LOW,
    "d4pg.value_max": HIGH,
    "d4pg.discount": GAMMA,
    "d4pg.n_step": N,
    "d4pg.target_period": 3,
}


def make(observations=BOTH, precision="float32", **changes):
    settings = TINY | {key.replace("__", "."): each for key, each in changes.items()}
    config = files.load_config([], [(key, str(value)) for key, value in settings.items()])
    return agents.make(config, tiny_spec(observations=observations), precision)


def windows(agent, batch_size=5):
    """Random windows: whole ones, some that end early, with and without termination."""
    before, length = agent.before, agent.before + 1 + N
    batch = random_batch(batch_size, length, observations=agent.spec.observations)
    valid = np.ones((batch_size, length), bool)
    for row, steps, terminal in ((1, 1, True), (2, 2, False), (3, N, True)):
        last = before + steps
        valid[row, last + 1 :] = False
        for array in batch.values():
            array[row, last + 1 :] = array[row, last]
        batch["is_terminal"][row, last:] = terminal
    weight = np.linspace(0.2, 1, batch_size).astype(np.float32)
    return {**batch, "window/valid": valid, "window/weight": weight}


def observed(agent, batch, row, position):
    """What a row of a batch shows at a position, its frames put together by hand."""
    found = {name: batch[name][None, row, position] for name in VECTORS}
    if agent.before:
        frames = [batch["image"][row, position - i] for i in reversed(range(agent.before + 1))]
        found["image"] = np.concatenate(frames, -1)[None]
    return found


def softmax(logits):
    exponents = np.exp(logits - logits.max())
    return exponents / exponents.sum()


def twin(agent, batch):
    """Returns target distributions, losses and priorities, row by row and atom by atom."""
    atoms, width = np.linspace(LOW, HIGH, ATOMS), (HIGH - LOW) / (ATOMS - 1)
    targets, errors = [], []
    for row in range(len(batch["window/weight"])):
        at = agent.before
        m = int(batch["window/valid"][row, at + 1 :].sum())
        total = sum(GAMMA**i * batch["reward"][row, at + 1 + i] for i in range(m))
        factor = 0.0 if batch["is_terminal"][row, at + m] else GAMMA**m
        copies = agent.copies
        seen = copies.see(observed(agent, batch, row, at + m))
        following = softmax(copies.logits(seen, copies.act(seen)).numpy()[0])
        target = np.zeros(ATOMS)
        for atom, mass in zip(atoms, following, strict=True):
            place = (np.clip(total + factor * atom, LOW, HIGH) - LOW) / width
            low = min(int(place), ATOMS - 2)
            target[low] += mass * (low + 1 - place)
            target[low + 1] += mass * (place - low)
        seen = agent.networks.see(observed(agent, batch, row, at))
        logits = agent.networks.logits(seen, batch["action"][None, row, at + 1]).numpy()[0]
        targets.append(target)
        errors.append(-(target * np.log(softmax(logits))).sum())
    targets, errors = np.array(targets), np.array(errors)
    logs = np.log(np.where(targets > 0, targets, 1))
    return targets, (batch["window/weight"] * errors).mean(), errors + (targets * logs).sum(1)


@pytest.mark.parametrize("observations", [BOTH, VECTORS])
def test_targets_losses_and_priorities_are_those_of_a_twin(observations):
    agent = make(observations)
    for variable in agent.copies.critic.weights:  # Not what learns, and not flat.
        variable.assign(variable.value * 1.5 + 0.05)
    batch = windows(agent)
    targets, loss, priorities = twin(agent, batch)
    learned = agent.learn(batch)
    np.testing.assert_allclose(learned.target, targets, atol=2e-5)
    np.testing.assert_allclose(learned.losses["critic"], loss, rtol=1e-4)
    np.testing.assert_allclose(learned.priorities, priorities, rtol=1e-3, atol=1e-4)


def test_the_actor_climbs_the_critics_mean():
    agent = make(d4pg__action_gradient=1e6)
    batch, networks = windows(agent), agent.networks
    with tf.GradientTape() as tape:
        seen = networks.see(agent._observation(batch, agent.before))
        seen = [tf.stop_gradient(each) for each in seen]
        probabilities = tf.nn.softmax(networks.logits(seen, networks.act(seen)))
        atoms = np.linspace(LOW, HIGH, ATOMS, dtype=np.float32)
        value = tf.reduce_mean(tf.reduce_sum(probabilities * atoms, -1))
        loss = -value
    expected = tape.gradient(loss, agent.optimizers["actor"].trained)
    learned = agent.learn(batch)
    for one, other in zip(learned.gradients["actor"], expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-7)
    np.testing.assert_allclose(learned.metrics["value"], value, rtol=1e-5)
    limited = make(d4pg__action_gradient=1e-3).learn(batch)
    assert limited.metrics["actor_grad_norm"] < learned.metrics["actor_grad_norm"]


def test_the_critic_alone_trains_the_convolutions():
    agent = make(d4pg__critic_learning_rate=1e-45)
    names = [variable.path for variable in agent.optimizers["actor"].trained]
    assert not [name for name in names if name.startswith(("trunk", "critic"))]
    trunk, actor = agent.networks.trunk.get_weights(), agent.networks.actor.get_weights()
    agent.update(windows(agent), SEED)
    for before, after in zip(trunk, agent.networks.trunk.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    assert not np.array_equal(actor[0], agent.networks.actor.get_weights()[0])
    agent = make()
    agent.update(windows(agent), SEED)
    assert not np.array_equal(trunk[0], agent.networks.trunk.get_weights()[0])


def test_it_acts_on_the_frames_that_it_learns_from():
    """Through two episodes; the frame before the first is the first."""
    agent = make(d4pg__stack=3)
    batch = random_batch(2, 9, observations=BOTH)
    batch["is_first"][:, 0] = batch["is_first"][1, 4] = True
    state = agent.initial_state(2)
    for t in range(9):
        observation = {name: batch[name][:, t] for name in BOTH}
        action, state = agent.policy(observation, batch["is_first"][:, t], state, SEED, "mode")
        for row in range(2):
            begin = 4 if row == 1 and t >= 4 else 0
            frames = [batch["image"][row, max(t - i, begin)] for i in (2, 1, 0)]
            seen = {name: batch[name][None, row, t] for name in VECTORS}
            seen["image"] = np.concatenate(frames, -1)[None]
            expected = agent.networks.act(agent.networks.see(seen))
            np.testing.assert_allclose(action[row], expected[0], rtol=1e-4, atol=1e-6)


def test_targets_follow_at_their_period():
    agent = make(VECTORS)
    batch = windows(agent)
    same = []
    for _ in range(7):
        agent.update(batch, SEED)
        pairs = zip(agent.networks.models, agent.copies.models, strict=True)
        weights = [two for a, b in pairs for two in zip(a.weights, b.weights, strict=True)]
        same.append(all(np.array_equal(one, other) for one, other in weights))
    assert same == [False, False, True, False, False, True, False]
    named = agent.variables
    assert named["target_critic/h0/kernel"] is agent.copies.critic.first.kernel
    assert int(named["updates"]) == 7


def test_noise_is_spread_over_the_environments():
    agent = make(VECTORS, d4pg__noise_min=0.01, d4pg__noise_max=0.16, d4pg__noise=0.02)
    observation = {name: np.zeros((5, *shape), "f4") for name, (shape, _) in VECTORS.items()}
    first = np.ones(5, bool)
    best = agent.policy(observation, first, {}, SEED, "mean")[0]
    drawn = [
        agent.policy(observation, first, {}, np.array([0, i], np.int32), "explore")[0] - best
        for i in range(400)
    ]
    np.testing.assert_allclose(np.std(drawn, (0, 2)), 0.01 * 2.0 ** np.arange(5), rtol=0.1)
    np.testing.assert_allclose(agent.noise_scales(1), 0.02)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
def test_it_learns_in_every_precision(precision):
    agent = make(precision=precision)
    batch = windows(agent)
    first = agent.update(batch, SEED)
    for _ in range(10):
        metrics = agent.update(batch, SEED)
    agent.check()
    assert metrics.pop("priorities").shape == (5,)
    assert all(np.isfinite(value) for value in metrics.values())
    assert float(metrics["critic_loss"]) < float(first["critic_loss"])


@pytest.mark.parametrize("skip", [True, False])
def test_an_update_with_a_fault_tells_no_priorities_and_the_fault_is_the_first_one(skip):
    agent = make(train__skip_nonfinite=skip)
    batch = windows(agent)
    batch["reward"][:] = np.nan
    np.testing.assert_array_equal(agent.update(batch, SEED)["priorities"], np.full(5, -1))
    if skip:
        assert (agent.update(windows(agent), SEED)["priorities"].numpy() >= 0).all()
        agent.check()
    else:
        with pytest.raises(FloatingPointError, match="critic_loss"):
            agent.check()


def test_a_priority_of_zero_is_uniform_replay():
    agent = make(VECTORS, d4pg__priority=0)
    assert agent.experience == Windows(50, before=0, after=N, priority=None, correction=0.4)
    assert "priorities" not in agent.update(windows(agent), SEED)
    assert make().experience == Windows(50, before=1, after=N, priority=0.6, correction=0.4)


def test_symptoms():
    healthy = {"outside": 0.0, "saturated": 0.5}
    assert not baseline_symptoms.of_d4pg(healthy)
    for name, option in (("outside", "--d4pg.value_max"), ("saturated", "actor_learning_rate")):
        (line,) = baseline_symptoms.of_d4pg({**healthy, name: 0.99}).values()
        assert option in line


def test_rewards_beyond_the_atoms_are_seen():
    agent = make(VECTORS)
    batch = windows(agent)
    batch["reward"][:] = 100
    assert float(agent.learn(batch).metrics["outside"]) == pytest.approx(1, abs=1e-5)


def test_choices_are_refused():
    settings = make(VECTORS).settings
    assert "--agent a3c" in settings.misfit(tiny_spec(discrete=True, observations=VECTORS))
    assert settings.misfit(tiny_spec(observations=VECTORS)) is None
