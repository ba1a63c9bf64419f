"""What this computer has for a program: cores and memory."""

import os
from pathlib import Path

CONTAINER = Path("/sys/fs/cgroup")


def cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Returns the free memory in bytes: of the machine or, where it is less, of the container."""
    free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        free = next(int(line.split()[1]) * 1024 for line in lines if "MemAvailable" in line)
        limit = int((CONTAINER / "memory.max").read_text())  # "max" where there is no limit
        used = int((CONTAINER / "memory.current").read_text())
        # Files that were read or written count as used, though they give way to what needs room.
        lines = (CONTAINER / "memory.stat").read_text().splitlines()
        used -= next(
            (int(line.split()[1]) for line in lines if line.startswith("inactive_file ")), 0
        )
        free = min(free, limit - used)
    except (OSError, ValueError, StopIteration):
        pass
    return free
