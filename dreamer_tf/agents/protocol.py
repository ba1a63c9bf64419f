"""What the trainer knows of an agent."""

from typing import Protocol


class Agent(Protocol):
    """An agent that acts in N environments at once and learns from experience.

    Dictionaries of arrays have the environments or the batch as leading dimension. A state is a
    flat dictionary, so that one environment's row can be stored or replaced.
    """

    variables: dict
    """{path: variable} of all that a checkpoint must hold."""

    experience: object
    """What it learns from: `Sequences`, `Windows` or `Rollouts`, see `experience.sources`."""

    def initial_state(self, count):
        """Returns the state of `count` environments before their first observation."""

    def policy(self, observation, is_first, state, seed, mode):
        """Chooses actions.

        Args:
            observation: {name: [N, ...]} as in a time step.
            is_first: [N] bool; the state's row is forgotten where an episode begins.
            state: what `initial_state` or the last call returned.
            seed: int32 [2].
            mode: `"explore"` or `"evaluate"`.

        Returns:
            (actions float32 [N, A], state).
        """

    def update(self, batch, seed):
        """Learns from a batch as `experience` describes it; returns {name: scalar tensor}.

        Where windows are drawn by priority, `"priorities"` [B] are among them.
        """

    def report(self, batch, seed):
        """Returns {name: scalar tensor} of diagnostics too costly for every update."""

    def predict(self, batch, context, seed):
        """Returns images uint8 [B, L, 64, 64, 3] of what it expects, None if it has no images.

        It sees the first `context` steps of the sequences, then their actions alone.
        """

    def check(self):
        """Raises `FloatingPointError` naming the quantity if an update met a non-finite one."""
