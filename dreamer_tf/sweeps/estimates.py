"""What a sweep will cost in hours and on the disk, and what the estimate rests on."""

import dataclasses

from dreamer_tf.sweeps.plans import record_bytes

# Environment steps a second where nothing has been measured: the paper's hours for a million steps
# on its GPU, and two quiet cores with the preset `cpu`.
ASSUMED = {("paper", "planet"): 1e6 / 11 / 3600, ("paper", ""): 1e6 / 3 / 3600}
ASSUMED |= {("cpu", "planet"): 6.0, ("cpu", ""): 14.0, ("smoke", ""): 60.0}
START = 25.0  # Seconds until the first step: loading and compiling.


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The cost of what is left of a sweep.

    Attributes:
        seconds: of computing, one run after the other.
        bytes: of episodes that will be on the disk in the end.
        measured: how many of the runs' speeds were measured, the others are assumed.
    """

    seconds: float
    bytes: float
    measured: int


def estimate(plans, logdir, scale):
    """Returns the `Estimate` of the plans that are not done.

    The speed of a run is its own of late, or that of the other runs of the same agent and presets
    in the folder, or an assumed one.
    """
    progress = {plan: plan.progress(logdir) for plan in plans}
    speeds = {}
    for plan, each in progress.items():
        if each.speed:
            speeds.setdefault(plan.presets, []).append(each.speed)
    seconds, size, measured = 0.0, 0.0, 0
    for plan, each in progress.items():
        if each.done:
            continue
        config = plan.config()
        known = [each.speed] if each.speed else speeds.get(plan.presets)
        measured += bool(known)
        speed = sum(known) / len(known) if known else _assumed(scale, config.agent)
        seconds += START + (each.steps - each.step) / speed
        size += record_bytes(config)
    return Estimate(seconds, size, measured)


def _assumed(scale, agent):
    return ASSUMED.get((scale, agent)) or ASSUMED[scale, ""]
