"""The projection of distributions of returns, against a loop over atoms (Bellemare et al. 2017)."""

import numpy as np
import pytest

from dreamer_tf.networks.categorical import Support


def projected(support, places, masses):
    """Algorithm 1 of the paper: every mass goes to the two atoms around its place."""
    width = (support.maximum - support.minimum) / (support.atoms - 1)
    found = np.zeros((len(places), support.atoms))
    for row in range(len(places)):
        for place, mass in zip(places[row], masses[row], strict=True):
            b = (np.clip(place, support.minimum, support.maximum) - support.minimum) / width
            low, high = int(np.floor(b)), int(np.ceil(b))
            if low == high:
                found[row, low] += mass
            else:
                found[row, low] += mass * (high - b)
                found[row, high] += mass * (b - low)
    return found


@pytest.mark.parametrize("support", [Support(-2.0, 5.0, 15), Support(-150.0, 150.0, 101)])
def test_masses_go_to_the_neighbours(support):
    random = np.random.default_rng(0)
    reach = 1.3 * (support.maximum - support.minimum)
    places = random.uniform(-reach, reach, (6, 9)).astype(np.float32)
    # On atoms, at the ends and beyond them.
    places[0, :5] = [*support.values[[0, 3, -1]], support.minimum - 1, support.maximum + 1e6]
    masses = random.dirichlet(np.ones(9), 6).astype(np.float32)
    found = support.project(places, masses).numpy()
    np.testing.assert_allclose(found, projected(support, places, masses), atol=2e-5)
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)


def test_the_mean_stays_inside_the_support():
    support = Support(-3.0, 9.0, 7)
    random = np.random.default_rng(1)
    masses = random.dirichlet(np.ones(7), 4).astype(np.float32)
    places = (1.5 + 0.5 * support.values[None]).repeat(4, 0)
    found = support.project(places, masses)
    np.testing.assert_allclose(
        support.mean(found), 1.5 + 0.5 * (masses * support.values).sum(1), rtol=1e-5
    )
    np.testing.assert_allclose(support.mean(masses), (masses * support.values).sum(1), rtol=1e-6)


def test_a_terminal_step_is_one_place():
    support = Support(0.0, 10.0, 11)
    found = support.project(np.full((1, 11), 3.25, np.float32), np.full((1, 11), 1 / 11, "f4"))
    expected = np.zeros(11)
    expected[[3, 4]] = 0.75, 0.25
    np.testing.assert_allclose(found[0], expected, atol=1e-6)
