"""The project's update and policy against recorded cases, and that the comparison can fail."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
CASES = sorted((ROOT / "tests" / "reference").glob("*.npz"))


def load_tool():
    spec = importlib.util.spec_from_file_location(
        "check_reference", ROOT / "tools" / "check_reference.py"
    )
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


@pytest.fixture(scope="module")
def tool():
    return load_tool()


def last_line(capsys):
    return capsys.readouterr().out.strip().splitlines()[-1]


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.stem)
def test_every_array_of_a_case_is_reproduced(tool, case, capsys):
    assert tool.main([str(case)]) == 0
    expected = len([name for name in np.load(case) if compared(name)])
    assert last_line(capsys) == f"{expected} of {expected} arrays passed"


def compared(name):
    given = ("policy/image_u8", "policy/reset", "policy/noise")
    results = ("out/", "grads/", "updated/", "updated_twice/", "policy/")
    return name.startswith(results) and not name.startswith(given)


CHANGES = {
    "a gradient": ("grads/actor/h1/kernel", lambda x: x + np.abs(x).max() * 1e-3),
    "a weight": ("weights/rssm/gru/kernel", lambda x: x * 1.001),
    "a noise entry": ("noise/imagine_action", lambda x: x + (np.indices(x.shape).sum(0) == 0)),
    "an updated weight": ("updated/encoder/h1/kernel", lambda x: x + 2e-3),
    "a policy action": ("policy/noise_explore", lambda x: x + 0.01),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_case_fails(tool, change, tmp_path, capsys):
    with np.load(ROOT / "tests" / "reference" / "continuous.npz") as archive:
        case = dict(archive)
    name, alter = CHANGES[change]
    case[name] = alter(case[name]).astype(case[name].dtype)
    np.savez(tmp_path / "changed.npz", **case)
    assert tool.main([str(tmp_path / "changed.npz")]) == 1
    passed, total = last_line(capsys).split()[0:3:2]
    assert int(passed) < int(total)


def test_an_unreadable_case_is_one_clear_line(tool, tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"nothing")
    with pytest.raises(SystemExit, match="broken.npz"):
        tool.main([str(broken)])
