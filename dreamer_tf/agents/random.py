"""Uniformly random actions: the policy of the first episodes."""

import numpy as np

from dreamer_tf.basics import seeding
from dreamer_tf.envs.spec import EnvSpec


class RandomPolicy:
    """Acts like an agent that has learned nothing.

    Args:
        spec: `EnvSpec` of the environments.
        seed: the run's seed.
    """

    def __init__(self, spec: EnvSpec, seed: int):
        self.spec = spec
        self.seed = seed

    def __call__(self, count: int, step: int) -> np.ndarray:
        """Returns actions float32 [count, A] that depend on the seed and `step` only."""
        random = seeding.generator(self.seed, "prefill", step)
        shape = (count, self.spec.action_size)
        if not self.spec.discrete:
            return random.uniform(-1, 1, shape).astype(np.float32)
        return np.eye(shape[1], dtype=np.float32)[random.integers(shape[1], size=count)]
