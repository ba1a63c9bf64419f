"""The compute precision of the networks and the devices they run on."""

import contextlib
from collections.abc import Iterator

import keras
import tensorflow as tf

# Of determinism, the public module has only the switching on; of oneDNN it says nothing.
from tensorflow.python.framework import config as settings
from tensorflow.python.util import _pywrap_util_port as build

from dreamer_tf.basics import allocation, cluster
from dreamer_tf.basics.errors import UserError
from dreamer_tf.networks import devices

POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def prepare_devices(count: int = 1) -> str:
    """Sets TensorFlow's global state for a program; returns a description of the devices.

    GPU memory is taken as it is needed; on a CPU operations are deterministic, after which random
    numbers without a seed raise errors. What float32 multiplies has all its bits, also where a GPU
    could leave some out (TF32). What ~/.keras/keras.json says of types and images is not followed.

    Args:
        count: how many devices share an update, see `devices`.

    Raises:
        UserError: there are not so many.
    """
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")
    tf.config.experimental.enable_tensor_float_32_execution(False)
    processes = len(cluster.place(count).addresses)
    gpus = take_memory_as_needed()
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        own = count // processes
        if len(gpus) < own:
            raise UserError(f"devices {count}: TensorFlow finds {len(gpus)} here", status=1)
        if own < len(gpus) and processes > 1:
            try:
                tf.config.set_visible_devices(gpus[:own], "GPU")
            except RuntimeError:
                raise UserError(f"devices {count}: {devices.UNUSED}", status=1) from None
        name = details.get("device_name", "unknown")
        return f"GPU ({name})" if count == 1 else f"{count} GPUs ({name})"
    allocation.keep_freed_memory()
    # Sums in a fixed order, so that a resumed run equals an uninterrupted one bit for bit.
    tf.config.experimental.enable_op_determinism()
    if processes > 1:
        if count != processes:
            raise UserError(f"devices {count}: {processes} processes have a CPU each", status=1)
        return f"CPU in {count} processes"
    if count > 1:
        devices.split_cpu(count)
    return "CPU" if count == 1 else f"CPU in {count} parts"


def take_memory_as_needed() -> list[tf.config.PhysicalDevice]:
    """Has GPUs give memory bit by bit; returns them.

    What has already computed on them keeps the memory that it has.
    """
    gpus = tf.config.list_physical_devices("GPU")
    with contextlib.suppress(RuntimeError):  # TensorFlow has begun.
        for gpu in gpus:
            tf.config.experimental.set_memory_growth(gpu, True)
    return gpus


def uses_onednn() -> bool:
    """Returns whether TensorFlow computes with oneDNN on the CPU, see `basics.kernels`.

    It was decided when TensorFlow was loaded. Other kernels round differently.
    """
    return bool(build.IsMklEnabled())


@contextlib.contextmanager
def restored() -> Iterator[None]:
    """Gives back in the end what `prepare_devices` sets in TensorFlow and Keras.

    But for what TensorFlow cannot give back: the growth of GPU memory, and which devices there are.
    """
    floatx, layout = keras.config.floatx(), keras.config.image_data_format()
    tensor_float = tf.config.experimental.tensor_float_32_execution_enabled()
    deterministic = settings.is_op_determinism_enabled()
    try:
        yield
    finally:
        keras.config.set_floatx(floatx)
        keras.config.set_image_data_format(layout)
        tf.config.experimental.enable_tensor_float_32_execution(tensor_float)
        if not deterministic:
            settings.disable_op_determinism()


def resolve(precision: str, count: int = 1) -> str:
    """Returns `"float32"`, `"bfloat16"` or `"float16"` for a `precision` that may be `"auto"`.

    `count` is how many devices share an update.

    Auto is bfloat16 on GPUs that compute in it (Ampere and newer), float16 with loss scaling on
    older ones, float32 on CPUs.

    Raises:
        UserError: Keras computes with something else than TensorFlow in this process, or it would
            be float16 on several devices.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"Keras uses {keras.backend.backend()} here: set KERAS_BACKEND=tensorflow before it "
            "is imported",
            status=1,
        )
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "float32"
    details = tf.config.experimental.get_device_details(gpus[0])
    if details.get("compute_capability", (0, 0)) >= (8, 0):
        return "bfloat16"
    if count > 1:
        raise UserError(
            f"devices {count}: precision auto is float16 on these GPUs, of which each would have a "
            "loss scale of its own: set precision float32",
            status=1,
        )
    return "float16"
