"""Collecting beside a block of updates (train.overlap)."""

import dataclasses
from collections.abc import Callable

from dreamer_tf.agents.acting import Acting
from dreamer_tf.basics import seeding
from dreamer_tf.experience.ahead import Ahead
from dreamer_tf.experience.collector import Collector
from dreamer_tf.runs.counters import Counters
from dreamer_tf.training.schedule import Schedule


def begin(
    collector: Collector,
    acting: Acting | None,
    schedule: Schedule,
    counters: Counters,
    seed: int,
    action_repeat: int,
    end: int,
) -> Ahead | None:
    """Begins to make the steps up to the next block of updates, with the policy as it is now.

    Args:
        collector: `Collector`.
        acting: `Acting`, None where a run does not collect while it learns.
        schedule: `Schedule`.
        counters: `Counters` at the block's start, or where it goes on.
        seed: the run's seed.
        action_repeat: environment steps that an action lasts.
        end: the update at which the block under way ends.

    Returns:
        `Ahead`, or None: older steps have more updates to come first, or no steps are left, or
        these are the updates right after the prefill.
    """
    due = schedule.updates_due(counters)
    if acting is None or due != end or schedule.collected(counters):
        return None
    if not schedule.pretrained(counters):
        return None  # The first evaluation comes between.
    acting.refresh()
    start, made_before = dataclasses.replace(counters), collector.steps

    def at(made):
        return dataclasses.replace(start, step=start.step + made * action_repeat)

    def act(observation, is_first, state):
        now = at(collector.steps - made_before)
        noise = seeding.pair(seed, "policy", now.step)
        return acting.copy.policy(observation, is_first, state, noise, "explore")

    def enough(made):
        return schedule.collected(at(made)) or schedule.updates_due(at(made)) > due

    return Ahead(collector, act, enough)


def wait(ahead: Ahead | None, stopping: Callable[[], bool]) -> None:
    """Waits until the steps beside the updates are made, or the run is to stop.

    It is called before the last update of a block: a stop that comes while environments are slower
    than the updates then still finds the block under way, from where the steps are made again.

    Args:
        ahead: `Ahead` or None.
        stopping: function that returns whether the run is to stop.
    """
    while ahead is not None and not stopping() and not ahead.wait(0.1):
        pass
