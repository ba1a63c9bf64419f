"""Lengths of time for people."""


def in_words(seconds: float) -> str:
    """Returns for example `"40 s"`, `"12 min"`, `"3.4 h"` or `"25 days"`."""
    if seconds >= 2 * 86400:
        return f"{seconds / 86400:.0f} days"
    if seconds >= 3600:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 120:
        return f"{seconds / 60:.0f} min"
    return f"{seconds:.0f} s"
