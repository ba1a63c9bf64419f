"""The policy that collects while its agent learns (train.overlap)."""

from collections.abc import Mapping

import numpy as np

from dreamer_tf.agents.protocol import Agent


class Acting:
    """A copy of an agent with the weights of some moment, to act with.

    Args:
        agent: the `Agent` that learns.
        copy: another one, made alike; only its policy is used.
    """

    def __init__(self, agent: Agent, copy: Agent):
        self.copy = copy
        shared = [path for path in copy.variables if not path.startswith("optimizer/")]
        self._pairs = {path: (copy.variables[path], agent.variables[path]) for path in shared}
        self._restored = False

    def refresh(self) -> None:
        """Takes the agent's weights of now; once after `restore`, those of the checkpoint stay."""
        if not self._restored:
            for own, learned in self._pairs.values():
                own.assign(learned)
        self._restored = False

    def state(self) -> dict[str, np.ndarray | np.generic]:
        """Returns {path: array} of the weights."""
        return {path: own.numpy() for path, (own, _) in self._pairs.items()}

    def restore(self, arrays: Mapping[str, np.ndarray | np.generic]) -> None:
        """Takes back what `state` returned; {} where nothing was being collected meanwhile."""
        for path, array in arrays.items():
            self._pairs[path][0].assign(array)
        self._restored = bool(arrays)
