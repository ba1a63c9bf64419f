"""What the metrics of D4PG and A3C look like when they cannot learn; see `symptoms.py`."""

from dreamer_tf.agents.symptoms import COLLAPSED_ENTROPY, DECIDED_ENTROPY

# Of the targets' mass; what is beyond the support is learned as its end.
OUTSIDE = 0.2
# Of all actions; behind the tanh's flat ends the critic's gradient hardly moves the actor.
SATURATED = 0.98


def of_d4pg(metrics: dict[str, float]) -> dict[str, str]:
    """Returns {name: what is wrong and what to try} of D4PG's metrics."""
    found = {}
    if metrics["outside"] > OUTSIDE:
        found["support"] = (
            f"{metrics['outside']:.0%} of the returns have been outside the critic's atoms: try a "
            "wider range, --d4pg.value_min and --d4pg.value_max"
        )
    if metrics["saturated"] > SATURATED:
        found["saturated"] = (
            f"{metrics['saturated']:.0%} of the actor's actions have been extreme, so it hardly "
            "changes: try a smaller --d4pg.actor_learning_rate"
        )
    return found


def of_a3c(metrics: dict[str, float], discrete: bool, actions: int) -> dict[str, str]:
    """Returns the same of A3C's.

    Args:
        metrics: {name: float}.
        discrete: whether actions are choices.
        actions: size of an action.
    """
    floor = DECIDED_ENTROPY if discrete else COLLAPSED_ENTROPY * actions
    if not metrics["action_ent"] < floor:  # It may be NaN, not known.
        return {}
    return {
        "entropy": f"the policy's entropy has been collapsed ({metrics['action_ent']:.1f} nats), "
        "so it tries nothing new: try a larger --a3c.entropy or a smaller --a3c.learning_rate"
    }
