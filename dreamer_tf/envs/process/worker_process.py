"""Starting the process of an environment worker."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

from dreamer_tf.basics import child
from dreamer_tf.envs.gl import rendering_variables
from dreamer_tf.envs.process import wire
from dreamer_tf.envs.tasks import is_suite


def start(log: BinaryIO, environment: dict[str, str]) -> subprocess.Popen:
    """Starts the program with Ctrl-C and SIGTERM blocked: they cannot hit it while it starts.

    It leads a process group of its own, in which all that its environment starts is found.

    Args:
        log: file for what it prints to stderr.
        environment: its environment variables.
    """
    # The worker imports what this process would import.
    package = str(Path(__file__).resolve().parents[3])
    paths = dict.fromkeys([*(path or os.getcwd() for path in sys.path), package])
    before = signal.pthread_sigmask(signal.SIG_BLOCK, wire.LEFT_TO_TRAINER)
    try:
        return subprocess.Popen(
            child.python("dreamer_tf.envs.process.worker", paths, ["-P"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            bufsize=0,
            env=environment,
            start_new_session=True,
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def variables(task: str, renders: bool, gl: str | None) -> dict[str, str]:
    """Returns the worker's environment variables; this process's own stay as they are."""
    backend = gl or os.environ.get("MUJOCO_GL") or "egl"
    if is_suite(task) and not renders:
        backend = "off"  # Importing dm_control would load an OpenGL library otherwise.
    chosen = rendering_variables(backend)
    # pygame greets on stdout otherwise, which is not for warnings.
    chosen.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
    if not renders:
        # Keeps other people's libraries off the GPU that the agent uses. Not for MuJoCo, which
        # has no CUDA to hide, but whose EGL may render on that GPU.
        chosen["CUDA_VISIBLE_DEVICES"] = ""
    return chosen
