"""What the rest of the program knows of an agent."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dreamer_tf.agents.description import Description
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.experience.sources import Rollouts, Sequences, Windows

if TYPE_CHECKING:
    import tensorflow as tf

# What a vector is called among the things that a dream shows, see `Dreams.look`.
VECTOR = "vector/"


class Agent(Protocol):
    """An agent that acts in N environments at once and learns from experience.

    It is made as `Agent(config, spec, precision)`, see `dreamer_tf.agents.make`. Dictionaries of
    arrays have the environments or the batch as leading dimension. A state is a flat dictionary, so
    that one environment's row can be stored or replaced.
    """

    spec: EnvSpec
    """Of the environments."""

    variables: "dict[str, tf.Variable]"
    """{path: variable} of all that a checkpoint must hold. Those that begin with `optimizer/` or
    `updates` say how far learning is; the others are the weights."""

    dreams: object
    """`Dreams`, or a class with its can_predict and its methods predict, act, step and look; None
    for an agent that learns no world model."""

    experience: Sequences | Windows | Rollouts
    """What it wants to learn from: the form of the batches that `update` gets."""

    together: Callable[[], AbstractContextManager]
    """Called for what `update` has to happen in; replaced where several processes share a run.
    `CompiledAgent` has it."""

    def initial_state(self, count: int) -> dict[str, np.ndarray]:
        """Returns the state of `count` environments before their first observation."""

    def policy(
        self,
        observation: dict[str, np.ndarray],
        is_first: np.ndarray,
        state: dict[str, np.ndarray],
        seed: np.ndarray,
        mode: str,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Chooses actions.

        Args:
            observation: {name: [N, ...]} as in a time step.
            is_first: [N] bool; the state's row is forgotten where an episode begins.
            state: what `initial_state` or the last call returned.
            seed: int32 [2].
            mode: `"explore"` to collect experience; the best action as `"mode"` or `"mean"` of the
                policy. An agent whose policy knows no difference takes both alike.

        Returns:
            (actions float32 [N, A], state).
        """

    def to_device(self, batch: dict[str, np.ndarray]) -> "Mapping[str, np.ndarray | tf.Tensor]":
        """Returns a batch as `update` takes it soonest; may be called in another thread."""

    def update(
        self, batch: "Mapping[str, np.ndarray | tf.Tensor]", seed: np.ndarray
    ) -> "dict[str, tf.Tensor]":
        """Learns from a batch of its `experience`; returns {name: scalar tensor}.

        Where the experience has priorities, the new ones of the batch are among them, as
        `"priorities"` [batch], -1 where one stays what it was.
        """

    def report(
        self, batch: "Mapping[str, np.ndarray | tf.Tensor]", seed: np.ndarray
    ) -> "dict[str, tf.Tensor]":
        """Returns {name: scalar tensor} of diagnostics too costly for every update."""

    def symptoms(self, metrics: dict[str, float]) -> dict[str, str]:
        """Returns {name: what is wrong and what to try}, see `symptoms.py`; {} for a healthy agent.

        Args:
            metrics: {name: float}, the means over a block of updates and what `report` gave.
        """

    def check(self) -> None:
        """Raises `FloatingPointError` naming the quantity if an update met a non-finite one."""

    def describe(self) -> Description:
        """Returns a `Description`."""


def without_dreams(name: str) -> str:
    """Returns the line that says why there is nothing to predict or to dream.

    Args:
        name: the agent's name in the configuration.
    """
    return f"the agent {name} learns no world model, so it has no dreams"
