"""Environments. Nothing in this package imports TensorFlow, and they run in workers of their own.

Importing the package loads neither dm_control nor an OpenGL library.
"""

from dreamer_tf.envs.tasks import check_task, is_factory, step_defaults, task_names

__all__ = ["check_task", "is_factory", "make_env", "task_names"]


def make_env(
    task, *, observation="auto", action_repeat="auto", time_limit="auto", render="paper"
):
    """Builds the environment of a task. Renders in this process: not for one with TensorFlow.

    Args:
        task: a name of `task_names()`, or `package.module:factory`, a callable that returns a
            `gymnasium.Env` when called without arguments.
        observation: "image", "vector", "both", or "auto" for what suits the task.
        action_repeat: environment steps that one action lasts, the rewards summed; or "auto".
        time_limit: environment steps after which an episode is truncated; or "auto".
        render: "paper" for dm_control's own image quality, "fast" for a cheaper one.

    Returns:
        A `gymnasium.Env`. The built-in ones observe {"image": uint8 [64, 64, 3]} and take
        float32 actions in [-1, 1].

    Raises:
        UserError: the task is not known or the factory cannot be used.
    """
    check_task(task)
    repeat, limit = step_defaults(task)
    action_repeat = repeat if action_repeat == "auto" else action_repeat
    time_limit = (limit or 1000) if time_limit == "auto" else time_limit
    if is_factory(task):
        from dreamer_tf.envs.factory import make_from_factory

        return make_from_factory(task, action_repeat, time_limit)
    if task == "toy_reach":
        from dreamer_tf.envs.toy import ToyReach

        return ToyReach(action_repeat=action_repeat, time_limit=time_limit)
    from dreamer_tf.envs.dmc import DeepMindControl

    return DeepMindControl(task, action_repeat=action_repeat, time_limit=time_limit, quality=render)
