"""Packages are layers: each imports only what is below it, the lower ones no TensorFlow."""

import ast
from pathlib import Path

import pytest
from programs_for_tests import run_python

ROOT = Path(__file__).resolve().parent.parent
# Package -> layer, the longest prefix of a module's name wins. No two packages share a layer, so
# that every import between packages goes down. The package itself is what people import.
LAYERS = {
    "dreamer_tf.basics": 0,
    "dreamer_tf.envs": 1,
    "dreamer_tf.envs.process": 2,
    "dreamer_tf.config": 3,
    "dreamer_tf.experience": 4,
    "dreamer_tf.networks": 5,
    "dreamer_tf.world_model": 6,
    "dreamer_tf.behavior": 7,
    "dreamer_tf.agents": 8,
    "dreamer_tf.reports": 9,
    "dreamer_tf.runs": 10,
    "dreamer_tf.training": 11,
    "dreamer_tf.results": 12,
    "dreamer_tf.sweeps": 13,
    "dreamer_tf.library": 14,
    "dreamer_tf.train": 15,
    "dreamer_tf.evaluate": 16,
    "dreamer_tf.player": 17,
    "dreamer_tf.dream": 18,
    "dreamer_tf.tensorboard": 19,
    "dreamer_tf.doctor": 20,
    "dreamer_tf.__main__": 21,
    "dreamer_tf": 22,
}
FREE_OF_TENSORFLOW = LAYERS["dreamer_tf.networks"]


def modules():
    """Returns {name: source} of the package."""
    found = {}
    for path in sorted((ROOT / "dreamer_tf").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return found


def package(module):
    """Returns the longest prefix of a module's name that has a layer."""
    names = [name for name in LAYERS if f"{module}.".startswith(f"{name}.")]
    return max(names, key=len)


def imports(source, known):
    """Returns the modules of the package that a source imports anywhere, also inside functions."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "the package imports by full names"
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                found.add(full if full in known else node.module)
    return {name for name in found if name.partition(".")[0] == "dreamer_tf"}


def wrong_imports(sources):
    """Returns [(module, what it imports), ...] of all imports that do not go down."""
    return [
        (module, target)
        for module, source in sources.items()
        for target in sorted(imports(source, sources))
        if package(module) != package(target) and LAYERS[package(target)] >= LAYERS[package(module)]
    ]


def test_every_import_goes_down():
    assert wrong_imports(modules()) == []


@pytest.mark.parametrize(
    "text",
    [
        "from dreamer_tf.training import cost",
        "import dreamer_tf.runs.checkpoint",
        "def late():\n    from dreamer_tf.agents.noise import Noise",
        "from dreamer_tf.agents import protocol",
        "from dreamer_tf import player",
        "import dreamer_tf",
    ],
)
def test_an_import_that_goes_up_is_found(text):
    made_up = {"dreamer_tf.config.made_up": text}
    ((module, _),) = wrong_imports(modules() | made_up)
    assert module == "dreamer_tf.config.made_up"


def test_the_layers_are_those_of_packages_that_exist():
    packages = [package(module) for module in modules()]
    assert set(packages) == LAYERS.keys()
    assert packages.count("dreamer_tf") == 1, "a new package needs a layer"


def test_the_layers_below_the_networks_import_where_tensorflow_cannot_be():
    names = [name for name in modules() if LAYERS[package(name)] < FREE_OF_TENSORFLOW]
    assert "dreamer_tf.experience.episodes" in names and "dreamer_tf.config.files" in names
    code = """
import importlib, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("tensorflow", "keras", "tensorflow_probability", "tf_keras"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
for name in sys.argv[1:]:
    importlib.import_module(name)
try:
    import dreamer_tf.networks.precision
except ImportError:
    print("refused")
"""
    assert "refused" in run_python(code, *names)
