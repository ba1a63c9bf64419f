"""What the computer's processor is and can do, as far as the system says."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
BFLOAT16 = {"amx_bf16", "avx512_bf16", "bf16"}  # Flags of x86 and ARM that multiply in it.


def name() -> str:
    """Returns what the processor is called, "" where the system does not say."""
    return next(iter(_lines("model name")), platform.processor())


def lacks_bfloat16() -> bool:
    """Returns whether it is known to have no products in bfloat16, which then are emulated."""
    flags = {flag for line in _lines("flags", "Features") for flag in line.split()}
    return bool(flags) and not flags & BFLOAT16


def _lines(*keys):
    """Returns the values of some keys, of all cores."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return []
    pairs = (line.partition(":") for line in lines)
    return [value.strip() for key, _, value in pairs if key.strip() in keys]
