"""Checks this machine, one line for each thing, with what to do where it is bad.

    tools/run doctor

Exit status 1 if something that is needed is bad; "low" works, but not for everything.
`--packages` only compares the installed packages with the pins, and needs none of them.
"""

import argparse
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
GIBIBYTE = 2**30
PYTHONS = ((3, 11), (3, 13))
TOO_LITTLE_MEMORY, LOW_MEMORY = 2, 8  # GiB; a full-size update on the CPU needs several
TOO_LITTLE_DISK, LOW_DISK = 1, 35  # GiB; the episodes of the paper's five million steps are 31

_DEVICES = """
import tensorflow as tf
for device in tf.config.list_physical_devices():
    if device.device_type != "CPU":
        details = tf.config.experimental.get_device_details(device)
        print(device.device_type, details.get("device_name", device.name))
"""

_FRAME_TIME = """
import time
from dm_control import suite
env = suite.load("walker", "walk", task_kwargs={"random": 0})
env.reset()
env.physics.render(64, 64, camera_id=0)
start = time.perf_counter()
for _ in range(10):
    image = env.physics.render(64, 64, camera_id=0)
duration = (time.perf_counter() - start) / 10
assert image.max() > 0, "the rendered image is black"
env.physics.free()
print(f"{1000 * duration:.1f} ms")
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


def read_pins(path):
    """Returns {package name: version} of a requirements file; other lines are skipped."""
    pattern = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^\s;#]+)")
    matches = (pattern.match(line) for line in Path(path).read_text().splitlines())
    return {match[1]: match[2] for match in matches if match}


def compare_packages(pins):
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


def run_python(code, variables, timeout=180):
    """Runs code in a Python of its own.

    Returns:
        (its output or None where it failed, the last line of its errors).
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
        return None, f"no answer within {timeout} seconds"
    lines = result.stderr.strip().splitlines() or [f"exit status {result.returncode}"]
    return (result.stdout.strip() if result.returncode == 0 else None), lines[-1]


def check_python():
    version = ".".join(map(str, sys.version_info[:3]))
    good = PYTHONS[0] <= sys.version_info[:2] <= PYTHONS[1]
    advice = "install Python 3.11, 3.12 or 3.13 and remove the virtual environment"
    return Finding("Python", "ok" if good else "bad", f"{version} ({sys.executable})", advice)


def check_packages():
    pins = read_pins(CHECKOUT / "requirements.txt")
    differences = compare_packages(pins)
    if not differences:
        return Finding("packages", "ok", f"all {len(pins)} as pinned in requirements.txt")
    pip = f"{sys.executable} -m pip install"
    advice = (
        f"in {CHECKOUT}: {pip} -r requirements.txt -c requirements-lock.txt && "
        f"{pip} --no-deps -r requirements-no-deps.txt"
    )
    return Finding("packages", "bad", ", ".join(differences), advice)


def has_nvidia_gpu():
    """Tells whether the system, not TensorFlow, knows an NVIDIA GPU (as tools/run asks it)."""
    if os.path.isdir("/proc/driver/nvidia"):
        return True
    tool = shutil.which("nvidia-smi")
    return bool(tool) and subprocess.run([tool, "-L"], capture_output=True).returncode == 0


def check_tensorflow():
    start = time.perf_counter()
    output, error = run_python(_DEVICES, {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2"})
    duration = f"import {time.perf_counter() - start:.0f} s"
    if output is None:
        advice = "remove the virtual environment; the next start makes it anew"
        return Finding("TensorFlow", "bad", f"does not start: {error}", advice)
    if output:
        return Finding("TensorFlow", "ok", f"{'; '.join(output.splitlines())} ({duration})")
    if has_nvidia_gpu() and os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1"):
        advice = (
            "check that nvidia-smi works and the driver is recent, then remove the virtual "
            "environment; the next start installs the CUDA libraries"
        )
        return Finding("TensorFlow", "bad", "does not see the NVIDIA GPU", advice)
    return Finding("TensorFlow", "ok", f"CPU only, no NVIDIA GPU here ({duration})")


def check_gl():
    from dreamer_tf.envs import gl

    wished = os.environ.get("MUJOCO_GL")
    backend, reasons = gl.try_backends()
    if wished in reasons:
        advice = f"unset MUJOCO_GL ({backend or 'nothing else'} works here)"
        return Finding("OpenGL", "bad", f"MUJOCO_GL={wished}: {reasons[wished]}", advice)
    if backend is None:
        value = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        return Finding("OpenGL", "bad", f"nothing renders ({value})", gl.INSTALL)
    output, error = run_python(_FRAME_TIME, gl.rendering_variables(backend))
    if output is None:
        return Finding("OpenGL", "bad", f"{backend} does not render walker: {error}", gl.INSTALL)
    return Finding("OpenGL", "ok", f"{backend}, {output} a frame of 64x64")


def available_memory():
    """Returns the free memory in bytes: of the machine or, where it is less, of the container."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
        group = Path("/sys/fs/cgroup")
        limit = int((group / "memory.max").read_text())  # "max" where there is no limit
        free = min(free, limit - int((group / "memory.current").read_text()))
    except (OSError, ValueError, StopIteration):
        pass
    return free


def grade(amount, too_little, low):
    if amount < too_little:
        return "bad"
    return "low" if amount < low else "ok"


def check_memory():
    free = available_memory() / GIBIBYTE
    advice = "close other programs, or train small models: --configs cpu"
    state = grade(free, TOO_LITTLE_MEMORY, LOW_MEMORY)
    return Finding("memory", state, f"{free:.1f} GiB free", advice)


def check_disk():
    free = shutil.disk_usage(".").free / GIBIBYTE
    advice = (
        f"a run of five million steps needs {LOW_DISK} GiB; make space, give a --logdir on "
        "another disk, or train fewer steps"
    )
    state = grade(free, TOO_LITTLE_DISK, LOW_DISK)
    return Finding("disk", state, f"{free:.0f} GiB free in {os.getcwd()}", advice)


def check_cores():
    known = hasattr(os, "sched_getaffinity")
    cores = len(os.sched_getaffinity(0)) if known else os.cpu_count()
    advice = "environments and training share one core; this works, slowly"
    return Finding("cores", grade(cores, 1, 2), str(cores), advice)


CHECKS = (
    check_python,
    check_packages,
    check_tensorflow,
    check_gl,
    check_memory,
    check_disk,
    check_cores,
)


def report_packages():
    """Prints what differs from the pins of the run-time and test requirements; the exit status."""
    names = ("requirements.txt", "requirements-dev.txt")
    pins = {key: pin for name in names for key, pin in read_pins(CHECKOUT / name).items()}
    differences = compare_packages(pins)
    print("\n".join(differences) or f"all {len(pins)} packages as pinned")
    return 1 if differences else 0


def main():
    parser = argparse.ArgumentParser(description="Checks this machine.")
    parser.add_argument("--packages", action="store_true", help="only compare packages with pins")
    if parser.parse_args().packages:
        return report_packages()
    sys.path.insert(0, str(CHECKOUT))
    findings = []
    for check in CHECKS:
        findings.append(check())
        print(findings[-1], flush=True)
    return 1 if any(finding.state == "bad" for finding in findings) else 0


if __name__ == "__main__":
    sys.exit(main())
