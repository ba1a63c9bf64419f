"""What a block of updates is made of, from a trace of TensorFlow's profiler.

Batches come from episodes on the disk through the thread that a run has for them.
"""

import statistics
import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import tensorflow as tf

# Its messages; the profiler writes no other form of a trace.
from tensorflow.tsl.profiler.protobuf import xplane_pb2

from benchmarks import agents
from dreamer_tf.basics import seeding
from dreamer_tf.experience import episode_file
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sources import make_source
from dreamer_tf.reports.means import Means

EPISODES, LENGTH = 5, 501
UPDATE, PREPARE, FETCH = "update of the block", "batch to tensors", "fetch of the metrics"
"""What stretches of the trace are called here."""


def measure(
    sizes: Iterable[str], count: int, keep: str | Path | None = None
) -> list[dict[str, str | float]]:
    """Returns a row for each size: `count` updates of a block, the first ones left out.

    Args:
        sizes: as in `agents.PRESETS`.
        count: how many updates are traced.
        keep: folder that the trace files are left in, for TensorBoard.
    """
    rows = []
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(keep or folder, size)
            _trace(agents.make(size, "float32"), Path(folder), place, count)
            rows.append({"size": size} | _row(_stretches(place)))
    return rows


def _trace(agent, folder, place, count):
    """Makes two updates, then a block of `count` whose trace goes to `place`."""
    _write(folder, agent.spec.record_dtype)

    def prepare(batch):
        with tf.profiler.experimental.Trace(PREPARE):
            return agent.to_device(batch)

    episodes = Episodes(folder, agent.spec.record_dtype, print)
    source = make_source(agent.experience, episodes, 0, prepare)
    _block(agent, source, 0, 2)
    tf.profiler.experimental.start(str(place))
    _block(agent, source, 2, count)
    tf.profiler.experimental.stop()


def _block(agent, source, first, count):
    """Makes updates as `Trainer` does."""
    means = Means()
    with source.batches(first, count) as batches:
        for number, batch in enumerate(batches, first):
            with tf.profiler.experimental.Trace(UPDATE):
                means.add(agent.update(batch, seeding.pair(0, "update", number)))
            if number + 1 == first + count:
                break
    with tf.profiler.experimental.Trace(FETCH):
        means.fold()


def _write(folder, dtype):
    random = np.random.default_rng(0)
    for number in range(EPISODES):
        records = np.zeros(LENGTH, dtype)
        records["image"] = random.integers(0, 256, records["image"].shape, dtype=np.uint8)
        records["is_first"][0] = records["is_last"][-1] = True
        episode_file.write(folder, (number + 1) * (LENGTH - 1), records)


def _stretches(place):
    """Returns {name: [(begin, end), ...]} in seconds, in order, of a trace."""
    space = xplane_pb2.XSpace()
    path = max(place.rglob("*.xplane.pb"), key=lambda each: each.stat().st_mtime)
    space.ParseFromString(path.read_bytes())
    found = {}
    for plane in space.planes:
        for line in plane.lines:
            for event in line.events:
                name = plane.event_metadata[event.metadata_id].name
                begin = line.timestamp_ns / 1e9 + event.offset_ps / 1e12
                found.setdefault(name, []).append((begin, begin + event.duration_ps / 1e12))
    return {name: sorted(stretches) for name, stretches in found.items()}


def _row(stretches):
    """Returns what the main thread did, and what the thread of the batches."""
    updates = stretches[UPDATE]
    between = [after[0] - before[1] for before, after in zip(updates, updates[1:], strict=False)]
    ((begin, end),) = stretches[FETCH]
    return {
        "updates": len(updates),
        "of an update": statistics.median(end - begin for begin, end in updates),
        "between two": statistics.median(between),
        "at most": max(between),
        "fetching all metrics": end - begin,
        "making a batch tensors": statistics.median(b - a for a, b in stretches[PREPARE]),
    }
