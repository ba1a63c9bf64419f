"""What a sweep will cost in hours and on the disk, and what the estimate rests on."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from dreamer_tf.sweeps import costs, sizes
from dreamer_tf.sweeps.plans import Plan


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The cost of what is left of a sweep.

    Attributes:
        seconds: of computing, one run after the other.
        bytes: of episodes and checkpoints that will be on the disk at once, beside those that are
            there already.
        measured: how many of the runs' speeds follow from measured ones, the others are assumed.
        assumed: what those rest on, texts of `costs`.
    """

    seconds: float
    bytes: float
    measured: int
    assumed: tuple[str, ...]


def estimate(plans: Sequence[Plan], logdir: str | Path, gpu: bool, beside: int = 1) -> Estimate:
    """Returns the `Estimate` of the plans that are not done.

    The speed of a run is its own of late, or what its configuration lets expect, times how much
    faster or slower than that the other runs of the same presets in the folder were.

    Args:
        plans: `Plan`s.
        logdir: folder of all runs.
        gpu: whether each run has a GPU, or a part of one.
        beside: how many run at a time; of those that keep no episodes, no more are on the disk.
    """
    progress = {plan: plan.progress(logdir) for plan in plans}
    expected, ratios = {}, {}
    for plan, each in progress.items():
        whole, basis = costs.seconds(plan.config(), gpu)
        expected[plan] = whole / plan.config().steps, basis
        if each.speed:
            ratio = 1 / each.speed / expected[plan][0]
            ratios.setdefault(plan.presets, []).append(ratio)
    seconds, measured, assumed = 0.0, 0, {}
    kept, passing, checkpoints = [], [], 0.0
    for plan, each in progress.items():
        if each.done:
            continue
        config = plan.config()
        step, basis = expected[plan]
        known = ratios.get(plan.presets)
        if each.speed:
            step = 1 / each.speed
        elif known:
            step *= sum(known) / len(known)
        else:
            assumed[basis] = True
        measured += bool(known)
        seconds += costs.START + step * (each.steps - each.step)
        left = sizes.record_bytes(config, each.steps) * (1 - each.step / each.steps)
        checkpoints += 0 if each.saved else sizes.checkpoint_bytes(config)
        (kept if config.replay.keep else passing).append(left)
    size = checkpoints + sum(kept) + sum(sorted(passing)[-beside:])
    return Estimate(seconds, size, measured, tuple(assumed))
