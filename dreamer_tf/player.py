"""A trained agent for use from Python: act in its environment, imagine, decode."""

import numbers
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import gymnasium
import numpy as np
from numpy.typing import ArrayLike

from dreamer_tf.agents.protocol import Agent, without_dreams
from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.schema import Config
from dreamer_tf.envs import factories, gl
from dreamer_tf.envs.given import as_array, observed
from dreamer_tf.envs.process import starting
from dreamer_tf.envs.process.environment import Environment
from dreamer_tf.envs.process.remote import WorkerError
from dreamer_tf.runs import resume, saved_agent
from dreamer_tf.runs.checkpoint import Checkpoint


class Player:
    """The agent of a run with the weights of its newest checkpoint; see `load`.

    Attributes:
        config: the run's `Config`.
        spec: `EnvSpec` of its environment.
        step: environment steps that the weights were trained for.
    """

    def __init__(
        self, config: Config, saved: Checkpoint, agent: Agent, factory: bytes | None = None
    ):
        self._factory = factory
        self.config = config
        self._saved = saved
        self.spec = agent.spec
        self.step = saved.state["counters"]["step"]
        self.agent = agent
        self._calls = 0

    def environment(self) -> Environment:
        """Returns the run's environment in a process of its own, an `Environment`.

        Where the agent observes no image and no OpenGL works here, it renders no frames, and a
        warning says so.

        Raises:
            UserError, WorkerError: it cannot be made, or is not the one that was trained on.
        """
        environment = self._rendering() if self._sees_without_gl() else self._opened(True)
        try:
            resume.check_environment(self._saved, environment.worker.spec)
        except BaseException:
            environment.close()
            raise
        return environment

    def _sees_without_gl(self):
        """Tells whether OpenGL is needed for frames to look at, and not for the agent."""
        task, observation = self.config.task, self.config.env.observation
        return gl.requires_gl(task, observation, True) and not gl.requires_gl(task, observation)

    def _rendering(self):
        """Returns an `Environment` that renders frames if they can be rendered here."""
        try:
            environment = self._opened(True)
        except UserError as error:
            reason = str(error)
        else:
            try:
                environment.render()  # A back end that was chosen by hand has not been tried.
                return environment
            except WorkerError as error:
                reason = str(error)
            except BaseException:
                environment.close()
                raise
        line = " ".join(reason.split())
        print(f"warning: {line}; the environment is opened without frames", file=sys.stderr)
        return self._opened(False)

    def _opened(self, frames):
        backend = starting.find_gl(self.config, True, instead="") if frames else None
        start = starting.worker_starter(self.config, backend, frames, self._factory)
        return Environment(start(), frames)

    def start(self) -> dict[str, np.ndarray]:
        """Returns the state of the agent before an episode."""
        return self.agent.initial_state(1)

    def act(
        self, record: ArrayLike | dict[str, ArrayLike], state: dict[str, np.ndarray] | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Takes in a time step and chooses the best action.

        Args:
            record: what the environment's `reset` or `step` returned; or a plain observation, a
                dict of arrays or, where the agent observes one thing only, that array.
            state: what the last call returned; None where an episode begins. For a record it may
                be what `start` returned.

        The best one is what the run's key evaluate.action says.

        Returns:
            (action float32 [A], state).

        Raises:
            UserError: the observation is not of the agent's names and shapes, or not finite; or
                the state is none.
        """
        is_first = state is None
        state = self.start() if is_first else self._checked_state(state)
        if getattr(record, "dtype", None) is not None and record.dtype.names:
            if record.dtype != self.spec.record_dtype or record.shape:
                raise UserError("a record is a single one, as the environment of this agent has it")
            is_first = bool(record["is_first"])
            record = {name: record[name] for name in self.spec.observations}
        observation, is_first = observed(record, self.spec.observations), np.array([is_first])
        mode = self.config.evaluate.action
        action, state = self.agent.policy(observation, is_first, state, self._seed(), mode)
        return action[0], state

    def imagine(
        self,
        state: dict[str, np.ndarray],
        steps: int | np.integer,
        actions: np.ndarray | Sequence[ArrayLike] | None = None,
    ) -> dict[str, np.ndarray]:
        """Goes on from a state of `act` in the world model alone.

        Args:
            state: where the dream begins; its action is the first to be taken.
            steps: length H of the dream.
            actions: float32 [H, A] to take instead of the actor's own, as an environment takes
                them: cut to [-1, 1], or of choices the largest entry.

        Returns:
            {"action": [H, A], "reward": [H], "value": [H], ...}, see `Dreams.look`: what is
            expected to be observed is "image" and, of each vector, "vector/<name>"; entry t
            is what follows the action t.

        Raises:
            UserError: the agent has no world model; so also the other methods that dream. There
                are no steps, or fewer actions than steps, or they are no actions of this agent.
        """
        self.check_dreams()
        if not isinstance(steps, numbers.Integral) or isinstance(steps, bool) or steps < 1:
            raise UserError(f"a dream of {steps!r} steps: give a whole number from 1")
        if actions is not None:
            actions = self._checked_all(actions, steps)
        state = self._checked_state(state)
        dream = []
        for t in range(steps):
            if actions is not None:
                action = actions[t]
            else:
                action = state["action"][0] if t == 0 else self.best_action(state)
            state = self.dream_step(state, action)
            dream.append({"action": np.float32([action]), **self.look(state)})
        return {name: np.concatenate([each[name] for each in dream]) for name in dream[0]}

    def best_action(self, state: dict[str, np.ndarray]) -> np.ndarray:
        """Returns the actor's action float32 [A] in a state."""
        self.check_dreams()
        state = self._checked_state(state)
        return self.agent.dreams.act(state, self._seed(), self.config.evaluate.action)[0]

    def dream_step(self, state: dict[str, np.ndarray], action: ArrayLike) -> dict[str, np.ndarray]:
        """Returns the state that the world model expects after an action [A], see `imagine`."""
        self.check_dreams()
        state = self._checked_state(state)
        return self.agent.dreams.step(state, self._checked(action)[None], self._seed())

    def look(self, state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns what the model expects in a state, see `Dreams.look`."""
        self.check_dreams()
        state = self._checked_state(state)
        return self.agent.dreams.look(state)

    def check_dreams(self) -> None:
        """Raises a UserError if the agent learns no world model."""
        if self.agent.dreams is None:
            raise UserError(without_dreams(self.config.agent))

    def _checked(self, action):
        """Returns an action as environments take it; raises a UserError if it is none."""
        given = as_array("an action", action, (self.spec.action_size,), np.float32)
        return self.spec.performed(given)

    def _checked_state(self, state):
        """Returns a state; raises a UserError if it is none of this agent."""
        wanted = self.start()
        if not isinstance(state, dict) or state.keys() != wanted.keys():
            names = ", ".join(wanted) or "nothing"
            raise UserError(f"a state is what act or start returned, a dict of {names}")
        return {
            name: as_array(f"{name} of the state", state[name], value.shape, value.dtype)
            for name, value in wanted.items()
        }

    def _checked_all(self, actions, steps):
        """Returns the first `steps` of actions, checked."""
        array = hasattr(actions, "__array__") and np.ndim(actions) > 0
        listed = array or isinstance(actions, Sequence)
        if not listed or len(actions) < steps:
            given = f"{len(actions)}" if listed else f"a {type(actions).__name__} as"
            raise UserError(
                f"a dream of {steps} steps with {given} actions: give one for each step"
            )
        return [self._checked(action) for action in actions[:steps]]

    def _seed(self):
        self._calls += 1
        return seeding.pair(self.config.seed, "player", self._calls)


def load(
    run: str | Path,
    trust: bool = False,
    env: gymnasium.Env | Callable[[], gymnasium.Env] | None = None,
) -> Player:
    """See `dreamer_tf.load`."""
    config = saved_agent.load_config(run)
    factory = None if env is None else factories.packed(factories.named(env)[1])
    if env is None:
        how = "load(run, trust=True), or env=, which is the environment itself,"
        saved_agent.check_trust(run, config, trust or None, how)
    saved = saved_agent.load_checkpoint(
        run, lambda text: print(f"warning: {text}", file=sys.stderr)
    )
    return Player(config, saved, saved_agent.restore_agent(config, saved), factory)
