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
    PlannerConfig,
)
from dreamer_tf.basics.errors import UserError


@dataclasses.dataclass(frozen=True)
class Entry:
    """What is known of an agent before it is imported.

    Attributes:
        place: "module:class", the module by its full name.
        description: one line for people.
        sections: {name: dataclass} of the configuration's sections that it uses.
        unused: keys of these sections that mean nothing to it.
        discrete: whether it can choose among discrete actions.
    """

    place: str
    description: str
    sections: dict
    unused: frozenset = frozenset()
    discrete: bool = True


WORLD_MODEL = {"exploration": ExplorationConfig, "model": ModelConfig}
IMAGINING = WORLD_MODEL | {"behavior": BehaviorConfig, "optimizer": OptimizerConfig}

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
            + ["model.discount_head", "model.discount_layers", "model.discount_scale"]
        ),
        discrete=False,
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


def check_fits(name, task, spec):
    """Raises a UserError unless an agent can learn in an environment.

    Args:
        name: of the agent.
        task: the environment's name.
        spec: its `EnvSpec`.
    """
    if spec.discrete and not AGENTS[name].discrete:
        able = [each for each, entry in AGENTS.items() if entry.discrete]
        raise UserError(
            f"the agent {name} needs continuous actions, and {task} has {spec.action_size} "
            f"choices: take another --agent ({', '.join(able)})"
        )
