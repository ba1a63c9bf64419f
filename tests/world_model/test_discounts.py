"""What the discount head learns, and the discounts that imagination makes of it."""

import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import random_batch, tiny_agent

from dreamer_tf.behavior import imagination

GAMMA = 0.9


@pytest.mark.parametrize(
    ("labels", "label", "factor"), [("discount", 0.9, 1), ("continuation", 1, 0.9)]
)
def test_labels_and_discounts_are_those_of_the_key(labels, label, factor):
    changes = {"model__discount_labels": labels, "behavior__discount": GAMMA}
    agent = tiny_agent(terminates=True, **changes)
    model, batch = agent.world_model, random_batch(3, 5)
    batch["is_terminal"] = tf.constant(np.arange(15).reshape(3, 5) % 4 == 3)
    found = model.reconstruct(batch, tf.random.stateless_normal([5, 3, 3], [1, 2]))
    features = found.observed.states.features
    mean = found.discount_mean.numpy()
    target = np.where(batch["is_terminal"], 0, label)
    expected = target * np.log(mean) + (1 - target) * np.log(1 - mean)
    np.testing.assert_allclose(found.log_probs["discount"], expected, rtol=1e-4)
    np.testing.assert_allclose(model.discounts(features), factor * mean, rtol=1e-5)
    imagined = imagination.predict_rewards(model, features, discount=None)[1]
    np.testing.assert_array_equal(imagined, model.discounts(features))
    state = {"stoch": found.observed.states.stoch[:, 0], "deter": found.observed.states.deter[:, 0]}
    state["action"] = batch["action"][:, 0]
    np.testing.assert_allclose(
        agent.dreams.look(state)["discount"], model.discounts(features)[:, 0], rtol=1e-4
    )


def test_however_sure_of_going_on_it_discounts_by_gamma_at_least():
    changes = {"behavior__discount": GAMMA, "model__discount_layers": 1}
    found = {}
    for labels in ("discount", "continuation"):
        agent = tiny_agent(terminates=True, model__discount_labels=labels, **changes)
        last = agent.world_model.discount_head.trainable_variables[-1]
        last.assign(last + 20)
        features = tf.random.stateless_normal([50, agent.world_model.features], [3, 4])
        found[labels] = agent.world_model.discounts(features).numpy()
    assert found["discount"].min() > 0.99  # Far beyond gamma, as the author's code allows.
    np.testing.assert_allclose(found["continuation"], GAMMA, atol=1e-4)
