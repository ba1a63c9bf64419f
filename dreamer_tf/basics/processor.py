"""What the computer's processor is and can do, as far as the system says."""

import platform
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
# Flags of processors that multiply in it, on x86 and on ARM.
HALF_PRECISION = {
    "bfloat16": {"amx_bf16", "avx512_bf16", "bf16"},
    "float16": {"amx_fp16", "avx512_fp16", "asimdhp"},
}


def name():
    """Returns what the processor is called, "" where the system does not say."""
    return next(iter(_lines("model name")), platform.processor())


def lacks(precision):
    """Returns whether a processor is known to have nothing for a precision, which then is slow."""
    flags = {flag for line in _lines("flags", "Features") for flag in line.split()}
    return bool(flags) and not flags & HALF_PRECISION.get(precision, flags)


def _lines(*keys):
    """Returns the values of some keys, of all cores."""
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:
        return []
    pairs = (line.partition(":") for line in lines)
    return [value.strip() for key, _, value in pairs if key.strip() in keys]
