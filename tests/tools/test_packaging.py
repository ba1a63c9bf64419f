"""The files that describe the package: pins, lock, metadata, citation."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

from omegaconf import OmegaConf

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = (
    "requirements.txt",
    "requirements-dev.txt",
    "requirements-gpu.txt",
    "requirements-no-deps.txt",
    "requirements-sweeps.txt",
)


def pins(name):
    text = (CHECKOUT / name).read_text()
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w-]+\])?==([^\s;#]+)", text, re.MULTILINE))


def test_pins_are_installed_and_agree_with_the_lock():
    locked = pins("requirements-lock.txt")
    assert len(locked) > 60
    for name in REQUIREMENTS:
        for package, pin in pins(name).items():
            assert locked[package.lower().replace("_", "-")] == pin
            assert version(package) == pin


def test_pyproject_lists_every_package():
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {path.parent for path in (CHECKOUT / "dreamer_tf").rglob("*.py")}
    names = {str(path.relative_to(CHECKOUT)).replace("/", ".") for path in found}
    assert set(settings["packages"]) == names | {"dreamer_tf.configs"}


def test_citation_names_the_paper():
    citation = OmegaConf.load(CHECKOUT / "CITATION.cff")
    paper = citation["preferred-citation"]
    assert paper.title == "Dream to Control: Learning Behaviors by Latent Imagination"
    assert [author["family-names"] for author in paper.authors] == [
        "Hafner",
        "Lillicrap",
        "Ba",
        "Norouzi",
    ]
    assert "1912.01603" in paper.url and paper.year == 2020


def test_no_file_names_a_package_index_or_a_home_folder():
    """Packages come from wherever the user's pip is told to look."""
    forbidden = re.compile(r"--(extra-)?index-url\b|\bpypi\.org|/simple\b|/home/\w|/root/")
    names = [*REQUIREMENTS, "requirements-lock.txt", "pyproject.toml", "tools/run", ".ci/run"]
    paths = [*(CHECKOUT / name for name in names), *CHECKOUT.glob("*.md")]
    for folder in ("dreamer_tf", "configs", "tools", "docs"):
        files = [path for path in (CHECKOUT / folder).rglob("*.*") if path.is_file()]
        paths += [path for path in files if path.suffix != ".pyc"]
    for path in paths:
        assert not forbidden.search(path.read_text(errors="replace")), path
