"""Several devices that share every update (tf.distribute): each has all the weights and a part of
the batch.

A loss is a mean over the batch, so that the mean over the devices is the loss of the whole. Their
gradients are averaged before they are clipped and used; then all devices make the same step, each
on its own weights. With one device, and outside of updates, the functions return what they get.
"""

import contextlib
import functools

import tensorflow as tf

from dreamer_tf.basics import cluster
from dreamer_tf.basics.errors import UserError


def split_cpu(count):
    """Makes `count` devices of the CPU, to try out what several would do; no faster than one.

    Raises:
        UserError: TensorFlow has been used in this process, and its devices are fixed since then.
    """
    parts = [tf.config.LogicalDeviceConfiguration()] * count
    cpu = tf.config.list_physical_devices("CPU")[0]
    try:
        if len(tf.config.get_logical_device_configuration(cpu) or [None]) < count:
            tf.config.set_logical_device_configuration(cpu, parts)
    except RuntimeError:
        raise UserError(
            f"devices {count}: without a GPU they are parts of the CPU, which only a process that "
            "has not used TensorFlow yet can make",
            status=1,
        ) from None


def scope(count):
    """Returns the context in which an agent is made whose updates `count` devices share."""
    return contextlib.nullcontext() if count == 1 else _strategy(count).scope()


@functools.cache
def _strategy(count):
    """Returns the strategy of a process; a second one of the same devices would not work."""
    if not cluster.place(count).alone:
        return tf.distribute.MultiWorkerMirroredStrategy()
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    names = [f"{kind}:{number}" for number in range(count)]
    return tf.distribute.MirroredStrategy(names)


def shared(function):
    """Returns a function of tensors as the devices of the `scope` of this moment run it together.

    Args:
        function: returns a nest of tensors that are the same on all devices. Of several processes
            it gets the arguments of the first.
    """
    strategy = tf.distribute.get_strategy()
    if strategy.num_replicas_in_sync == 1:
        return function

    several = isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)

    def handed_out(*arguments):
        return function(*(from_first(arguments) if arguments else ()))

    def run(*arguments):
        found = strategy.run(handed_out if several else function, arguments)
        return tf.nest.map_structure(
            lambda each: strategy.experimental_local_results(each)[0], found
        )

    return run


def counter(name, dtype):
    """Returns a variable that begins at 0 and that every device changes alike, on its own."""
    return tf.Variable(
        0,
        dtype=dtype,
        trainable=False,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def mean(tensors):
    """Returns the mean over the devices of each tensor of a nest."""
    context = _sharing()
    if context is None:
        return tensors
    flat = context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.nest.flatten(tensors))
    return tf.nest.pack_sequence_as(tensors, flat)


def part(tensors, axis=0):
    """Returns this device's part of each tensor of a nest, a piece of an axis.

    Args:
        tensors: nest of tensors; the sizes of the axis are multiples of the number of devices.
        axis: the axis.
    """
    context = _sharing()
    if context is None:
        return tensors

    def cut(tensor):
        size = tensor.shape[axis] // context.num_replicas_in_sync
        begin = [0] * tensor.shape.rank
        begin[axis] = context.replica_id_in_sync_group * size
        return tf.slice(tensor, begin, [*tensor.shape[:axis], size, *tensor.shape[axis + 1 :]])

    return tf.nest.map_structure(cut, tensors)


def from_first(tensors):
    """Returns the tensors of a nest as the first device of the first process has them.

    Args:
        tensors: nest of tensors, of the same shapes and types on all devices.
    """
    context = tf.distribute.get_replica_context()
    first = tf.equal(context.replica_id_in_sync_group, 0)
    flat = tf.nest.flatten(tensors)
    words = [_to_words(each) for each in flat]
    # Bits are added to zeros: what arrives is what was sent, whatever it is.
    words = [tf.where(first, each, tf.zeros_like(each)) for each in words]
    words = context.all_reduce(tf.distribute.ReduceOp.SUM, words)
    flat = [_from_words(*pair) for pair in zip(words, flat, strict=True)]
    return tf.nest.pack_sequence_as(tensors, flat)


def _to_words(tensor):
    """Returns a tensor as int32 with the same bits, or for small integers the same numbers."""
    if tensor.dtype in (tf.float32, tf.int64):
        return tf.bitcast(tensor, tf.int32)
    if tensor.dtype == tf.uint8 and tensor.shape.num_elements() % 4 == 0:
        return tf.bitcast(tf.reshape(tensor, [-1, 4]), tf.int32)
    return tf.cast(tensor, tf.int32)


def _from_words(words, like):
    if like.dtype in (tf.float32, tf.int64):
        return tf.bitcast(words, like.dtype)
    if like.dtype == tf.uint8 and like.shape.num_elements() % 4 == 0:
        return tf.reshape(tf.bitcast(words, tf.uint8), like.shape)
    return tf.cast(words, like.dtype)


def _sharing():
    """Returns the replica context of a device that shares the update being traced, or None."""
    context = tf.distribute.get_replica_context()
    return None if context is None or context.num_replicas_in_sync == 1 else context
