"""What contrastive states know: a linear probe for a position that the model was never told."""

import numpy as np
from agents_for_tests import tiny_config

from dreamer_tf import agents
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.envs.toy import ToyReach

BATCH, LENGTH, UPDATES = 24, 6, 200
SIZES = {"model__deter": 32, "model__stoch": 16, "model__hidden": 32, "model__cnn_depth": 8}
SPEC = EnvSpec({"image": ((64, 64, 3), "|u1")}, 2, False, 2, 12, False)


def sequences(count, seed):
    """Returns random experience {field: [count, LENGTH, ...]}, the point's place [..., 2]."""
    random = np.random.default_rng(seed)
    env = ToyReach("both", time_limit=2 * LENGTH)
    fields = {name: [] for name in ("image", "vector", "action", "reward")}
    for index in range(count):
        observed, reward = env.reset(seed=seed * 10_000 + index)[0], 0.0
        action = np.zeros(2, np.float32)
        for step in range(LENGTH):
            if step:
                action = random.uniform(-1, 1, 2).astype(np.float32)
                observed, reward, *_ = env.step(action)
            row = (observed["image"], observed["vector"], action, reward)
            for values, value in zip(fields.values(), row, strict=True):
                values.append(value)
    batch = {
        name: np.stack(values).reshape(count, LENGTH, *np.shape(values[0]))
        for name, values in fields.items()
    }
    position = batch.pop("vector")[..., :2]
    batch["reward"] = batch["reward"].astype(np.float32)
    batch["is_terminal"] = np.zeros([count, LENGTH], bool)
    batch["is_first"] = np.arange(LENGTH)[None] == np.zeros([count, 1])
    return batch, position


def features(agent, batch):
    noise = np.zeros([LENGTH, len(batch["reward"]), 16], np.float32)
    found = agent.world_model.reconstruct(batch, noise).observed.states.features
    return found.numpy().reshape(-1, found.shape[-1])


def probed(agent, train, test):
    """Returns the share of the position's variance that a ridge regression finds."""
    inputs, targets = features(agent, train[0]), train[1].reshape(-1, 2)
    centre, scale = inputs.mean(0), inputs.std(0) + 1e-6
    inputs = (inputs - centre) / scale
    ridge = inputs.T @ inputs + np.eye(inputs.shape[1])
    weights = np.linalg.solve(ridge, inputs.T @ (targets - targets.mean(0)))
    left = targets.mean(0) + (features(agent, test[0]) - centre) / scale @ weights
    truth = test[1].reshape(-1, 2)
    return 1 - ((left - truth) ** 2).sum() / ((truth - truth.mean(0)) ** 2).sum()


def test_contrastive_features_know_the_position_far_better_than_untrained_ones():
    config = tiny_config(
        **SIZES,
        **{"model__objective": "contrastive", "model__diagnostic_decoder": False},
        **{"model__free_nats": 0, "model__units": 64, "model__learning_rate": 1e-3},
        # At full weight the KL keeps so small a model from saying anything for long.
        model__kl_scale=0.1,
        behavior__horizon=2,
    )
    agent = agents.make(config, SPEC, "float32")
    experience, _ = sequences(400, seed=1)
    train, test = sequences(200, seed=2), sequences(100, seed=3)
    untrained = probed(agent, train, test)
    random = np.random.default_rng(0)
    for number in range(UPDATES):
        rows = random.integers(len(experience["reward"]), size=BATCH)
        batch = {name: values[rows] for name, values in experience.items()}
        metrics = agent.update(batch, np.array([1, number], np.int32))
    agent.check()
    learned = probed(agent, train, test)
    assert float(metrics["contrast_accuracy"]) > 20 / (BATCH * LENGTH)
    assert learned > 0.6 and learned > untrained + 0.3, (untrained, learned)
