"""The border between arrays and TensorFlow's graphs."""

import contextlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from dreamer_tf.networks import devices


def compiled(function: Callable[..., Any], xla: bool = False) -> Callable[..., Any]:
    """Returns a function as a graph, traced once for each shape of its arguments.

    Args:
        function: takes and returns nests of tensors.
        xla: whether XLA compiles the graph.
    """
    # Nothing here needs AutoGraph, which leaves files behind where a process is killed.
    return tf.function(function, autograph=False, jit_compile=xla or None)


class CompiledAgent:
    """The part of the `Agent` protocol that crosses the border; arrays in and arrays out.

    A subclass has the methods `policy_graph`, `update_graph` and `report_graph` with the arguments
    of `policy`, `update` and `report`, on tensors. Updates are shared by the devices of the
    `devices.scope` in which the agent is made.

    Args:
        xla: whether XLA compiles updates.
    """

    def __init__(self, xla: bool):
        self._policy = compiled(self.policy_graph)
        self._update = compiled(devices.shared(self.update_graph), xla)
        self._report = compiled(self.report_graph)
        self.together = contextlib.nullcontext  # `Team.lead` in the first of several processes.

    def policy(
        self,
        observation: dict[str, np.ndarray],
        is_first: np.ndarray,
        state: dict[str, np.ndarray],
        seed: np.ndarray,
        mode: str,
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """See `Agent.policy`; one compiled call."""
        action, state = self._policy(observation, is_first, state, seed, mode)
        return action.numpy(), to_arrays(state)

    def to_device(self, batch: dict[str, np.ndarray]) -> dict[str, tf.Tensor]:
        """See `Agent.to_device`."""
        return {name: tf.convert_to_tensor(value) for name, value in batch.items()}

    def update(
        self, batch: Mapping[str, np.ndarray | tf.Tensor], seed: np.ndarray
    ) -> dict[str, tf.Tensor]:
        """See `Agent.update`; one compiled call."""
        with self.together():
            return self._update(batch, seed)

    def report(
        self, batch: Mapping[str, np.ndarray | tf.Tensor], seed: np.ndarray
    ) -> dict[str, tf.Tensor]:
        """See `Agent.report`; one compiled call."""
        return self._report(batch, seed)


def to_arrays(tensors: dict[str, tf.Tensor]) -> dict[str, np.ndarray]:
    """Returns {name: array} of {name: tensor}."""
    return {name: tensor.numpy() for name, tensor in tensors.items()}
