"""Starting the workers of a run, with an OpenGL that renders here."""

import os
import resource
from collections.abc import Callable
from typing import Any

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import gl
from dreamer_tf.envs.process.remote import RemoteEnv

# The trainer holds two pipes and a log of every worker.
FILES_OF_A_WORKER = 3
# TensorFlow's libraries, episodes that are read, a checkpoint, the pipes of a worker that starts.
OTHER_FILES = 100


def allow_open_files(workers: int) -> None:
    """Makes sure that this process may open enough files for a number of workers.

    The soft limit is raised as far as the hard one allows.

    Raises:
        UserError: that is not enough.
    """
    needed = FILES_OF_A_WORKER * workers + OTHER_FILES
    soft, hard = (
        float("inf") if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    if hard < needed:
        most = max((int(hard) - OTHER_FILES) // FILES_OF_A_WORKER - 1, 1)
        raise UserError(
            f"{workers - 1} environments need {needed} open files, the system allows {int(hard)}: "
            f"raise the limit (ulimit -Hn), or give --envs {most} or fewer",
            status=1,
        )
    if soft < needed:
        limits = (needed, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def find_gl(
    config: Any, frames: bool = False, instead: str = "train with --env.observation vector"
) -> str | None:
    """Returns the GL back end for rendering a run's task, None where none is needed.

    Args:
        config: `Config`.
        frames: whether the environment's `render` will be used.
        instead: what a person can do other than install one; "" where there is nothing.

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
            f"nothing here can render {config.task} ({tried}): {gl.cure(reasons)}"
            + (f", or {instead}" if instead else ""),
            status=1,
        )
    return backend


def worker_starter(
    config: Any, backend: str | None, frames: bool = False, factory: bytes | None = None
) -> Callable[..., RemoteEnv]:
    """Returns a function that starts a worker for the run's environment.

    Called with `training=True` it starts one whose episodes are learned from, and may end with a
    life (env.life_loss); otherwise one whose episodes count.

    Args:
        config: `Config`.
        backend: what `find_gl` returned.
        frames: whether its `render` will be used.
        factory: see `RemoteEnv`.
    """
    description = {
        "task": config.task,
        "observation": config.env.observation,
        "action_repeat": config.env.action_repeat,
        "time_limit": config.env.time_limit,
        "render": config.env.render,
        "frames": frames,
        "image_size": config.env.image_size,
    }

    def start(training=False):
        life_loss = training and config.env.life_loss
        described = {**description, "life_loss": life_loss}
        patience = config.env.close_timeout
        return RemoteEnv(described, config.env.timeout, backend, patience, factory)

    return start
