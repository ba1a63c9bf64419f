"""How the C library of this process gets its memory."""

import ctypes

# Of <malloc.h>.
M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX = -1, -2, -4
LARGEST_INT = 2**31 - 1
MEBIBYTE = 2**20


def keep_freed_memory() -> None:
    """Has this process keep what it frees; elsewhere than with glibc nothing happens.

    Updates free and take the same large blocks again and again. By default each goes back to the
    system and comes anew, page by page and zeroed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    for option, value in (
        (M_MMAP_MAX, 0),  # All from the heap.
        (M_TRIM_THRESHOLD, LARGEST_INT),
        (M_TOP_PAD, 256 * MEBIBYTE),
    ):
        mallopt(option, value)
