"""python -m dreamer_tf.doctor: checks this machine, one line for each thing that a run needs.

What is bad is told with what to do about it.

Exit status 1 if something that is needed is bad; "low" works, but not for everything.
`--packages` only compares the installed packages with the pins, and needs none of them.
"""

import argparse
import errno
import fcntl
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from dreamer_tf.basics import machine
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.nameless import nameless_file
from dreamer_tf.basics.paths import expanded

PACKAGE = Path(__file__).resolve().parent
CHECKOUT = PACKAGE.parent
GIBIBYTE = 2**30
PYTHONS = ((3, 11), (3, 13))
TOO_LITTLE_MEMORY, LOW_MEMORY = 2, 8  # GiB; a full-size update on the CPU needs several
TOO_LITTLE_DISK, LOW_DISK = 1, 35  # GiB; the episodes of the paper's five million steps are 31

_TENSORFLOW = """
import tensorflow as tf
from dreamer_tf.training import cost
for device in tf.config.list_physical_devices():
    if device.device_type != "CPU":
        details = tf.config.experimental.get_device_details(device)
        print(device.device_type, details.get("device_name", device.name))
print(f"{cost.matmul_speed() / 1e9:.0f} GFLOP/s in float32")
"""

_STEP_TIMES = """
import time
import numpy as np
from dreamer_tf.envs import make_env
for quality in ("paper", "fast"):
    env = make_env("dmc_walker_walk", render=quality)
    env.reset(seed=0)
    start = time.perf_counter()
    for _ in range(10):
        image = env.step(np.zeros(6))[0]["image"]
    duration = (time.perf_counter() - start) / 10
    assert image.max() > 0, "the rendered image is black"
    env.close()
    print(f"{1000 * duration:.0f} ms ({quality})", end=" ")
"""


@dataclass
class Finding:
    """One checked thing: `state` is ok, low or bad; `advice` says what to do where it is not ok."""

    name: str
    state: str
    value: str
    advice: str = ""

    def __str__(self):
        line = f"{self.state:<4} {self.name:<12} {self.value}"
        return line if self.state == "ok" else f"{line}\n{'':18}-> {self.advice}"


def read_pins(path: str | Path) -> dict[str, str]:
    """Returns {package name: version} of a requirements file; other lines are skipped."""
    pattern = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;#]+)")
    matches = (pattern.match(line) for line in Path(path).read_text().splitlines())
    return {match[1]: match[2] for match in matches if match}


def compare_packages(pins: dict[str, str]) -> list[str]:
    """Returns a phrase for each package that is missing or has another version than its pin."""
    differences = []
    for name, wanted in pins.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found != wanted:
            differences.append(f"{name} {found} (needs {wanted})")
    return differences


def check_python() -> Finding:
    """Whether this Python is one of those that are supported."""
    version = ".".join(map(str, sys.version_info[:3]))
    good = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    advice = "install Python 3.11, 3.12 or 3.13 and remove the virtual environment"
    return Finding("Python", "ok" if good else "bad", f"{version} ({sys.executable})", advice)


def check_packages() -> Finding:
    """The packages of a checkout, beside its pins."""
    if not (CHECKOUT / "requirements.txt").exists():  # It was installed, by pip.
        return check_ranges()
    pins = read_pins(CHECKOUT / "requirements.txt")
    differences = compare_packages(pins)
    if not differences:
        return Finding("packages", "ok", f"all {len(pins)} as pinned in requirements.txt")
    pip = f"{sys.executable} -m pip install"
    advice = (
        f"in {CHECKOUT}: {pip} -r requirements.txt -c requirements/lock.txt && "
        f"{pip} --no-deps -r requirements/no-deps.txt"
    )
    return Finding("packages", "bad", ", ".join(differences), advice)


