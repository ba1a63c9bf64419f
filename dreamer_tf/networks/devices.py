"""Several devices that share every update (tf.distribute): each has all the weights and a part of
the batch.

A loss is a mean over the batch, so that the mean over the devices is the loss of the whole. Their
gradients are averaged before they are clipped and used; then all devices make the same step, each
on its own weights. With one device, and outside of updates, the functions return what they get.
"""

import contextlib
import functools
import signal
import threading
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from dreamer_tf.basics import cluster
from dreamer_tf.basics.errors import UserError

UNUSED = "only a process that has not used TensorFlow yet can have them"


def split_cpu(count: int) -> None:
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
        raise UserError(f"devices {count}, parts of the CPU: {UNUSED}", status=1) from None


def scope(count: int) -> contextlib.AbstractContextManager[object]:
    """Returns the context in which an agent is made whose updates `count` devices share."""
    return contextlib.nullcontext() if count == 1 else _strategy(count).scope()


@functools.cache
def _strategy(count):
    """Returns the strategy of a process; a second one of the same devices would not work.

    With several processes it waits for all of them, which Ctrl-C can end.

    Raises:
        UserError: TensorFlow has been used in this process, or the processes do not all come.
    """
    kind = "GPU" if tf.config.list_physical_devices("GPU") else "CPU"
    if not cluster.place(count).alone:
        return _among_processes(kind)
    names = [f"{kind}:{number}" for number in range(count)]
    return tf.distribute.MirroredStrategy(names)


def _among_processes(kind):
    how = tf.distribute.experimental
    by = how.CommunicationImplementation
    options = how.CommunicationOptions(implementation=by.NCCL if kind == "GPU" else by.RING)
    # TensorFlow waits outside of Python, whose handler would wait with it.
    main = threading.current_thread() is threading.main_thread()
    earlier = signal.signal(signal.SIGINT, signal.SIG_DFL) if main else None
    try:
        return tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
    except RuntimeError:
        raise UserError(f"several processes: {UNUSED}", status=1) from None
    except tf.errors.OpError as error:
        reason = error.message.splitlines()[0]
        raise UserError(
            f"the processes of {cluster.VARIABLE} do not find each other: {reason}", status=1
        ) from None
    finally:
        if main:
            signal.signal(signal.SIGINT, earlier)


def shared(function: Callable[..., Any]) -> Callable[..., Any]:
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


def counter(name: str, dtype: tf.DType) -> tf.Variable:
    """Returns a variable that begins at 0 and that every device changes alike, on its own."""
    return tf.Variable(
        0,
        dtype=dtype,
        trainable=False,
        name=name,
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def mean(tensors: Any) -> Any:
    """Returns the mean over the devices of each tensor of a nest."""
    context = _sharing()
    if context is None:
        return tensors
    flat = context.all_reduce(tf.distribute.ReduceOp.MEAN, tf.nest.flatten(tensors))
    return tf.nest.pack_sequence_as(tensors, flat)


def part(tensors: Any, axis: int = 0) -> Any:
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


def from_first(tensors: Any) -> Any:
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
    """Returns a tensor as int64 with the same bits, or for integers the same numbers.

    Smaller integers are not added up on GPUs.
    """
    if tensor.dtype == tf.float32:
        return tf.cast(tf.bitcast(tensor, tf.int32), tf.int64)
    if _is_packed(tensor):
        return tf.bitcast(tf.reshape(tensor, [-1, 8]), tf.int64)
    return tf.cast(tensor, tf.int64)


def _from_words(words, like):
    """Returns the tensor that `_to_words` made words of; `like` has its type and shape."""
    if like.dtype == tf.float32:
        return tf.bitcast(tf.cast(words, tf.int32), tf.float32)
    if _is_packed(like):
        return tf.reshape(tf.bitcast(words, tf.uint8), like.shape)
    return tf.cast(words, like.dtype)


def _is_packed(tensor):
    return tensor.dtype == tf.uint8 and tensor.shape.num_elements() % 8 == 0


def _sharing():
    """Returns the replica context of a device that shares the update being traced, or None."""
    context = tf.distribute.get_replica_context()
    return None if context is None or context.num_replicas_in_sync == 1 else context
