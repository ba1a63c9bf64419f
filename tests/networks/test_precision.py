"""Which precision a machine computes in."""

import keras
import pytest
import tensorflow as tf
from programs_for_tests import run_python

from dreamer_tf.basics.errors import UserError
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


def test_a_program_computes_in_whole_float32_whatever_keras_is_set_to():
    run_python("""
import keras, tensorflow as tf
from dreamer_tf.networks import precision
keras.config.set_floatx("float64")
keras.config.set_image_data_format("channels_first")
assert tf.config.experimental.tensor_float_32_execution_enabled()
precision.prepare_devices()
assert not tf.config.experimental.tensor_float_32_execution_enabled()
assert (keras.config.floatx(), keras.config.image_data_format()) == ("float32", "channels_last")
""")


def test_another_backend_of_keras_is_refused_in_one_line(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match="Keras uses jax here: set KERAS_BACKEND=tensorflow"):
        precision.resolve("float32")