def check_ranges() -> Finding:
    """The packages that the installed one asks for."""
    from packaging.requirements import Requirement

    asked = [Requirement(text) for text in importlib.metadata.requires("dreamer_tf") or ()]
    asked = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    differences = []
    for each in asked:
        try:
            found = importlib.metadata.version(each.name)
        except importlib.metadata.PackageNotFoundError:
            found = "missing"
        if found == "missing" or not each.specifier.contains(found, prereleases=True):
            differences.append(f"{each.name} {found} (needs {each.specifier})")
    if not differences:
        return Finding("packages", "ok", f"all {len(asked)} within their ranges")
    advice = f"{sys.executable} -m pip install --upgrade dreamer_tf"
    return Finding("packages", "bad", ", ".join(differences), advice)


def has_nvidia_gpu() -> bool:
    """Tells whether the system, not TensorFlow, knows an NVIDIA GPU (as tools/run asks it)."""
    if os.path.isdir("/proc/driver/nvidia"):
        return True
    tool = shutil.which("nvidia-smi")
    return bool(tool) and subprocess.run([tool, "-L"], capture_output=True).returncode == 0


def check_tensorflow() -> Finding:
    """Whether TensorFlow starts, on which devices and how fast."""
    from dreamer_tf.envs import gl

    start = time.perf_counter()
    variables = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONPATH": str(CHECKOUT)}
    output, error = gl.run_script(_TENSORFLOW, variables, timeout=180)
    duration = f"{time.perf_counter() - start:.0f} s to start"
    if output is None:
        advice = "remove the virtual environment; the next start makes it anew"
        return Finding("TensorFlow", "bad", f"does not start: {error}", advice)
    *devices, speed = output.splitlines()
    if devices:
        return Finding("TensorFlow", "ok", f"{'; '.join(devices)}, {speed}, {duration}")
    if has_nvidia_gpu() and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1"):
        advice = (
            "check that nvidia-smi works and the driver is recent, then remove the virtual "
            "environment; the next start installs the CUDA libraries"
        )
        return Finding("TensorFlow", "bad", "does not see the NVIDIA GPU", advice)
    return Finding("TensorFlow", "ok", f"CPU only, no NVIDIA GPU here; {speed}, {duration}")


def check_gl() -> Finding:
    """Whether frames can be rendered, and how long they take."""
    from dreamer_tf.envs import gl

    wished = os.environ.get("MUJOCO_GL")
    backend, reasons = gl.try_backends()
    if wished in reasons:
        advice = f"unset MUJOCO_GL ({backend or 'nothing else'} works here)"
        return Finding("OpenGL", "bad", f"MUJOCO_GL={wished}: {reasons[wished]}", advice)
    if backend is None:
        value = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return Finding("OpenGL", "bad", f"nothing renders ({value})", gl.cure(reasons))
    variables = {**gl.rendering_variables(backend), "PYTHONPATH": str(CHECKOUT)}
    output, error = gl.run_script(_STEP_TIMES, variables, timeout=180)
    if output is None:
        return Finding("OpenGL", "bad", f"{backend} does not render walker: {error}", gl.INSTALL)
    return Finding("OpenGL", "ok", f"{backend}; a step of walker with its frame: {output}")


def check_worker() -> Finding:
    """An environment in a process of its own, as training runs it."""
    from dreamer_tf.basics.errors import UserError
    from dreamer_tf.envs.process.remote import RemoteEnv, WorkerError

    start = time.perf_counter()
    try:
        with RemoteEnv({"task": "toy_reach"}, timeout=60) as worker:
            worker.send_reset(0)
            worker.receive()
            started = time.perf_counter()
            for _ in range(100):
                worker.send_step([0.0, 0.0])
                worker.receive()
    except (WorkerError, UserError) as error:
        advice = "see the message; a limit of processes (ulimit -u) or of memory may be the cause"
        return Finding("environment", "bad", " ".join(str(error).split()), advice)
    step = 10 * (time.perf_counter() - started)
    value = f"a worker starts in {started - start:.1f} s, {step:.1f} ms a step of toy_reach"
    return Finding("environment", "ok", value)


