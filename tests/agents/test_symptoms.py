"""Signs that an agent cannot learn: told once, after they lasted, and not of healthy runs."""

import csv
import math
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from agents_for_tests import random_batch, tiny_agent
from runs_for_tests import ROOT

from dreamer_tf.agents import symptoms
from dreamer_tf.reports.watch import PATIENCE, Watch

SEED = np.array([3, 4], np.int32)
pytestmark = pytest.mark.usefixtures("eager")
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
    without = of_actor(STUCK, False, 1, scale=0.0, limit=-1.0)
    decided = of_actor(STUCK, True, 2, scale=1e-3)
    assert set(limited) == set(without) == set(decided) == {"gradient", "entropy"}
    assert all("a --behavior.entropy_limit above -1" in each for each in limited.values())
    assert all("a --behavior.entropy_scale above 0" in each for each in without.values())
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


@pytest.mark.parametrize(
    ("imagined", "largest", "discount", "expected"),
    [
        # The worst block of a run whose rewards are 1: values of 2500 at most.
        (1399.0, 1.0, 0.99, True),
        (104.0, 1.0, 0.99, False),
        (155.0, 1.0, 0.99, False),
        (201.0, 1.0, 0.99, True),
        (-3100.0, 16.0, 0.99, False),
        (-3300.0, 16.0, 0.99, True),
        (201.0, 1.0, 1.0, False),
        (0.5, 0.0, 0.99, False),
        # Values are no more exact than 1.
        (1.5, 1e-3, 0.99, False),
        (math.nan, 1.0, 0.99, False),
        (1399.0, math.nan, 0.99, False),
    ],
)
def test_values_that_no_rewards_can_give(imagined, largest, discount, expected):
    metrics = {"imagined_return": imagined}
    behavior = SimpleNamespace(
        discount=discount, value_learning_rate=1e-3, actor_learning_rate=3e-4
    )
    found = symptoms.of_value(metrics, largest, behavior)
    assert set(found) == ({"value"} if expected else set())
    if largest == 1 and expected:
        assert "rewards of 1 give 100 at most" in found["value"]
        assert "value_learning_rate below 0.001" in found["value"]


def test_a_dreamer_whose_values_run_away_says_so():
    agent, batch = tiny_agent(), random_batch()
    learned = {name: float(value) for name, value in agent.update(batch, SEED).items()}
    learned["action_ent"] = 0.0
    assert "value" not in agent.symptoms(learned)
    bias = agent.value.parameters.bias
    bias.assign(bias + 1e5)
    learned |= {name: float(value) for name, value in agent.update(batch, SEED).items()}
    assert "value" in agent.symptoms(learned)


def test_rewards_of_earlier_blocks_count_where_rewards_are_rare():
    agent = tiny_agent()
    healthy = LEARNING | {"imagined_return": 50.0}
    assert "value" not in agent.symptoms(healthy | {"largest_reward": 1.0})
    assert "value" not in agent.symptoms(healthy | {"largest_reward": 1e-3})
    assert "value" in tiny_agent().symptoms(healthy | {"largest_reward": 1e-3})


def kl_of(name):
    """Returns the free nats of a committed curve and {update: mean KL in nats}."""
    folder = ROOT / "docs" / "runs" / name
    settings = yaml.safe_load((folder / "config.yaml").read_text())["model"]
    rows = list(csv.DictReader((folder / "curve.csv").read_text().splitlines()))
    kls = {int(row["update"]): float(row["div"]) for row in rows if row["div"]}
    return settings["free_nats"], settings["free_nats_per"], kls


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        # Of all from pixels the one that learned most; its KL is below the nat until update 2300.
        ("dmc_cartpole_swingup/pixels/0", 2200),
        # The best of all at the end, where it is below.
        ("dmc_cartpole_swingup/control/0", 300),
    ],
)
def test_a_mean_below_the_free_nats_of_steps_is_no_symptom_of_runs_that_learn(name, longest):
    free, per, kls = kl_of(name)
    assert (free, per) == (1.0, "step")
    below = [update for update, kl in kls.items() if kl < free]
    # Long enough for a run to warn.
    assert below[-1] - below[0] >= longest >= PATIENCE
    told = []
    watch = Watch(told.append)
    for update, kl in kls.items():
        watch.notice(symptoms.of_prior({"div": kl}, free, per), update)
    assert told == []


def test_learned_and_failed_runs_are_alike_in_their_kl():
    """Where the first 1600 updates tell them apart, docs/metrics.md is to be corrected."""
    learned, failed = (kl_of(f"dmc_cartpole_swingup/{name}/0")[2] for name in ("pixels", "p8"))
    same = [update for update in learned if 290 <= update <= 1600 and update in failed]
    assert len(same) > 10
    differences = [learned[update] - failed[update] for update in same]
    assert max(map(abs, differences)) < 0.15 and min(differences) < 0
    # One that failed as far above its free nats as any that learned.
    assert min(kl_of("dmc_cartpole_swingup/vec16x50_scale100/0")[2].values()) > 1.5


def test_a_symptom_is_told_once_and_only_after_it_lasted():
    told = []
    watch = Watch(told.append)
    for update in range(0, PATIENCE, 50):
        watch.notice({"gradient": "it is dead"}, update)
    assert not told
    for update in range(PATIENCE, 3 * PATIENCE, 50):
        watch.notice({"gradient": "it is dead"}, update)
    assert len(told) == 1 and f"{PATIENCE} updates it is dead" in told[0]


def test_what_cannot_be_right_is_told_at_once_and_once():
    told = []
    watch = Watch(told.append)
    for update in range(0, 2 * PATIENCE, 50):
        watch.notice({"value": "they have run away", "kl": "it is low"}, update)
        assert told[0] == "they have run away (docs/metrics.md)"
        assert len(told) == (1 if update < PATIENCE else 2)


def test_a_pause_begins_the_count_anew():
    told = []
    watch = Watch(told.append)
    for update in range(0, 4 * PATIENCE, 50):
        watch.notice({} if update % PATIENCE == 100 else {"kl": "it is low"}, update)
    assert not told
