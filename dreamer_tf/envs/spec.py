"""What an environment looks like to everything else: shapes, types and limits."""

import json
from dataclasses import asdict, dataclass
from typing import Self

import gymnasium
import numpy as np

from dreamer_tf.basics.errors import UserError

# Bounds beyond this are what libraries write where there are none (dm_control: 1e10).
UNBOUNDED = 1e9
# An action is an array with an entry for each choice.
MOST_ACTIONS = 4096
STEP_FIELDS = ("action", "reward", "is_first", "is_last", "is_terminal")
# What `experience.windows` adds to a batch of steps.
WINDOW_FIELDS = ("window/valid", "window/weight")


@dataclass(frozen=True)
class EnvSpec:
    """Description of an environment.

    Attributes:
        observations: {name: (shape, dtype name)}; `image` uint8 (S, S, 3) comes first, vectors
            float32 (n,) follow in the order of their names.
        action_size: size A of an action, float32 [A] in [-1, 1], or one-hot if `discrete`.
        discrete: whether actions are choices.
        action_repeat: environment steps per agent step.
        time_limit: environment steps after which an episode is truncated.
        terminates: whether the task itself can end an episode.
    """

    observations: dict
    action_size: int
    discrete: bool
    action_repeat: int
    time_limit: int
    terminates: bool

    @property
    def vector_size(self) -> int:
        """Length of all vectors together, 0 where only an image is observed."""
        return sum(shape[0] for name, (shape, _) in self.observations.items() if name != "image")

    @property
    def record_dtype(self) -> np.dtype:
        """Packed numpy dtype of one time step: observations, then action, reward, flags."""
        fields = [(name, dtype, shape) for name, (shape, dtype) in self.observations.items()]
        fields.append(("action", "<f4", (self.action_size,)))
        fields.append(("reward", "<f4"))
        fields.extend((name, "?") for name in ("is_first", "is_last", "is_terminal"))
        return np.dtype(fields)

    @property
    def blind_dtype(self) -> np.dtype:
        """numpy dtype of what a replay gives of a time step: all but the image."""
        fields = self.record_dtype.fields.items()
        return np.dtype([(name, field[0]) for name, field in fields if name != "image"])

    def performed(self, action: np.ndarray) -> np.ndarray:
        """Returns a finite action [A] as it is taken and recorded.

        That is the largest entry of a choice, one-hot; of others what is left of it in [-1, 1].
        """
        if self.discrete:
            return np.eye(self.action_size, dtype=np.float32)[np.argmax(action)]
        return np.clip(action, -1.0, 1.0)

    def to_json(self) -> str:
        """Returns the description as a JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Rebuilds a description from `to_json`'s text."""
        values = json.loads(text)
        values["observations"] = {
            name: (tuple(shape), dtype) for name, (shape, dtype) in values["observations"].items()
        }
        return cls(**values)

    @classmethod
    def from_env(cls, env: gymnasium.Env) -> Self:
        """Describes an environment of `make_env`.

        Args:
            env: it observes a Dict of an image and vectors.

        Raises:
            UserError: a space cannot be used.
        """
        size, discrete = _describe_actions(env.action_space)
        return cls(
            observations=_describe_observations(env.observation_space),
            action_size=size,
            discrete=discrete,
            action_repeat=int(env.get_wrapper_attr("action_repeat")),
            time_limit=int(env.get_wrapper_attr("time_limit")),
            terminates=bool(env.get_wrapper_attr("terminates")),
        )


def _describe_observations(space):
    for name in space.spaces:
        # It is the name of a field of a record, and of a measurement.
        if not isinstance(name, str) or not name or not name.isprintable():
            raise UserError(f"an observation is called {name!r}; call it a word")
    names = sorted(space.spaces, key=lambda name: (name != "image", name))
    for name in names:
        if name in (*STEP_FIELDS, *WINDOW_FIELDS):
            raise UserError(f"the observation '{name}' has a reserved name; rename it")
    return {name: (space[name].shape, space[name].dtype.str) for name in names}


def _describe_actions(space):
    size, discrete = 0, isinstance(space, gymnasium.spaces.Discrete)
    if discrete:
        size = int(space.n)
    elif isinstance(space, gymnasium.spaces.Box) and len(space.shape) == 1:
        bounds = np.abs([space.low, space.high])
        if np.issubdtype(space.dtype, np.floating) and (bounds < UNBOUNDED).all():
            size = int(space.shape[0])
    if 0 < size <= MOST_ACTIONS:
        return size, discrete
    described = " ".join(str(space).split())[:160]
    raise UserError(
        f"the action space {described} is unsupported; use a Discrete, or a Box of floats (n,) "
        f"with bounds below {UNBOUNDED:g}, of at most {MOST_ACTIONS} actions"
    )
