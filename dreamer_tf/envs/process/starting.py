"""Starting the workers of a run, with an OpenGL that renders here."""

import os

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import gl
from dreamer_tf.envs.process.remote import RemoteEnv


def find_gl(config, frames=False):
    """Returns the GL back end for rendering a run's task, None where none is needed.

    Raises:
        UserError: the task needs one and none works here.
    """
    if not gl.requires_gl(config.task, config.env.observation, frames):
        return None
    # Whoever set it has tried it: tools/run has, or the user. Trying again costs seconds.
    if os.environ.get("MUJOCO_GL"):
        return os.environ["MUJOCO_GL"]
    backend, reasons = gl.try_backends()
    if backend is None:
        tried = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise UserError(
            f"nothing here can render {config.task} ({tried}): install an OpenGL with "
            f"'{gl.INSTALL}', or train with --env.observation vector",
            status=1,
        )
    return backend


def worker_starter(config, backend, frames=False):
    """Returns a function that starts a worker for the run's environment.

    Args:
        config: `Config`.
        backend: what `find_gl` returned.
        frames: whether its `render` will be used.
    """
    description = {
        "task": config.task,
        "observation": config.env.observation,
        "action_repeat": config.env.action_repeat,
        "time_limit": config.env.time_limit,
        "render": config.env.render,
        "frames": frames,
    }
    return lambda: RemoteEnv(description, config.env.timeout, backend)
