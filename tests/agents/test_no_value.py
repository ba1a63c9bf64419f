"""The ablation without values and the keys of the other ablations, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import random_batch, tiny_config, tiny_spec, weights

from dreamer_tf import agents
from dreamer_tf.basics.errors import UserError
from dreamer_tf.behavior import imagination
from dreamer_tf.networks import images

SEED = np.array([3, 4], np.int32)
pytestmark = pytest.mark.usefixtures("eager")


def make(agent="no_value", discrete=False, terminates=False, **changes):
    config = tiny_config(agent=agent, **{"model__free_nats": 0, **changes})
    return agents.make(config, tiny_spec(discrete, terminates), "float32")


def test_the_objective_is_the_mean_of_discounted_rewards_to_the_horizon():
    agent, batch = make(behavior__discount=0.9), random_batch()
    noise = agent.update_noise(3, 5, tf.constant(SEED))
    observed = agent.world_model.reconstruct(batch, noise.posterior).observed
    rollout, weight = agent.imagine(observed, batch, noise)
    reward = agent.world_model.reward(rollout.features).mean().numpy()
    assert reward.shape == (4, 15)
    to_go = [sum(0.9**n * reward[i + n] for n in range(4 - i)) for i in range(4)]
    found = agent.learn(batch, noise).losses["actor"]
    np.testing.assert_allclose(found, -np.mean(to_go), rtol=1e-4)


def test_nothing_of_a_value_function_exists():
    agent = make()
    assert agent.dreams.value is None
    assert not [path for path in agent.variables if "value" in path.split("/")]
    before = weights(agent)
    metrics = agent.update(random_batch(), SEED)
    assert "value_loss" not in metrics
    after = weights(agent)
    assert [path for path in before if np.array_equal(before[path], after[path])] == [
        f"optimizer/{name}/001_learning_rate" for name in ("model", "actor")
    ]


@pytest.mark.parametrize("agent", ["dreamer", "no_value"])
def test_the_horizon_may_be_as_long_as_the_paper_tried(agent):
    made = make(agent, behavior__horizon=45)
    metrics = made.update(random_batch(1, 2), SEED)
    assert np.isfinite(metrics["actor_loss"])


def test_a_horizon_without_a_return_is_refused():
    assert np.isfinite(make(behavior__horizon=1).update(random_batch(), SEED)["actor_loss"])
    with pytest.raises(
        UserError, match=r"behavior\.start_every 50 may leave no state .*batch_length 50"
    ):
        make(behavior__start_every=50)
    make(behavior__start_every=49)
    with pytest.raises(UserError, match=r"behavior\.horizon 1 leaves no return .* at least 2"):
        make("dreamer", behavior__horizon=1)
    with pytest.raises(UserError, match="horizon must be at least 1, not 0"):
        make(behavior__horizon=0)
    with pytest.raises(UserError, match="lambda_ has no effect: the agent no_value does not use"):
        make(behavior__lambda_=0.5)


def test_an_early_bootstrap_ends_with_the_value_before_the_last():
    random = np.random.default_rng(0)
    features = random.normal(size=(4, 3, 9)).astype(np.float32)
    agent = make("dreamer")
    found = imagination.evaluate(
        agent.world_model, agent.value, features, tf.ones([3]), 0.9, 0.8, bootstrap="early"
    )
    reward = agent.world_model.reward(features).mean().numpy()
    value = agent.value(features).mean().numpy()
    following, expected = value[2], []
    for i, after in ((2, value[2]), (1, value[2]), (0, value[1])):
        following = reward[i] + 0.9 * (0.2 * after + 0.8 * following)
        expected.insert(0, following)
    np.testing.assert_allclose(found.lambda_returns, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("agent", ["dreamer", "no_value"])
def test_one_hot_gradients_can_be_either_and_differ_for_the_actor_alone(agent):
    batch, after = random_batch(discrete=True), {}
    for how in ("straight_through", "score"):
        made = make(agent, True, True, behavior__onehot_gradient=how)
        made.update(batch, SEED)
        after[how] = weights(made)
    first, second = after.values()
    different = {path for path in first if not np.array_equal(first[path], second[path])}
    assert different == {
        path for path in first if path.split("/")[0] == "actor" or path[:15] == "optimizer/actor"
    } - {"optimizer/actor/000_iteration", "optimizer/actor/001_learning_rate"}


def test_dither_spreads_pixels_over_their_step_and_no_further():
    image = np.full([1000, 3], 255, np.uint8)
    noise = np.random.default_rng(0).uniform(size=image.shape).astype(np.float32)
    found = images.dither(image, noise).numpy()
    assert 255 / 256 - 0.5 <= found.min() < found.max() < 0.5
    assert abs(found.mean() - (255.5 / 256 - 0.5)) < 1e-4
    np.testing.assert_array_equal(images.preprocess(tf.constant(found)), found)


def test_dither_reaches_updates_and_policies_and_follows_the_seed():
    batch, state = random_batch(), make().initial_state(3)
    observation, first = {"image": batch["image"][:, 0]}, np.ones(3, bool)
    found = {}
    for dither in (True, False):
        runs = []
        for _ in range(2):
            agent = make("dreamer", model__dither=dither)
            acted = agent.policy(observation, first, state, SEED, "mean")[1]["stoch"]
            runs.append((acted, agent.update(batch, SEED)["image_loss"].numpy()))
        np.testing.assert_array_equal(*(acted for acted, _ in runs))
        assert runs[0][1] == runs[1][1]
        found[dither] = runs[0]
    assert not np.array_equal(found[True][0], found[False][0])
    assert found[True][1] != found[False][1]
    assert found[True][1] == pytest.approx(found[False][1], rel=1e-2)


def test_squashed_rewards_are_learned_as_if_the_batch_had_them():
    batch, after = random_batch(), []
    batch["reward"] *= 30
    for transform, reward in (("tanh", batch["reward"]), ("none", np.tanh(batch["reward"]))):
        agent = make("dreamer", model__reward_transform=transform)
        agent.update({**batch, "reward": reward}, SEED)
        after.append(weights(agent))
    for path, value in after[0].items():
        np.testing.assert_allclose(after[1][path], value, rtol=1e-4, atol=1e-7, err_msg=path)
