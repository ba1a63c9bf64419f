"""Environments of Gymnasium's registry, by their id: `gym_CartPole-v1`."""

import difflib

import gymnasium

from dreamer_tf.basics.errors import UserError

PREFIX = "gym_"
# Families whose `step` always returns terminated = False; they end by their time limit alone.
NEVER_TERMINATE = (
    *("Pendulum", "phys2d/Pendulum"),
    *("HalfCheetah", "HumanoidStandup", "Pusher", "Reacher", "Swimmer"),
)
# How the ids of other packages begin -> (the package, its module).
ELSEWHERE = {
    "MiniGrid-": ("minigrid", "minigrid"),
    "BabyAI-": ("minigrid", "minigrid"),
    "AntMaze_": ("gymnasium-robotics", "gymnasium_robotics"),
    "PointMaze_": ("gymnasium-robotics", "gymnasium_robotics"),
    "Fetch": ("gymnasium-robotics", "gymnasium_robotics"),
    "HandManipulate": ("gymnasium-robotics", "gymnasium_robotics"),
    "highway-": ("highway-env", "highway_env"),
}


def check_id(task: str) -> None:
    """Raises a UserError if the id is plainly none of Gymnasium's.

    Ids with a module or a namespace (`module:Name-v0`, `ALE/Pong-v5`) may be registered by
    packages that only the environment's worker imports, and pass.
    """
    name = task.removeprefix(PREFIX)
    if name.startswith("ALE/"):
        raise UserError(
            f"task '{task}': Atari games are atari_pong and so on in the paper's set-up, "
            f"{PREFIX}ale_py:{name} in Gymnasium's own"
        )
    families = {spec.name for spec in gymnasium.registry.values() if spec.namespace is None}
    if ":" in name or "/" in name or name in gymnasium.registry or name in families:
        return
    for beginning, (package, module) in ELSEWHERE.items():
        if name.startswith(beginning):
            raise UserError(
                f"task '{task}': such ids come with a package of their own: pip install {package}, "
                f"then --task {PREFIX}{module}:{name}"
            )
    nearest = difflib.get_close_matches(name, gymnasium.registry, n=1, cutoff=0.0)[0]
    raise UserError(
        f"unknown task '{task}'; did you mean '{PREFIX}{nearest}'? An id of another package is "
        f"{PREFIX}<its module>:{name}"
    )


def make_registered(task: str, rendered: bool) -> gymnasium.Env:
    """Makes the environment of a task.

    Args:
        task: `gym_<id>`, the id as `gymnasium.make` understands it.
        rendered: whether its frames are wanted.

    Raises:
        UserError: Gymnasium does not know it, or lacks what it needs.
    """
    try:
        return _make(task.removeprefix(PREFIX), rendered)
    except (gymnasium.error.Error, ImportError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"task '{task}' cannot be made: {reason}") from error


def _make(name, rendered):
    """Makes an environment; one whose constructor knows no render mode renders nothing."""
    mode = {"render_mode": "rgb_array"} if rendered else {}
    try:
        return gymnasium.make(name, disable_env_checker=True, **mode)
    except TypeError as error:
        if mode and "unexpected keyword argument 'render_mode'" in str(error):
            return _make(name, rendered=False)
        # Gymnasium raises anew what the constructor raised, from a place of its own.
        raise (error.__cause__ or error) from None


def can_terminate(env: gymnasium.Env) -> bool | None:
    """Returns False for environments known to end by their time limit alone, else None."""
    spec = env.spec
    if not str(spec.entry_point).startswith("gymnasium.envs."):
        return None  # Somebody else's of the same name.
    family = spec.name if spec.namespace is None else f"{spec.namespace}/{spec.name}"
    return False if family in NEVER_TERMINATE else None


def renders_with_mujoco(task: str) -> bool:
    """Tells whether a task's frames come from Gymnasium's MuJoCo environments, through OpenGL."""
    name = task.removeprefix(PREFIX)
    specs = [spec for spec in gymnasium.registry.values() if name in (spec.id, spec.name)]
    return any(str(spec.entry_point).startswith("gymnasium.envs.mujoco") for spec in specs)
