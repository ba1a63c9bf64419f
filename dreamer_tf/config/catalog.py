"""The agents by name, free of TensorFlow.

A new agent is a class that fulfils `agents.protocol.Agent` in a file of its own, its section in
`sections.py` or `baseline_sections.py` with values and explanations in `configs/dreamer.yaml`, a
row here, and a preset.
"""

import dataclasses

from dreamer_tf.config.baseline_sections import A3cConfig, D4pgConfig
from dreamer_tf.config.fields import Section
from dreamer_tf.config.sections import (
    BehaviorConfig,
    ExplorationConfig,
    ModelConfig,
    OptimizerConfig,
    PlannerConfig,
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known of an agent before it is imported.

    Attributes:
        place: "module:class", the module by its full name.
        description: one line for people.
        sections: {name: dataclass} of the configuration's sections that it uses.
        unused: keys of these sections, and of those of all runs, that mean nothing to it.
        tolerated: those of them that files may hold all the same, since older versions wrote them.
        at_once: whether it learns from rollouts as they come, so that there is no prefill.
    """

    place: str
    description: str
    sections: dict
    unused: frozenset = frozenset()
    tolerated: frozenset = frozenset()
    at_once: bool = False


WORLD_MODEL = {"exploration": ExplorationConfig, "model": ModelConfig}
IMAGINING = WORLD_MODEL | {"behavior": BehaviorConfig, "optimizer": OptimizerConfig}
# Of the section train, which all runs have.
NOT_FOR_ROLLOUTS = frozenset(
    f"train.{name}" for name in ("prefill", "pretrain", "every", "batch_size", "batch_length")
)

AGENTS = {
    "dreamer": Entry(
        place="dreamer_tf.agents.dreamer:Dreamer",
        description="Actor and value function, learned in the imagination of a world model.",
        sections=IMAGINING,
    ),
    "no_value": Entry(
        place="dreamer_tf.agents.no_value:NoValue",
        description="The paper's ablation: an actor that maximises imagined rewards, no values.",
        sections=IMAGINING,
        unused=frozenset(
            f"behavior.{name}"
            for name in ("lambda_", "bootstrap", "value_layers", "value_learning_rate")
        ),
    ),
    "planet": Entry(
        place="dreamer_tf.agents.planet:PlaNet",
        description="The paper's comparison: a world model and online planning, no actor.",
        sections=WORLD_MODEL | {"optimizer": OptimizerConfig, "planner": PlannerConfig},
        unused=frozenset(
            ["exploration.epsilon", "exploration.epsilon_final", "exploration.epsilon_updates"]
            + [f"model.discount_{name}" for name in ("head", "labels", "layers", "scale")]
        ),
    ),
    "d4pg": Entry(
        place="dreamer_tf.agents.d4pg:D4PG",
        description="Deterministic actor and a critic of return distributions, from replay.",
        sections={"d4pg": D4pgConfig, "optimizer": OptimizerConfig},
        unused=frozenset(["devices", "train.batch_length", "replay.balance"]),
        tolerated=frozenset(["train.batch_length"]),
    ),
    "a3c": Entry(
        place="dreamer_tf.agents.a3c:A3C",
        description="Advantage actor-critic on rollouts of parallel environments, from vectors.",
        sections={"a3c": A3cConfig},
        unused=NOT_FOR_ROLLOUTS | {"devices", "replay.balance"},
        tolerated=NOT_FOR_ROLLOUTS,
        at_once=True,
    ),
}


def all_sections() -> dict[str, type[Section]]:
    """Returns {name: dataclass} of the sections of all agents, in the order of the table.

    Raises:
        ValueError: two agents mean different sections by one name.
    """
    found = {}
    for entry in AGENTS.values():
        for name, section in entry.sections.items():
            if found.setdefault(name, section) is not section:
                raise ValueError(f"two sections are called {name}")
    return found
