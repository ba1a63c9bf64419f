"""What each measurement is, from docs/metrics.md."""

import functools
import re
from pathlib import Path


def docs_file(name: str) -> Path:
    """Returns a file of docs/: inside an installed package, next to it in a checkout."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "docs" / name
    return inside if inside.exists() else package.parent / "docs" / name


@functools.cache
def descriptions() -> dict[str, str]:
    """Returns {metric: text} of the tables of docs/metrics.md, {} where it is missing."""
    try:
        text = docs_file("metrics.md").read_text(encoding="utf-8")
    except OSError:
        return {}
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")]
        if not line.startswith("| `") or len(cells) < 2:
            continue
        what = f"{cells[1]}." if len(cells) < 3 or not cells[2] else f"{cells[1]}. *{cells[2]}*"
        found |= dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), what)
    return found
