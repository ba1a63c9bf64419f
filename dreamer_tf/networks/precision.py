"""The compute precision of the networks and the devices they run on."""

import tensorflow as tf

POLICIES = {
    "float32": "float32",
    "bfloat16": "mixed_bfloat16",
    "float16": "mixed_float16",
}


def prepare_devices():
    """Sets TensorFlow's global state for a program; returns a description of the device.

    GPU memory is taken as it is needed; on a CPU operations are deterministic, after which random
    numbers without a seed raise errors.
    """
    gpus = tf.config.list_physical_devices("GPU")
    for gpu in gpus:
        tf.config.experimental.set_memory_growth(gpu, True)
    if gpus:
        details = tf.config.experimental.get_device_details(gpus[0])
        return f"GPU ({details.get('device_name', 'unknown')})"
    # Sums in a fixed order, so that a resumed run equals an uninterrupted one bit for bit.
    tf.config.experimental.enable_op_determinism()
    return "CPU"


def resolve(precision):
    """Returns `"float32"`, `"bfloat16"` or `"float16"` for a `precision` that may be `"auto"`.

    Auto is bfloat16 on GPUs that compute in it (Ampere and newer), float16 with loss scaling on
    older ones, float32 on CPUs.
    """
    if precision != "auto":
        return precision
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "float32"
    details = tf.config.experimental.get_device_details(gpus[0])
    return "bfloat16" if details.get("compute_capability", (0, 0)) >= (8, 0) else "float16"