def grade(amount: float, too_little: float, low: float) -> str:
    """Returns the state of a `Finding` of which there should be much."""
    if amount < too_little:
        return "bad"
    return "low" if amount < low else "ok"


def check_memory() -> Finding:
    """The free memory."""
    free = machine.available_memory() / GIBIBYTE
    advice = "close other programs, or train small models: --configs cpu"
    state = grade(free, TOO_LITTLE_MEMORY, LOW_MEMORY)
    return Finding("memory", state, f"{free:.1f} GiB free", advice)


def check_disk(logdir: Path) -> Finding:
    """The folder of the runs: can files be written and locked there, is there space?"""
    folder = next(each for each in (logdir, *logdir.absolute().parents) if each.exists())
    try:
        with nameless_file(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
            advice = "nothing keeps two processes out of one run there: do not start it twice"
            return Finding("disk", "low", f"{folder} cannot lock files", advice)
        advice = "give a --logdir that you can write to"
        return Finding("disk", "bad", f"{folder} cannot be written: {error.strerror}", advice)
    free = shutil.disk_usage(folder).free / GIBIBYTE
    advice = (
        f"a run of five million steps needs {LOW_DISK} GiB; make space, give a --logdir on "
        "another disk or a --replay.capacity, or train fewer steps"
    )
    state = grade(free, TOO_LITTLE_DISK, LOW_DISK)
    return Finding("disk", state, f"{free:.0f} GiB free in {folder}", advice)


def check_cores() -> Finding:
    """The cores that this process may use."""
    cores = machine.cores()
    advice = "environments and training share one core; this works, slowly"
    return Finding("cores", grade(cores, 1, 2), f"{cores} to use", advice)


CHECKS = {
    "Python": check_python,
    "packages": check_packages,
    "cores": check_cores,
    "memory": check_memory,
    "TensorFlow": check_tensorflow,
    "OpenGL": check_gl,
    "environment": check_worker,
}


def report_packages() -> int:
    """Prints what differs from the pins of the run-time and test requirements; the exit status."""
    if not (CHECKOUT / "requirements.txt").exists():
        found = check_ranges()
        print(found)
        return 1 if found.state == "bad" else 0
    names = ("requirements.txt", "requirements/dev.txt")
    pins = {key: pin for name in names for key, pin in read_pins(CHECKOUT / name).items()}
    differences = compare_packages(pins)
    print("\n".join(differences) or f"all {len(pins)} packages as pinned")
    return 1 if differences else 0


def _check(words):
    """Checks what the words ask for; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamer_tf.doctor", description="Checks this machine."
    )
    parser.add_argument("--packages", action="store_true", help="only compare packages with pins")
    parser.add_argument(
        "--logdir", type=Path, default=Path("runs"), help="folder of the runs (default runs)"
    )
    arguments = parser.parse_args(words)
    try:
        logdir = expanded(arguments.logdir, "--logdir")
    except UserError as error:
        parser.error(str(error))
    if arguments.packages:
        return report_packages()
    findings = []
    for name, check in (*CHECKS.items(), ("disk", lambda: check_disk(logdir))):
        try:
            findings.append(check())
        except ImportError as error:  # The check of the packages says more.
            findings.append(Finding(name, "bad", str(error), "see packages"))
        except OSError as error:
            what = f"{error.strerror}{f': {error.filename}' * bool(error.filename)}"
            findings.append(Finding(name, "bad", what, "the system refuses it: see its limits"))
        print(findings[-1], flush=True)
    return 1 if any(finding.state == "bad" for finding in findings) else 0


def main(words: list[str]) -> int:
    """Checks; returns the exit status. Ctrl-C and a reader that goes away leave no trace."""
    try:
        return _check(words)
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # What is left would be written at the end, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
