"""Updates that several devices share equal those of one."""

import subprocess
import sys

import numpy as np
import pytest
from agents_for_tests import tiny_config
from runs_for_tests import ENVIRONMENT, ROOT

from dreamer_tf.basics.errors import UserError
from dreamer_tf.networks import precision

CASES = ("dreamer", "no_value", "planet")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """{number of devices: {"case/name": array}}, each of a process of its own."""
    folder, program = tmp_path_factory.mktemp("shared"), ROOT / "tests" / "sharing_for_tests.py"
    started = {
        count: subprocess.Popen(
            [sys.executable, program, str(count), folder / f"{count}.npz"], env=ENVIRONMENT
        )
        for count in (1, 2)
    }
    found = {}
    for count, process in started.items():
        assert process.wait(timeout=250) == 0
        with np.load(folder / f"{count}.npz") as file:
            found[count] = dict(file)
    return found


def of(results, case):
    """Returns {name: array} of one case."""
    return {
        name.removeprefix(f"{case}/"): value
        for name, value in results.items()
        if name.startswith(f"{case}/")
    }


@pytest.mark.parametrize("case", CASES)
def test_weights_moments_and_metrics_are_those_of_one_device(results, case):
    one, several = of(results[1], case), of(results[2], case)
    assert several.keys() == one.keys()
    for name, value in one.items():
        if value.dtype.kind == "U":
            assert several[name] == value
        else:
            scale = np.max(np.abs(np.nan_to_num(value)), initial=1e-3)
            np.testing.assert_allclose(
                several[name], value, rtol=0, atol=1e-4 * scale, err_msg=name
            )


def test_bfloat16_on_two_devices_is_nearer_to_one_than_to_float32(results):
    def weights(count, case):
        found = of(results[count], case)
        others = ("metric/", "optimizer/", "fault")
        chosen = [name for name in found if not name.startswith(others)]
        return np.concatenate([found[name].ravel() for name in sorted(chosen)])

    one, two, exact = weights(1, "bfloat16"), weights(2, "bfloat16"), weights(1, "planet")
    assert 0 < np.linalg.norm(two - one) < np.linalg.norm(one - exact) / 2
    for name in ("model_loss", "vector_loss", "div"):
        key = f"bfloat16/metric/0/{name}"
        np.testing.assert_allclose(results[2][key], results[1][key], rtol=1e-5)


def test_the_updates_changed_something_and_a_fault_on_one_device_stops_all(results):
    for found in results.values():
        assert found["dreamer/updates"] == found["no_value/updates"] == 3
        assert [found[f"no_value/metric/{number}/skipped"] for number in range(3)] == [0, 1, 0]
        assert found["planet/updates"] == 1
        assert found["planet/fault"] == "model_loss"


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"train__batch_size": 5}, "equal shares of train.batch_size 5"),
        ({"precision": "float16"}, "loss scale"),
        ({"xla": "true"}, "XLA"),
        ({"model__objective": "contrastive"}, "contrastive"),
        ({"agent": "d4pg"}, "devices has no effect: the agent d4pg does not use it"),
    ],
)
def test_what_cannot_be_shared_is_refused_in_one_line(keys, said):
    with pytest.raises(UserError, match=said) as caught:
        tiny_config(**{"devices": 2, "train__batch_size": 4, **keys})
    assert "\n" not in str(caught.value)


def test_auto_does_not_become_float16_on_several_devices(monkeypatch):
    monkeypatch.setattr(precision.tf.config, "list_physical_devices", lambda kind: ["one", "two"])
    old = {"compute_capability": (7, 0)}
    monkeypatch.setattr(precision.tf.config.experimental, "get_device_details", lambda _: old)
    assert precision.resolve("auto") == "float16"
    with pytest.raises(UserError, match="precision float32"):
        precision.resolve("auto", 2)


def test_what_has_begun_keeps_its_memory(monkeypatch):
    def refuse(*_):
        raise RuntimeError("Physical devices cannot be modified after being initialized")

    monkeypatch.setattr(precision.tf.config, "list_physical_devices", lambda kind: ["one"])
    monkeypatch.setattr(precision.tf.config.experimental, "set_memory_growth", refuse)
    monkeypatch.setattr(precision.tf.config.experimental, "get_device_details", lambda _: {})
    with precision.restored():
        assert precision.prepare_devices() == "GPU (unknown)"


def test_more_devices_than_there_are_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(precision.tf.config, "list_physical_devices", lambda kind: ["one"])
    monkeypatch.setattr(precision.tf.config.experimental, "set_memory_growth", lambda *_: None)
    monkeypatch.setattr(precision.tf.config.experimental, "get_device_details", lambda _: {})
    with precision.restored(), pytest.raises(UserError, match="devices 2: TensorFlow finds 1 here"):
        precision.prepare_devices(2)
