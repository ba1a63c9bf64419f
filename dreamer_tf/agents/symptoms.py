"""What the metrics of an actor and a world model look like when they cannot learn."""

from dreamer_tf.config.sections import BehaviorConfig

# The root of Adam's second moment forgets an early gradient in thousands of updates, so that a
# gradient this small moves nothing for as long.
DEAD_GRADIENT = 1e-3
# Nats for each continuous action; exploration noise on top changes nothing of a saturated mean.
COLLAPSED_ENTROPY = -7.0
# An entropy limit from here on limits nothing.
NO_LIMIT = 10.0
# Nats of a choice: the most likely action has a probability of 0.998.
DECIDED_ENTROPY = 0.015
# Imagined returns of so many times what is possible. Of runs of one task whose rewards are 1, those
# that ended well came to 1.55, many that fell to 2.9, 4.4, 14, 21 and 108.
IMPOSSIBLE = 2.0
# Values are means of normals of this deviation: less of them says nothing.
UNIT = 1.0


def of_actor(
    metrics: dict[str, float], discrete: bool, actions: int, behavior: BehaviorConfig
) -> dict[str, str]:
    """Returns {name: what is wrong and what to try} of an actor that cannot learn any more.

    Args:
        metrics: {name: float}, those of `docs/metrics.md`, means over a block of updates.
        discrete: whether actions are choices.
        actions: size of an action.
        behavior: section of the configuration.
    """
    found = {}
    # Without a scale the limit is never looked at.
    if behavior.entropy_scale and behavior.entropy_limit < NO_LIMIT:
        cure = f"try a --behavior.entropy_limit above {behavior.entropy_limit:g}"
    else:
        cure = f"try a --behavior.entropy_scale above {behavior.entropy_scale:g}"
        cure += "" if discrete else ", or 0.3 with --behavior.entropy_limit -1"
    norm, entropy = metrics["actor_grad_norm"], metrics["action_ent"]
    if norm < DEAD_GRADIENT:
        found["gradient"] = (
            f"the actor has had no gradient (norm {norm:.1g}), so it cannot change any more: {cure}"
        )
    floor = DECIDED_ENTROPY if discrete else COLLAPSED_ENTROPY * actions
    if entropy < floor:
        found["entropy"] = (
            f"the actor's entropy has been collapsed ({entropy:.1f} nats), so it tries nothing "
            f"new: {cure}"
        )
    return found


def of_prior(metrics: dict[str, float], free_nats: float, free_nats_per: str) -> dict[str, str]:
    """Returns the same of a prior that nothing trains.

    Args:
        metrics: as for `of_actor`.
        free_nats, free_nats_per: those of the configuration.
    """
    # With free nats for each step, steps above them train the prior while the mean is below: the
    # KL of runs that learned was there for thousands of updates (docs/metrics.md).
    if free_nats_per != "batch" or not metrics["div"] < free_nats:
        return {}
    return {
        "kl": f"the KL ({metrics['div']:.2f} nats) has been below model.free_nats {free_nats:g}, "
        "so nothing trains the prior that imagination rolls out: try --model.free_nats 1, or "
        "--model.free_nats_per step"
    }


def of_value(
    metrics: dict[str, float], largest_reward: float, behavior: BehaviorConfig
) -> dict[str, str]:
    """Returns the same of a value function that follows its own predictions.

    Values are learned from themselves. Where the actor leads imagination to states that were not
    seen, nothing corrects them, and the more they promise, the more it goes there.

    Args:
        metrics: as for `of_actor`.
        largest_reward: the largest absolute reward that was learned from.
        behavior: section of the configuration.
    """
    imagined = abs(metrics["imagined_return"])
    if not largest_reward or behavior.discount == 1:
        return {}
    limit = largest_reward / (1 - behavior.discount)
    if not imagined > IMPOSSIBLE * max(limit, UNIT):
        return {}
    return {
        "value": f"values have run away (returns of {imagined:.3g} are imagined, where rewards of "
        f"{largest_reward:.2g} give {limit:.3g} at most), so the actor is led to states that "
        "nothing is known of: try a --behavior.value_learning_rate below "
        f"{behavior.value_learning_rate:g}, and a --behavior.actor_learning_rate below "
        f"{behavior.actor_learning_rate:g}"
    }
