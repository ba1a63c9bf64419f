"""Which precision a machine computes in."""

import pytest
import tensorflow as tf

from dreamer_tf.networks import precision


@pytest.mark.parametrize(
    ("capability", "expected"),
    [(None, "float32"), ((7, 0), "float16"), ((8, 0), "bfloat16"), ((9, 0), "bfloat16")],
)
def test_auto_takes_what_the_device_has(monkeypatch, capability, expected):
    gpus = [] if capability is None else ["gpu"]
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus)
    details = {"compute_capability": capability}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: details)
    assert precision.resolve("auto") == expected


@pytest.mark.parametrize("name", precision.POLICIES)
def test_a_named_precision_is_taken(name):
    assert precision.resolve(name) == name
