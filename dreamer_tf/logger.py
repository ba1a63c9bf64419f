"""One call writes a measurement to metrics.jsonl and TensorBoard."""

import json
import os

import tensorflow as tf


class Logger:
    """Writes scalars; keeps the step counters that every line begins with.

    Args:
        metrics_path: the run's metrics.jsonl.
        folder: where TensorBoard's event files go.
        offset: length in bytes that metrics.jsonl is cut back to, None to keep it whole.
    """

    def __init__(self, metrics_path, folder, offset=None):
        self.file = open(metrics_path, "ab")
        if offset is not None and self.offset > offset:
            os.ftruncate(self.file.fileno(), offset)
            self.file.seek(0, os.SEEK_END)
        self.writer = tf.summary.create_file_writer(str(folder))

    @property
    def offset(self):
        """Length of metrics.jsonl in bytes."""
        return os.fstat(self.file.fileno()).st_size

    def write(self, group, counters, metrics):
        """Writes one line and one TensorBoard point per metric.

        Args:
            group: `"agent"` or `"sim"`, TensorBoard's prefix.
            counters: {"step", "agent_step", "update", "wall_time"}; step is in environment steps.
            metrics: {name: float or int}.

        Raises:
            ValueError: a metric is not finite, which JSON cannot hold.
        """
        line = json.dumps({**counters, **metrics}, allow_nan=False)
        self.file.write(line.encode() + b"\n")
        self.file.flush()
        with self.writer.as_default(step=counters["step"]):
            for name, value in metrics.items():
                tf.summary.scalar(f"{group}/{name}", value)

    def flush(self):
        """Makes everything written so far visible, and durable in metrics.jsonl."""
        os.fsync(self.file.fileno())
        self.writer.flush()

    def close(self):
        """Flushes and closes both files."""
        self.flush()
        self.file.close()
        self.writer.close()
