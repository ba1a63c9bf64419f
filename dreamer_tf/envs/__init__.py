"""Environments. Nothing in this package imports TensorFlow, and they run in workers of their own.

Importing the package loads neither dm_control nor an OpenGL library.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from dreamer_tf.envs.tasks import (
    GAME_LIMIT,
    PAPERS_SIZE,
    check_task,
    default_repeat,
    is_atari,
    is_factory,
    is_gymnasium,
    task_names,
)

if TYPE_CHECKING:
    import gymnasium

__all__ = ["check_task", "is_factory", "make_env", "task_names"]


def make_env(
    task: str,
    *,
    observation: str = "auto",
    action_repeat: int | str = "auto",
    time_limit: int | str = "auto",
    render: str = "paper",
    frames: bool = False,
    life_loss: bool = False,
    image_size: int = PAPERS_SIZE,
    factory: "Callable[[], gymnasium.Env] | None" = None,
) -> "gymnasium.Env":
    """Builds the environment of a task. Renders in this process: not for one with TensorFlow.

    Args:
        task: a name of `task_names()`, `gym_<id>` of Gymnasium's registry, or
            `package.module:factory`, a callable that returns a `gymnasium.Env` when called
            without arguments.
        observation: "image", "vector", "both"; "auto" is the image of built-in tasks and what
            other environments observe themselves.
        action_repeat: environment steps that one action lasts, the rewards summed; "auto" is 2
            for the control suite, 4 for Atari and 1 for others.
        time_limit: environment steps after which an episode is truncated, if the environment's
            own limit is not less; "auto" is its own limit, or 1000.
        frames: whether `render()` will be used, also where no image is observed.
        render: "paper" for dm_control's own image quality, "fast" for a cheaper one.
        life_loss: whether the loss of a life ends an episode of an Atari game.
        factory: function that is called instead of what the task names, a
            `package.module:factory`.
        image_size: pixels a side of the observed image, S.

    Returns:
        A `gymnasium.Env` that observes {"image": uint8 [S, S, 3]}, float32 vectors, or both,
        with the attributes action_repeat, time_limit and terminates.

    Raises:
        UserError: the task is not known, cannot be made, or does not have what was asked for.
    """
    check_task(task)
    repeats = default_repeat(task) if action_repeat == "auto" else action_repeat
    if not (is_gymnasium(task) or is_factory(task)):
        observation = "image" if observation == "auto" else observation
        size = image_size
        return _make_builtin(task, observation, repeats, time_limit, render, life_loss, size)
    from dreamer_tf.envs import factories, observing, registry, repeat

    terminates = None
    if is_gymnasium(task):
        env = registry.make_registered(task, rendered=frames or observation in ("image", "both"))
        terminates = registry.can_terminate(env)
    else:
        env = factories.make_from_factory(task, factory)
    own = repeat.own_limit(env)
    limit = repeat.effective_limit(own, time_limit)
    # Observed outside of the repeat, so that one image is rendered an action, the last.
    repeated = repeat.RepeatAndLimit(env, repeats, limit, terminates)
    env = observing.Observing(repeated, observation, image_size)
    for name in ("action_repeat", "time_limit", "terminates"):
        setattr(env, name, getattr(repeated, name))
    env.limited = own is not None or time_limit != "auto"
    return env


def _make_builtin(task, observation, repeats, time_limit, render, life_loss, image_size):
    from dreamer_tf.envs.repeat import effective_limit

    if task == "toy_reach":
        from dreamer_tf.envs.toy import EPISODE_STEPS, ToyReach

        limit = effective_limit(EPISODE_STEPS, time_limit)
        return ToyReach(observation, repeats, limit, image_size=image_size)
    if is_atari(task):
        from dreamer_tf.envs.atari import Atari

        limit = effective_limit(GAME_LIMIT, time_limit)
        return Atari(task, observation, repeats, limit, life_loss, image_size=image_size)
    from dreamer_tf.envs.dmc import DeepMindControl

    limit = effective_limit(None, time_limit)
    return DeepMindControl(task, observation, repeats, limit, quality=render, image_size=image_size)
