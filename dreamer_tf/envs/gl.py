"""Which OpenGL back end renders here: `python -m dreamer_tf.envs.gl` prints its name."""

import os
import subprocess
import sys
from collections.abc import Iterable

from dreamer_tf.envs.tasks import is_suite

# Looks for an OpenGL context at every reset, whatever is observed.
WITH_CONTEXT = ("dmc_quadruped_escape",)
CANDIDATES = ("egl", "osmesa", "glfw")
INSTALL = "apt-get install -y libegl1 libegl-mesa0 libgl1-mesa-dri libopengl0 libgl1"

# Goes through dm_control, since that is what the tasks render with.
_PROBE = """
from dm_control import mujoco
physics = mujoco.Physics.from_xml_string(
    "<mujoco><worldbody><light pos='0 0 3'/><geom size='1'/>"
    "<camera pos='0 0 5'/></worldbody></mujoco>")
image = physics.render(16, 16, camera_id=0)
assert image.max() > 0, "the rendered image is black"
physics.free()
"""


def requires_gl(task: str, observation: str = "auto", frames: bool = False) -> bool:
    """Tells whether a task renders with OpenGL; the arguments are those of `make_env`."""
    if is_suite(task):
        return frames or observation != "vector" or task in WITH_CONTEXT
    # Imported here: this program also runs where Gymnasium is missing, to say so.
    from dreamer_tf.envs.registry import renders_with_mujoco

    return (frames or observation in ("image", "both")) and renders_with_mujoco(task)


def rendering_variables(backend: str) -> dict[str, str]:
    """Returns a copy of this process's environment variables that selects a back end."""
    variables = {**os.environ, "MUJOCO_GL": backend}
    # dm_control sets it to match, and refuses to start where it says something else.
    variables.pop("PYOPENGL_PLATFORM", None)
    return variables


def probe(backend: str, timeout: float = 60.0) -> str | None:
    """Renders one small frame in a process of its own.

    Args:
        backend: "egl", "osmesa" or "glfw".
        timeout: seconds after which the back end counts as broken.

    Returns:
        None if it works, otherwise one line that says why it does not.
    """
    if backend == "glfw" and not os.environ.get("DISPLAY"):
        return "there is no display"
    return run_script(_PROBE, rendering_variables(backend), timeout)[1]


def run_script(
    code: str, variables: dict[str, str], timeout: float
) -> tuple[str, None] | tuple[None, str]:
    """Runs a Python script in a process of its own.

    Args:
        code: the script.
        variables: its environment variables.
        timeout: seconds after which it is ended.

    Returns:
        (what it printed, None), or (None, one line that says why it failed).
    """
    try:
        result = subprocess.run(
            [sys.executable, "-c", code],
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {timeout:g} seconds"
    if result.returncode == 0:
        return result.stdout.strip(), None
    lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
    reason = lines[-1] if lines else "no message"
    if result.returncode < 0:
        reason = f"killed by signal {-result.returncode}: {reason}"
    return None, reason


def try_backends(
    candidates: Iterable[str] = CANDIDATES, timeout: float = 60.0
) -> tuple[str | None, dict[str, str]]:
    """Returns (name of the first that works or None, {name: reason} of those that do not).

    `MUJOCO_GL`, where it is set, is tried before the candidates.
    """
    wished = os.environ.get("MUJOCO_GL")
    order = list(dict.fromkeys([wished, *candidates] if wished else candidates))
    reasons = {}
    for backend in order:
        reason = probe(backend, timeout)
        if reason is None:
            return backend, reasons
        reasons[backend] = reason
    return None, reasons


def cure(reasons: dict[str, str]) -> str:
    """Returns what to do where the back ends that were tried fail for some reasons."""
    if any("No module named 'dm_control'" in reason for reason in reasons.values()):
        # pip leaves it out on Python 3.13, where one of its own dependencies cannot be installed.
        return "install the control suite with 'pip install --no-deps dm_control'"
    return f"install an OpenGL with '{INSTALL}'"


def describe_failure(reasons: dict[str, str]) -> str:
    """Returns the lines that tell what was tried and how to get a back end."""
    tried = [f"  {backend}: {reason}" for backend, reason in reasons.items()]
    return "\n".join(["no OpenGL back end can render; tried", *tried, cure(reasons)])


def main() -> int:
    """Prints the back end; returns the exit status, 1 where there is none."""
    backend, reasons = try_backends()
    if backend is None:
        print(f"error: {describe_failure(reasons)}", file=sys.stderr)
        return 1
    print(backend)
    return 0


if __name__ == "__main__":
    sys.exit(main())
