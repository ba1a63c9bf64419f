"""The agents by name, free of TensorFlow.

A new agent is a class that fulfils `protocol.Agent` in a file of its own, its section in
`sections.py` with values and explanations in `configs/dreamer.yaml`, a row here, and a preset.
"""

import dataclasses

from dreamer_tf.agents.sections import (
    BehaviorConfig,
    ExplorationConfig,
    ModelConfig,
    OptimizerConfig,
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known of an agent before it is imported.

    Attributes:
        place: "module:class", the module by its full name.
        description: one line for people.
        sections: {name: dataclass} of the configuration's sections that it uses.
    """

    place: str
    description: str
    sections: dict


AGENTS = {
    "dreamer": Entry(
        place="dreamer_tf.agents.dreamer:Dreamer",
        description="Actor and value function, learned in the imagination of a world model.",
        sections={
            "exploration": ExplorationConfig,
            "model": ModelConfig,
            "behavior": BehaviorConfig,
            "optimizer": OptimizerConfig,
        },
    ),
}


def all_sections():
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
