"""A trained world model, stepped without its environment."""

import functools

import tensorflow as tf

from dreamer_tf.agents.dreamer import MODE_SAMPLES
from dreamer_tf.networks import distributions
from dreamer_tf.world_model.rssm import State


class Imagination:
    """Takes actions in the world model of a `Dreamer` and tells what it expects.

    States are those of `Agent.policy`: {"stoch": [N, S], "deter": [N, D], "action": [N, A]}, so
    that a dream can begin wherever a policy is. Seeds are int32 [2].

    Args:
        agent: a `Dreamer`.
    """

    def __init__(self, agent):
        self.agent = agent
        compiled = functools.partial(tf.function, autograph=False)
        self._act = compiled(self._traced_act)
        self._step = compiled(self._traced_step)
        self._look = compiled(self._traced_look)

    def act(self, state, seed):
        """Returns the actor's best actions [N, A] in a state."""
        return self._act(state, seed).numpy()

    def step(self, state, action, seed):
        """Returns the state that the model expects after actions [N, A]."""
        return {name: value.numpy() for name, value in self._step(state, action, seed).items()}

    def look(self, state):
        """Returns what the model expects to see in a state.

        Returns:
            {"reward": [N], "value": [N]}, with a discount head "discount" [N], and where the
            agent observes images "image", uint8 [N, 64, 64, 3].
        """
        return {name: value.numpy() for name, value in self._look(state).items()}

    def _traced_act(self, state, seed):
        policy = self.agent.actor(State(state["stoch"], state["deter"]).features)
        count, size = state["action"].shape
        shape = [MODE_SAMPLES, count, size]
        candidates = distributions.standard_normal(shape, seed)
        return distributions.mode(policy, candidates)

    def _traced_step(self, state, action, seed):
        noise = distributions.standard_normal(state["stoch"].shape, seed)
        previous = State(state["stoch"], state["deter"])
        following = self.agent.world_model.rssm.prior_step(previous, action, noise)
        return {"stoch": following.stoch, "deter": following.deter, "action": action}

    def _traced_look(self, state):
        model, features = self.agent.world_model, State(state["stoch"], state["deter"]).features
        found = {"reward": model.reward(features).mean()}
        found["value"] = self.agent.value(features).mean()
        if model.discount_head is not None:
            found["discount"] = model.discount_head(features).mean()
        if model.decoder is not None:
            found["image"] = model.decode_image(features)
        return found
