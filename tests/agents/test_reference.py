"""The project's update and policy against recorded cases, and that the comparison can fail."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
CASES = [ROOT / "tests" / "reference" / f"{name}.npz" for name in ("continuous", "discrete")]


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


@pytest.mark.usefixtures("eager")
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


@pytest.mark.parametrize(
    ("difference", "sensitivity", "passes"),
    [
        (0.9e-4, 0, True),
        (1.1e-4, 0, False),
        (2.9e-4, 1e-4, True),
        (3.1e-4, 1e-4, False),
        # However ill conditioned a case is, this is no round-off.
        (1.9e-3, 1.0, True),
        (2.1e-3, 1.0, False),
    ],
)
def test_limits_follow_what_one_unit_in_the_last_place_does(tool, difference, sensitivity, passes):
    expected = np.array([1.0, -0.5])
    found = expected + [0, difference]
    assert tool.compare("grads/x", found, expected, {}, sensitivity)[2] == passes


def test_sensitivity_is_that_of_the_computation(tool):
    """Of a stand-in for an agent whose result is a difference of nearly equal inputs."""
    case = {"weights/a": np.float32([1.0]), "data/b": np.float32([0.999])}
    case |= {"data/discount": np.float32([1.0]), "data/c": np.uint8([3])}

    def runs(case):
        assert case["data/discount"] == 1 and case["data/c"] == 3
        return {"out/small": case["weights/a"] - case["data/b"], "out/sum": case["data/b"] + 1}

    found = tool.sensitivities(runs, case, runs(case))
    # One unit in the last place is 6e-8 to 1.2e-7 of an input, and the difference is 1e-3.
    assert 5e-5 < found["out/small"] < 2e-4 and 0 < found["out/sum"] < 1.2e-7


OTHER_SIZES = {
    "tanh-normal with a discount head": {"action_dist": "tanh_normal", "discount_head": True},
    "one-hot without": {"action_dist": "onehot", "discount_head": False, "free_nats": 1000.0},
}


def make_case(sizes, random):
    """A case of other sizes with random weights, inputs and noise, and no results yet."""
    batch, length, horizon = (sizes[name] for name in ("batch_size", "batch_length", "horizon"))
    actions, stoch, deter, hidden = (
        sizes[name] for name in ("action_dim", "stoch", "deter", "hidden")
    )
    depth, units, features = sizes["cnn_depth"], sizes["units"], stoch + deter
    discrete = sizes["action_dist"] == "onehot"
    shapes = {
        "rssm/img1": (stoch + actions, hidden),
        "rssm/img2": (deter, hidden),
        "rssm/img3": (hidden, 2 * stoch),
        "rssm/obs1": (deter + 32 * depth, hidden),
        "rssm/obs2": (hidden, 2 * stoch),
        "decoder/h1": (features, 32 * depth),
    }
    channels = [3, depth, 2 * depth, 4 * depth, 8 * depth]
    for i in range(4):
        shapes[f"encoder/h{i + 1}"] = (4, 4, channels[i], channels[i + 1])
    channels = [32 * depth, 4 * depth, 2 * depth, depth, 3]
    for i, kernel in enumerate((5, 5, 6, 6)):
        shapes[f"decoder/h{i + 2}"] = (kernel, kernel, channels[i + 1], channels[i])
    heads = {"reward": (3, 1), "value": (2, 1), "actor": (3, actions * (2 - discrete))}
    if sizes["discount_head"]:
        heads["discount"] = (2, 1)
    for head, (layers, outputs) in heads.items():
        widths = [features, *[units] * layers]
        for i in range(layers):
            shapes[f"{head}/h{i}"] = (widths[i], widths[i + 1])
        shapes[f"{head}/hout"] = (units, outputs)
    arrays = {"rssm/gru/kernel": (hidden, 3 * deter), "rssm/gru/bias": (2, 3 * deter)}
    arrays["rssm/gru/recurrent_kernel"] = (deter, 3 * deter)
    for layer, shape in shapes.items():
        arrays[f"{layer}/kernel"] = shape
        transposed = layer.startswith("decoder/h") and layer != "decoder/h1"
        arrays[f"{layer}/bias"] = (shape[-2] if transposed else shape[-1],)
    case = {f"weights/{name}": 0.2 * random.normal(size=shape) for name, shape in arrays.items()}
    starts = batch * (length - sizes["discount_head"])
    case |= {
        "data/action": random.uniform(-1, 1, (batch, length, actions)),
        "data/reward": random.normal(size=(batch, length)),
        "data/discount": np.ones((batch, length)),
        "noise/posterior": random.normal(size=(length, batch, stoch)),
        "noise/imagine_state": random.normal(size=(horizon, starts, stoch)),
        "noise/imagine_action": random.gumbel(size=(horizon, starts, actions)),
        "policy/noise_state": random.normal(size=(6, 2, stoch)),
        "policy/noise_action": random.gumbel(size=(6, 2, actions)),
    }
    if not discrete:
        case["policy/noise_explore"] = random.normal(size=(6, 2, actions))
    case = {name: value.astype(np.float32) for name, value in case.items()}
    images = {"data/image_u8": (batch, length), "policy/image_u8": (6, 2)}
    for name, shape in images.items():
        case[name] = random.integers(0, 256, (*shape, 64, 64, 3), dtype=np.uint8)
    case["policy/reset"] = np.arange(12).reshape(6, 2) % 5 == 0
    case["config"] = np.array(json.dumps(sizes))
    return case


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("kind", OTHER_SIZES)
def test_any_sizes_can_be_checked(tool, kind, tmp_path, capsys):
    """The tool finds every array of a case of other sizes, here with the project's own results."""
    with np.load(ROOT / "tests" / "reference" / "continuous.npz") as archive:
        sizes = json.loads(str(archive["config"]))
    other = {"batch_size": 3, "batch_length": 4, "action_dim": 2, "cnn_depth": 1, "horizon": 3}
    sizes |= {**other, "deter": 7, "hidden": 6, "stoch": 5, "units": 9, **OTHER_SIZES[kind]}
    case = make_case(sizes, np.random.default_rng(0))
    agent, _ = tool.build_agent(case)
    results = tool.Runs(agent)(case)
    weights = [name for name in case if name.startswith("weights/")]
    assert len(results) > 3 * len(weights) + 20
    np.savez(tmp_path / "case.npz", **case, **results)
    assert tool.main([str(tmp_path / "case.npz")]) == 0
    assert last_line(capsys) == f"{len(results)} of {len(results)} arrays passed"


def test_an_unreadable_case_is_one_clear_line(tool, tmp_path):
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"nothing")
    with pytest.raises(SystemExit, match="broken.npz"):
        tool.main([str(broken)])
