"""How far a run is."""

from dataclasses import dataclass


@dataclass
class Counters:
    """How far a run is.

    step: environment steps, action repeat included; update: gradient updates; episodes: finished
    training episodes, whether kept or not; evaluated_at: step of the last evaluation, -1 before
    the first; evaluations: how many were due by then, made or not; wall_time: seconds of running,
    over all sessions.
    """

    step: int = 0
    update: int = 0
    episodes: int = 0
    evaluations: int = 0
    evaluated_at: int = -1
    wall_time: float = 0.0
