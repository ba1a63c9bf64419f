"""A trained agent for use from Python: act in its environment, imagine, decode."""

import numbers
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import gymnasium
import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dreamer_tf.agents.protocol import Agent, without_dreams
from dreamer_tf.basics import seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.schema import Config
from dreamer_tf.envs import factories, gl
from dreamer_tf.envs.process import starting
from dreamer_tf.envs.process.remote import RemoteEnv, WorkerError
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

    def environment(self) -> "Environment":
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


class Environment:
    """An environment to step by hand; also a context manager that ends its process.

    Records are single time steps with the fields of `EnvSpec.record_dtype`.

    Args:
        worker: its `RemoteEnv`.
        frames: whether the worker was started to render.
    """

    def __init__(self, worker: RemoteEnv, frames: bool = True):
        self.worker = worker
        self._frames = frames
        self._lacking = "no episode has begun"

    def reset(self, seed: int | np.integer = 0) -> np.ndarray:
        """Starts the episode of a seed in [0, 2**32); returns its first record."""
        if not (isinstance(seed, numbers.Integral) and 0 <= seed < 2**32):
            raise UserError(f"a seed is a whole number from 0 to 2**32 - 1, not {seed!r}")
        self.worker.send_reset(int(seed))
        return self.receive()

    def step(self, action: ArrayLike) -> np.ndarray:
        """Takes an action float32 [A]; returns the next record.

        Raises:
            UserError: it is no action of this environment, or no episode is under way.
        """
        self.send_step(action)
        return self.receive()

    def send_step(self, action: ArrayLike) -> None:
        """Begins a step, see `step`; `receive` waits for its record."""
        if self._lacking:
            raise UserError(f"{self._lacking}: call reset before step")
        action = as_array("an action", action, (self.worker.spec.action_size,), np.float32)
        self.worker.send_step(action)

    def receive(self) -> np.ndarray:
        """Returns the record of the step begun last."""
        record = self.worker.receive()
        self._lacking = "the episode is over" if record["is_last"] else ""
        return record

    @property
    def can_render(self) -> bool:
        """Whether `render` gives frames."""
        return self._frames and self.worker.can_render

    def render(self) -> np.ndarray:
        """Returns the present state as uint8 [H, W, 3] at a readable size.

        Raises:
            UserError: nothing can be rendered; the environment goes on.
        """
        if not self.can_render:
            raise UserError("this environment renders no frames here: ask its can_render first")
        return self.worker.render()

    def close(self) -> None:
        """Ends the process."""
        self.worker.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_):
        self.close()


def observed(
    given: ArrayLike | dict[str, ArrayLike], expected: dict[str, tuple[tuple[int, ...], str]]
) -> dict[str, np.ndarray]:
    """Returns {name: array [1, ...]} of a plain observation.

    Args:
        given: a dict of arrays, or one array.
        expected: {name: (shape, dtype name)}, `EnvSpec.observations`.

    Raises:
        UserError: other names or shapes than expected, an image that is not uint8, or numbers that
            are not finite.
    """
    if not isinstance(given, dict):
        if len(expected) > 1:
            raise UserError(f"the agent observes {', '.join(expected)}: give a dict of arrays")
        given = dict.fromkeys(expected, given)
    found = {}
    for name, (shape, dtype) in expected.items():
        if name not in given:
            raise UserError(f"the observation has no {name}, only {', '.join(map(str, given))}")
        found[name] = as_array(name, given[name], tuple(shape), np.dtype(dtype))[None]
    return found


def as_array(name: str, given: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Returns an array of a shape and dtype.

    Args:
        name: of what is given, for the error.
        given: an array or what NumPy makes one of. Numbers of any kind are a vector; an image of
            floats could be from 0 to 1 or to 255.

    Raises:
        UserError: it is something else, or not finite.
    """
    wanted = np.dtype(dtype)  # Its name may be "|u1" or "uint8".
    try:
        array = np.asarray(given)
    except ValueError:  # Rows of several lengths, or what `reset` of Gymnasium returns.
        raise UserError(
            f"{name} is a {type(given).__name__} of several shapes, it must be {wanted} "
            f"{list(shape)}"
        ) from None
    fits = array.dtype == wanted or (wanted != np.uint8 and array.dtype.kind in "fiub")
    if array.shape != shape or not fits:
        what = f"{array.dtype} {list(array.shape)}"
        raise UserError(f"{name} is {what}, it must be {wanted} {list(shape)}")
    array = array.astype(wanted)
    if not np.isfinite(array).all():
        raise UserError(f"{name} is not finite")
    return array


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
