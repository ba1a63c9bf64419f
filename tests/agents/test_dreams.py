"""Dreams of a world model whose agent chooses in its own way and has no value function."""

import numpy as np
import tensorflow as tf
from agents_for_tests import IMAGE, VECTORS, random_batch, tiny_agent

from dreamer_tf.agents.dreams import BLOCK, Dreams

SEED = np.array([5, 6], np.int32)


def test_a_dream_asks_the_agents_own_choice_and_tells_no_value():
    agent = tiny_agent()
    asked = []

    def choose(state, seed, mode):
        asked.append(mode)
        return tf.stack([state.stoch[:, 0], -state.deter[:, 0]], -1)

    dreams = Dreams(agent.world_model, choose)
    state = {name: value + 0.25 for name, value in agent.initial_state(3).items()}
    np.testing.assert_array_equal(dreams.act(state, SEED, "mean"), np.tile([0.25, -0.25], (3, 1)))
    assert asked == ["mean"]
    assert set(dreams.look(state)) == {"reward", "image"}
    assert set(agent.dreams.look(state)) == {"reward", "image", "value"}


def test_a_step_of_a_dream_is_the_priors_and_keeps_the_action():
    agent = tiny_agent(observations=VECTORS, terminates=True)
    state = agent.initial_state(2)
    action = np.float32([[1, -1], [0.5, 0]])
    after = agent.dreams.step(state, action, SEED)
    np.testing.assert_array_equal(after["action"], action)
    rssm = agent.world_model.rssm
    prior = rssm.prior(after["deter"])
    noise = tf.random.stateless_normal([2, 3], SEED)
    np.testing.assert_allclose(after["stoch"], prior.mean + prior.std * noise, atol=1e-6)
    found = agent.dreams.look(after)
    assert set(found) == {"reward", "value", "discount", "vector/position", "vector/velocity"}
    assert found["vector/position"].shape == (2, 3) and IMAGE.keys().isdisjoint(found)


def test_predictions_of_any_length_are_compiled_once_and_depend_on_no_padding():
    agent = tiny_agent()
    lengths, traced = [], agent.dreams._predict_graph

    def count(batch, context, seed):
        lengths.append(batch["reward"].shape[1])
        return traced(batch, context, seed)

    dreams = Dreams(agent.world_model, None)
    dreams._predict = tf.function(count)
    batch = random_batch(2, BLOCK)
    whole = dreams.predict(batch, 3, SEED)["image"]
    assert whole.shape == (2, BLOCK, 64, 64, 3)
    for length in (7, 20, 50):
        short = dreams.predict({name: each[:, :length] for name, each in batch.items()}, 3, SEED)
        np.testing.assert_array_equal(short["image"], whole[:, :length])
    assert lengths == [BLOCK]
