"""What a run needs and what this computer has."""

import dataclasses
import os
from pathlib import Path


@dataclasses.dataclass(frozen=True)
class Resources:
    """What each run takes of the computer that it runs on.

    Attributes:
        cpus: cores.
        gpus: GPUs; 0.5 lets two runs share one.
        memory: bytes.
    """

    cpus: float
    gpus: float
    memory: float


def cores():
    """Returns the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus():
    """Returns the number of NVIDIA GPUs, counted without a library for them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return len([each for each in visible.split(",") if each.strip() not in ("", "-1")])
    return len(list(Path("/proc/driver/nvidia/gpus").glob("*")))


def memory():
    """Returns the bytes of memory that are free to use."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return 1024 * int(line.split()[1])
    raise OSError("this system does not say how much memory is free")


def side_by_side(needed):
    """Returns how many runs fit beside each other on this computer, at least 1."""
    fits = [cores() / needed.cpus if needed.cpus else cores(), memory() / needed.memory]
    if needed.gpus:
        fits.append(gpus() / needed.gpus)
    return max(1, int(min(fits)))
