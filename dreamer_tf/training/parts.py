"""What a `Trainer` is put together from."""

from typing import Any, NamedTuple

from dreamer_tf.agents.acting import Acting
from dreamer_tf.agents.protocol import Agent
from dreamer_tf.experience.collector import Collector
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sources import Source
from dreamer_tf.reports.display import Display
from dreamer_tf.reports.loggers import Loggers
from dreamer_tf.runs.snapshots import Kept
from dreamer_tf.training.evaluator import Evaluator


class Parts(NamedTuple):
    """What learns, from what, and what makes and measures it."""

    agent: Agent
    source: Source
    collector: Collector
    episodes: Episodes
    evaluator: Evaluator
    acting: Acting | None = None


def stateful(parts: Parts) -> dict[str, Any]:
    """Returns {name: part} of the `Parts` whose state a checkpoint holds."""
    return {name: part for name, part in parts._asdict().items() if name in Kept._fields}


class Reports(NamedTuple):
    """What the run tells: to files and to the terminal."""

    logger: Loggers
    display: Display
