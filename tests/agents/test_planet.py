"""PlaNet as an agent: what it learns, how it acts, what it refuses."""

import numpy as np
import pytest
from agents_for_tests import random_batch, tiny_config, tiny_spec, weights

from dreamer_tf import agents
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.schema import check_environment

SEED = np.array([3, 4], np.int32)
SEARCH = {"planner__candidates": 20, "planner__elites": 5, "planner__iterations": 2}


@pytest.fixture(scope="module")
def agent():
    config = tiny_config(agent="planet", model__free_nats=0, planner__horizon=3, **SEARCH)
    return agents.make(config, tiny_spec(terminates=True), "float32")


def act(agent, mode, seed=SEED, count=2):
    observation = {"image": random_batch()["image"][:count, 0]}
    first = np.ones(count, bool)
    return agent.policy(observation, first, agent.initial_state(count), seed, mode)


def test_it_learns_the_world_model_and_nothing_else(agent):
    assert {path.split("/")[0] for path in agent.variables} == {
        *("encoder", "rssm", "decoder", "reward"),
        *("optimizer", "updates"),
    }
    before = weights(agent)
    metrics = agent.update(random_batch(), SEED)
    agent.check()
    after = weights(agent)
    same = [path for path in before if np.array_equal(before[path], after[path])]
    assert same == ["optimizer/model/001_learning_rate"]
    assert {"model_loss", "div", "image_loss"} < set(metrics) and "actor_loss" not in metrics
    assert not agent.symptoms({"div": 9.0})


def test_noise_is_added_to_the_plan_in_exploration_alone(agent):
    best, state = act(agent, "mode")
    np.testing.assert_array_equal(best, act(agent, "mean")[0])
    np.testing.assert_array_equal(best, state["action"])
    explored, state = act(agent, "explore")
    np.testing.assert_array_equal(explored, state["action"])
    assert np.all(np.abs(explored) <= 1) and 0.01 < np.abs(explored - best).max() < 2
    assert not np.array_equal(explored, act(agent, "explore", SEED + 1)[0])


def test_dreams_follow_plans(agent):
    _, state = act(agent, "mode")
    action = agent.dreams.act(state, SEED, "mode")
    assert action.shape == (2, 2) and np.all(np.abs(action) <= 1)
    seen = agent.dreams.look(agent.dreams.step(state, action, SEED))
    assert set(seen) == {"reward", "image"}


def test_choices_are_refused_in_one_line():
    config = tiny_config(agent="planet", task="gym_CartPole-v1", **SEARCH)
    check_environment(config, tiny_spec())
    check_environment(tiny_config(), tiny_spec(discrete=True))
    words = "gym_CartPole-v1: planning needs continuous actions, here are 2 choices"
    with pytest.raises(UserError, match=words):
        check_environment(config, tiny_spec(discrete=True))
