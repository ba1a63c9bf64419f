"""Dreams: a trained world model, stepped without its environment.

Not to be confused with imagination (`dreamer_tf.behavior`), by which an agent learns.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from dreamer_tf.agents.compiled import compiled, to_arrays
from dreamer_tf.agents.protocol import VECTOR
from dreamer_tf.networks import distributions
from dreamer_tf.networks.perceptrons import DenseHead
from dreamer_tf.world_model.rssm import State
from dreamer_tf.world_model.world_model import WorldModel

# Sequences are predicted in multiples of so many steps: those of figure 5's strip.
BLOCK = 51


class Dreams:
    """Takes actions in a `WorldModel` and tells what it expects.

    States are those of `Agent.policy`: {"stoch": [N, S], "deter": [N, D], "action": [N, A]}, so
    that a dream can begin wherever a policy is. Seeds are int32 [2].

    Args:
        world_model: `WorldModel`.
        choose: function of (`State` [N, ...], seed, mode) on tensors that returns the actions
            [N, A] of the agent; mode is `"mode"` or `"mean"`.
        value: head from features to a value distribution, None for agents without one.
    """

    def __init__(
        self,
        world_model: WorldModel,
        choose: Callable[[State, tf.Tensor, str], tf.Tensor],
        value: DenseHead | None = None,
    ):
        self.world_model = world_model
        self.choose = choose
        self.value = value
        self._predict = compiled(self._predict_graph)
        self._act = compiled(self._act_graph)
        self._step = compiled(self._step_graph)
        self._look = compiled(self._look_graph)

    @property
    def can_predict(self) -> bool:
        """Whether the model has decoders, so that `predict` returns something."""
        return bool(self.world_model.decoders)

    def predict(
        self, batch: dict[str, np.ndarray], context: int, seed: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Returns what the model expects to observe, {} if it has no decoders.

        It sees the first `context` steps of the sequences {field: [B, L, ...]}, then their actions
        alone.

        Returns:
            {"image": uint8 [B, L, 64, 64, 3], vectors float32 [B, L, V] under their names}.
        """
        if not self.can_predict:
            return {}
        length = batch["reward"].shape[1]
        # Each length would be compiled anew, ten seconds in the middle of a run. What follows the
        # end changes nothing before it.
        more = -length % BLOCK
        batch = {
            name: np.pad(value, [(0, 0), (0, more), *[(0, 0)] * (value.ndim - 2)], "edge")
            for name, value in batch.items()
        }
        found = self._predict(batch, context, seed)
        return {name: value[:, :length] for name, value in to_arrays(found).items()}

    def act(self, state: dict[str, np.ndarray], seed: np.ndarray, mode: str) -> np.ndarray:
        """Returns the agent's actions [N, A] in a state; see `Agent.policy` for the modes."""
        return self._act(state, seed, mode).numpy()

    def step(
        self, state: dict[str, np.ndarray], action: np.ndarray, seed: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Returns the state that the model expects after actions [N, A]."""
        return to_arrays(self._step(state, action, seed))

    def look(self, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns what the model expects to see in a state.

        Returns:
            {"reward": [N]}, where the agent has a value function "value" [N], with a discount head
            "discount" [N], and where it has decoders "image", uint8 [N, 64, 64, 3], and of each
            vector "vector/<name>" [N, V].
        """
        return to_arrays(self._look(state))

    def _predict_graph(self, batch, context, seed):
        batch_size, length = batch["reward"].shape
        shape = [length, batch_size, self.world_model.rssm.sizes.stoch]
        noise = distributions.standard_normal(shape, seed)
        states = self.world_model.open_loop(batch, context, noise)
        return self.world_model.decode(states.features)

    def _act_graph(self, state, seed, mode):
        return self.choose(State(state["stoch"], state["deter"]), seed, mode)

    def _step_graph(self, state, action, seed):
        noise = distributions.standard_normal(state["stoch"].shape, seed)
        previous = State(state["stoch"], state["deter"])
        following = self.world_model.rssm.prior_step(previous, action, noise)
        return {"stoch": following.stoch, "deter": following.deter, "action": action}

    def _look_graph(self, state):
        model, features = self.world_model, State(state["stoch"], state["deter"]).features
        found = {"reward": model.reward(features).mean()}
        if self.value is not None:
            found["value"] = self.value(features).mean()
        if model.discount_head is not None:
            found["discount"] = model.discounts(features)
        expected = model.decode(features)
        return found | {VECTOR * (name != "image") + name: each for name, each in expected.items()}
