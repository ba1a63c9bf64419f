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
        measured: how many of the runs' speeds were measured, the others are assumed.
        assumed: what those rest on, texts of `costs`.
    """

    seconds: float
    bytes: float
    measured: int
    assumed: tuple[str, ...]


def estimate(plans: Sequence[Plan], logdir: str | Path, gpu: bool, beside: int = 1) -> Estimate:
    """Returns the `Estimate` of the plans that are not done.

    The speed of a run is its own of late, or that of the other runs of the same agent and presets
    in the folder, or one that its configuration lets expect.

    Args:
        plans: `Plan`s.
        logdir: folder of all runs.
        gpu: whether each run has a GPU, or a part of one.
        beside: how many run at a time; of those that keep no episodes, no more are on the disk.
    """
    progress = {plan: plan.progress(logdir) for plan in plans}
    speeds = {}
    for plan, each in progress.items():
        if each.speed:
            speeds.setdefault(plan.presets, []).append(each.speed)
    seconds, measured, assumed = 0.0, 0, {}
    kept, passing, checkpoints = [], [], 0.0
    for plan, each in progress.items():
        if each.done:
            continue
        config = plan.config()
        known = [each.speed] if each.speed else speeds.get(plan.presets)
        measured += bool(known)
        if known:
            seconds += costs.START + (each.steps - each.step) * len(known) / sum(known)
        else:
            whole, basis = costs.seconds(config, gpu)
            # A run may have been begun with more steps than are planned here.
            seconds += costs.START + whole * (each.steps - each.step) / config.steps
            assumed[basis] = True
        left = sizes.record_bytes(config, each.steps) * (1 - each.step / each.steps)
        checkpoints += 0 if each.saved else sizes.checkpoint_bytes(config)
        (kept if config.replay.keep else passing).append(left)
    size = checkpoints + sum(kept) + sum(sorted(passing)[-beside:])
    return Estimate(seconds, size, measured, tuple(assumed))
