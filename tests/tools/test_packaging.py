"""The files that describe the package: pins, lock, metadata, citation."""

import email
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from omegaconf import OmegaConf
from packaging.requirements import Requirement

import dreamer_tf

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = (
    "requirements.txt",
    "requirements/dev.txt",
    "requirements/gpu.txt",
    "requirements/no-deps.txt",
    "requirements/sweeps.txt",
)


def pins(name):
    text = (CHECKOUT / name).read_text()
    return dict(re.findall(r"^([\w.-]+)(?:\[[\w-]+\])?==([^\s;#]+)", text, re.MULTILINE))


def test_pins_are_installed_and_agree_with_the_lock():
    locked = pins("requirements/lock.txt")
    assert len(locked) > 60
    sweeps = all(map(importlib.util.find_spec, ("ray", "submitit")))  # They are optional.
    for name in REQUIREMENTS:
        for package, pin in pins(name).items():
            assert locked[package.lower().replace("_", "-")] == pin
            if sweeps or not name.endswith("sweeps.txt"):
                assert version(package) == pin


def test_pyproject_lists_every_package():
    settings = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["setuptools"]
    found = {path.parent for path in (CHECKOUT / "dreamer_tf").rglob("*.py")}
    names = {str(path.relative_to(CHECKOUT)).replace("/", ".") for path in found}
    assert set(settings["packages"]) == names | {"dreamer_tf.configs", "dreamer_tf.docs"}


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
    names = [*REQUIREMENTS, "requirements/lock.txt", "pyproject.toml", "tools/run", ".ci/run"]
    paths = [*(CHECKOUT / name for name in names), *CHECKOUT.glob("*.md")]
    for folder in ("dreamer_tf", "configs", "tools", "docs"):
        files = [path for path in (CHECKOUT / folder).rglob("*.*") if path.is_file()]
        paths += [path for path in files if path.suffix != ".pyc"]
    for path in paths:
        assert not forbidden.search(path.read_text(errors="replace")), path


def test_every_pin_is_within_its_range():
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    ranges = {each.name: each for each in map(Requirement, project["dependencies"])}
    pinned = pins("requirements.txt")
    assert ranges.keys() == pinned.keys()
    for name, each in ranges.items():
        assert each.specifier.contains(pinned[name])
        # A range, not a pin: others have packages, too.
        assert not any(part.operator == "==" for part in each.specifier)
    sweeps = {
        each.name: each for each in map(Requirement, project["optional-dependencies"]["sweeps"])
    }
    pinned = pins("requirements/sweeps.txt")
    assert sweeps.keys() == pinned.keys()
    assert all(each.specifier.contains(pinned[name]) for name, each in sweeps.items())


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the package as pip installs it, from a copy of what git knows."""
    folder = tmp_path_factory.mktemp("package")
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.txt"):
        shutil.copy(CHECKOUT / name, folder / name)
    for name in ("dreamer_tf", "configs", "docs"):
        shutil.copytree(CHECKOUT / name, folder / name, ignore=shutil.ignore_patterns("*.pyc"))
    target = folder / "installed"
    pip = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--no-build-isolation"]
    subprocess.run([*pip, "--target", target, folder], check=True, capture_output=True)
    return target


def test_the_installed_package_has_one_command_for_all_programs(installed, tmp_path):
    """The command is the file that pip makes; nothing of the checkout is in reach."""
    variables = {**os.environ, "PYTHONPATH": str(installed)}
    variables.pop("PYTHONSAFEPATH", None)

    def start(*words):
        command = [sys.executable, installed / "bin" / "dreamer-tf", *words]
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True)

    assert start("--version").stdout.strip() == dreamer_tf.__version__
    for verb in ("train", "evaluate", "dream", "doctor", "tensorboard"):
        shown = start(verb, "--help")
        assert shown.returncode == 0 and "usage" in shown.stdout.lower(), shown.stderr
    assert "vectors" in start("train", "--help").stdout  # Presets came along.
    nothing, wrong = start(), start("trian")
    assert nothing.returncode == wrong.returncode == 2
    assert "usage" in nothing.stderr and wrong.stderr.count("\n") == 1
    missing = start("tensorboard")
    assert missing.returncode == 2 and "--logdir" in missing.stderr
    task = ["--task", "toy_reach", "--configs", "debug", "--train.prefill", "0"]
    assert "train.prefill" in start("train", *task).stderr
    checked = start("doctor", "--logdir", str(tmp_path))
    assert "within their ranges" in checked.stdout, checked.stdout + checked.stderr


def test_the_metadata_say_what_a_person_looks_for(installed):
    assert [path.name for path in (installed / "dreamer_tf/docs").iterdir()] == ["metrics.md"]
    (folder,) = installed.glob("dreamer_tf-*.dist-info")
    metadata = email.message_from_string((folder / "METADATA").read_text())
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert metadata.get_payload().startswith("# dreamer_tf")
    assert {"gpu", "sweeps", "wandb"} <= set(metadata.get_all("Provides-Extra"))
    assert any("Python :: 3.13" in each for each in metadata.get_all("Classifier"))
