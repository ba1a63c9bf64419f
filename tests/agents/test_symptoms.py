"""Signs that an agent cannot learn: told once, after they lasted, and not of healthy runs."""

from types import SimpleNamespace

import pytest

from dreamer_tf.agents import symptoms
from dreamer_tf.reports.watch import PATIENCE, Watch

# Measured on runs of dmc_cartpole_swingup: stuck at a constant action, and learning.
STUCK = {"actor_grad_norm": 2e-5, "action_ent": -13.0, "div": 2.4}
LEARNING = {"actor_grad_norm": 0.3, "action_ent": -4.5, "div": 0.9}


def of_actor(metrics, discrete, actions, scale=0.01, limit=10.0):
    behavior = SimpleNamespace(entropy_scale=scale, entropy_limit=limit)
    return symptoms.of_actor(metrics, discrete, actions, behavior)


def test_a_stuck_actor_shows_both_signs_and_a_learning_one_none():
    assert set(of_actor(STUCK, False, 1)) == {"gradient", "entropy"}
    assert of_actor(LEARNING, False, 1) == {}
    # The same entropy over six actions is none to worry about.
    assert set(of_actor(STUCK, False, 6)) == {"gradient"}


def test_what_to_try_is_not_what_the_run_has():
    cure = of_actor(STUCK, False, 1)["gradient"]
    assert "a --behavior.entropy_scale above 0.01, or 0.3 with --behavior.entropy_limit -1" in cure
    limited = of_actor(STUCK, False, 1, scale=0.3, limit=-1.0)
    assert all("a --behavior.entropy_limit above -1" in each for each in limited.values())
    decided = of_actor(STUCK, True, 2, scale=1e-3)
    assert all(each.endswith("a --behavior.entropy_scale above 0.001") for each in decided.values())


def test_choices_have_entropies_of_their_own():
    decided = {"actor_grad_norm": 0.1, "action_ent": 0.001}
    assert set(of_actor(decided, True, 2)) == {"entropy"}
    assert of_actor(decided | {"action_ent": 0.3}, True, 2) == {}


@pytest.mark.parametrize(
    ("free_nats", "per", "expected"),
    [(3.0, "batch", True), (1.0, "batch", False), (3.0, "step", False), (0.0, "batch", False)],
)
def test_a_prior_that_nothing_trains(free_nats, per, expected):
    assert bool(symptoms.of_prior(STUCK, free_nats, per)) == expected


def test_a_symptom_is_told_once_and_only_after_it_lasted():
    told = []
    watch = Watch(told.append)
    for update in range(0, PATIENCE, 50):
        watch.notice({"gradient": "it is dead"}, update)
    assert not told
    for update in range(PATIENCE, 3 * PATIENCE, 50):
        watch.notice({"gradient": "it is dead"}, update)
    assert len(told) == 1 and f"{PATIENCE} updates it is dead" in told[0]


def test_a_pause_begins_the_count_anew():
    told = []
    watch = Watch(told.append)
    for update in range(0, 4 * PATIENCE, 50):
        watch.notice({} if update % PATIENCE == 100 else {"kl": "it is low"}, update)
    assert not told
