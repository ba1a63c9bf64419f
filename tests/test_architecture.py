"""docs/architecture.md names what exists."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text()


def test_every_path_exists():
    paths = set(re.findall(r"`((?:dreamer_tf|tests|configs|tools)/[\w./]*)`", TEXT))
    assert len(paths) > 30
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_every_package_has_its_floor():
    packages = {path.parent for path in (ROOT / "dreamer_tf").rglob("__init__.py")}
    names = {f"{path.relative_to(ROOT)}/" for path in packages} - {"dreamer_tf/"}
    rows = set(re.findall(r"^\|[^|]*\| `(dreamer_tf/[\w/]+/)` \|", TEXT, re.MULTILINE))
    assert rows == names


def test_it_is_read_in_ten_minutes():
    assert len(TEXT.split()) < 1500
