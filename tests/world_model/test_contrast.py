"""The contrastive term against NumPy and SciPy, and what it may not touch."""

import numpy as np
import pytest
import tensorflow as tf
from agents_for_tests import BOTH, random_batch, tiny_agent, weights
from scipy.special import logsumexp
from scipy.stats import norm

from dreamer_tf.networks import distributions
from dreamer_tf.world_model import contrast

SEED = np.array([3, 4], np.int32)


def example(batch=3, length=4, size=5):
    random = np.random.default_rng(1)
    shape = (batch, length, size)
    mean, states = random.normal(size=(2, *shape)).astype(np.float32)
    std = random.uniform(0.2, 2, size=shape).astype(np.float32)
    return mean, std, states


def pairwise(mean, std, states):
    """[state, observation] log densities, one by one."""
    flat = [each.reshape(-1, each.shape[-1]) for each in (mean, std, states)]
    mean, std, states = flat
    return norm.logpdf(states[:, None], mean[None], std[None]).sum(-1)


def term(how, mean, std, states):
    normal = distributions.normal(mean, std, event_dims=1)
    return contrast.contrast(normal, tf.constant(states), how)


def test_observations_compete_for_a_state():
    mean, std, states = example()
    densities = pairwise(mean, std, states)
    expected = np.diag(densities) - logsumexp(densities, axis=1)
    found, accuracy = term("observations", mean, std, states)
    np.testing.assert_allclose(found, expected.reshape(3, 4), rtol=1e-4, atol=1e-4)
    right = np.diag(densities) >= densities.max(1)
    assert float(accuracy) == pytest.approx(right.mean())


@pytest.mark.parametrize(("batch", "length"), [(3, 4), (12, 32)])
def test_shifted_states_compete_for_an_observation_in_the_window(batch, length):
    mean, std, states = example(batch, length)
    found, _ = term("window", mean, std, states)
    candidates = []
    for i in range(-5, 5) if batch > 10 else range(batch):
        for j in range(-15, 15) if length > 30 else range(length):
            # Shifting back by (i, j) brings the state at (b + i, t + j) to (b, t).
            shifted = np.roll(states, (-i, -j), (0, 1))
            candidates.append(norm.logpdf(shifted, mean, std).sum(-1))
    assert len(candidates) == (300 if batch > 10 else 12)
    own = norm.logpdf(states, mean, std).sum(-1)
    expected = own - logsumexp(candidates, axis=0)
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("how", ["observations", "window"])
def test_no_choice_is_better_than_chance_where_all_observations_are_alike(how):
    shape = (3, 4, 5)
    found, _ = term(how, np.zeros(shape, "f4"), np.ones(shape, "f4"), np.zeros(shape, "f4"))
    np.testing.assert_allclose(found, -np.log(12), rtol=1e-5)


@pytest.mark.parametrize("objective", ["contrastive", "reward_only"])
def test_the_diagnostic_decoder_changes_nothing_but_itself(objective):
    batch = random_batch(observations=BOTH)
    before, after = {}, {}
    for shown in (True, False):
        agent = tiny_agent(
            observations=BOTH, model__objective=objective, model__diagnostic_decoder=shown
        )
        before[shown] = weights(agent)
        for number in range(2):
            agent.update(batch, SEED + number)
        agent.check()
        after[shown] = weights(agent)
    shared = after[False].keys() & after[True].keys()
    shared = [path for path in shared if not path.startswith("optimizer/decoder")]
    assert any(path.startswith("encoder/") for path in shared)
    for path in shared:
        np.testing.assert_array_equal(after[True][path], after[False][path], err_msg=path)
    own = [path for path in after[True] if path.startswith(("decoder/", "vector_decoder/"))]
    assert own and not [path for path in own if path in after[False]]
    for path in own:
        assert not np.array_equal(after[True][path], before[True][path]), path
    assert before[False].keys() == after[False].keys()


def gradients(objective):
    """Returns {path: gradient or None} of the model's loss, the KL without weight."""
    agent = tiny_agent(model__objective=objective, model__kl_scale=0)
    noise = agent.noise.update(3, 5, SEED).posterior
    with tf.GradientTape() as tape:
        losses, _ = agent.world_model.losses(agent.world_model.reconstruct(random_batch(), noise))
    paths = {id(variable): path for path, variable in agent.variables.items()}
    variables = [v for model in agent.world_model.models for v in model.trainable_variables]
    found = tape.gradient(losses["model"], variables)
    return {paths[id(v)]: gradient for v, gradient in zip(variables, found, strict=True)}


@pytest.mark.parametrize("objective", ["contrastive", "reward_only"])
def test_no_gradient_of_the_image_reaches_the_model(objective):
    found = gradients(objective)
    assert all(each is None for path, each in found.items() if path.startswith("decoder/"))
    assert all(np.any(each) for path, each in found.items() if path.startswith("encoder/"))


def test_a_full_batch_needs_no_more_than_200_megabytes():
    """Of the gradient's graph: no tensor is larger than all pairs of states and observations."""
    size = [50, 50, 230]

    def loss(mean, raw, states):
        normal = distributions.normal(mean, tf.nn.softplus(raw) + 0.01, event_dims=1)
        return -tf.reduce_mean(contrast.contrast(normal, states, "observations")[0])

    def gradient(*inputs):
        return tf.gradients(loss(*inputs), inputs)

    graph = (
        tf.function(gradient, autograph=False)
        .get_concrete_function(*[tf.TensorSpec(size)] * 3)
        .graph
    )
    shapes = [out.shape for op in graph.get_operations() for out in op.outputs]
    sizes = [shape.num_elements() for shape in shapes if shape.rank and shape.is_fully_defined()]
    assert max(sizes) == 2500 * 2500
    # Forward and backward hold a few of them at a time.
    assert sum(each == 2500 * 2500 for each in sizes) < 20
