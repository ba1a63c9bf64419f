"""What a run needs and what this computer has."""

import dataclasses
import os
from pathlib import Path

from dreamer_tf.basics import machine

THREADS = "TF_NUM_INTRAOP_THREADS"


@dataclasses.dataclass(frozen=True)
class Resources:
    """What each run takes of the computer that it runs on.

    Attributes:
        cpus: cores.
        gpus: GPUs; 0.5 lets two runs share one, above 1 it is whole; None where none was found, and
            a run sees what there is.
        memory: bytes.
    """

    cpus: float
    gpus: float | None
    memory: float


def threads(cpus: float) -> dict[str, str]:
    """Returns the variables that keep a run of TensorFlow to its cores; what is set stays.

    Args:
        cpus: cores of the run.
    """
    if THREADS in os.environ:
        return {}
    return {THREADS: str(max(1, int(cpus)))}


def gpus() -> list[str]:
    """Returns the names of the usable NVIDIA GPUs, as CUDA_VISIBLE_DEVICES has them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return [str(i) for i, _ in enumerate(Path("/proc/driver/nvidia/gpus").glob("*"))]
    names = [each.strip() for each in visible.split(",")]
    # CUDA itself ends the list at -1.
    names = names[: names.index("-1")] if "-1" in names else names
    return [each for each in names if each]


def shares(needed: float | None) -> list[str]:
    """Returns the GPUs that each of as many runs as the GPUs allow would see.

    Args:
        needed: GPUs of a run; below 1 several share one, above it is whole.

    Returns:
        A list of texts for CUDA_VISIBLE_DEVICES; empty where too few are there, or none is needed.
    """
    names = gpus()
    if not needed:
        return []
    if needed < 1:
        # 1 / 0.2 is a little less than 5 in some of its forms.
        return [name for name in names for _ in range(int(1 / needed + 1e-6))]
    size = int(needed)
    return [",".join(names[i : i + size]) for i in range(0, len(names) - size + 1, size)]


def side_by_side(needed: Resources) -> int:
    """Returns how many runs fit beside each other on this computer, at least 1."""
    fits = [machine.cores() / needed.cpus, machine.available_memory() / needed.memory]
    if needed.gpus:
        fits.append(len(shares(needed.gpus)))
    return max(1, int(min(fits)))
