"""Public functions say of what types their arguments and results are."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = [*(ROOT / "dreamer_tf").rglob("*.py"), *(ROOT / "tools").rglob("*.py")]


def unhinted(source):
    """Returns [(line, function, what lacks a type), ...] of the public functions of a source."""
    return list(_of(ast.parse(source).body, in_class=False))


def _of(body, in_class):
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _of(node.body, in_class=True)
        elif isinstance(node, ast.FunctionDef) and _is_public(node.name):
            lacking = [each.arg for each in _parameters(node, in_class) if each.annotation is None]
            lacking += ["return"] * (node.returns is None and node.name != "__init__")
            yield from ((node.lineno, node.name, each) for each in lacking)


def _is_public(name):
    return not name.startswith("_") or name in ("__init__", "__call__")


def _parameters(node, in_class):
    given = node.args
    static = any(getattr(each, "id", "") == "staticmethod" for each in node.decorator_list)
    found = [*given.posonlyargs, *given.args][in_class and not static :]
    return [*found, *given.kwonlyargs, *filter(None, (given.vararg, given.kwarg))]


def test_every_public_function_has_hints():
    assert len(SOURCES) > 150
    found = {path: unhinted(path.read_text()) for path in SOURCES}
    assert {path: lacking for path, lacking in found.items() if lacking} == {}


@pytest.mark.parametrize(
    ("source", "lacking"),
    [
        ("def f(a, *b: int, c=1, **d) -> int: ...", ["a", "c", "d"]),
        ("def f(): ...", ["return"]),
        ("class A:\n def __init__(self, a): ...\n def f(self) -> int: ...", ["a"]),
        ("class A:\n @staticmethod\n def f(a) -> int: ...", ["a"]),
        ("class A:\n @classmethod\n def f(cls, a: int): ...", ["return"]),
        ("class _A:\n def f(self): ...\ndef _f(a): ...\nclass B:\n def _f(self): ...", []),
    ],
)
def test_what_lacks_is_found(source, lacking):
    assert [what for _, _, what in unhinted(source)] == lacking
