"""One call writes a measurement to metrics.jsonl and TensorBoard."""

import contextlib
import errno
import json
import os
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorboard.plugins.image import metadata as image_metadata

from dreamer_tf.agents.description import Description
from dreamer_tf.config.schema import Config
from dreamer_tf.reports import dashboard, pictures, video
from dreamer_tf.reports.descriptions import descriptions


class Logger:
    """Writes scalars; keeps the step counters that every line begins with.

    Args:
        metrics_path: the run's metrics.jsonl.
        folder: where TensorBoard's event files go.
        offset: length in bytes that metrics.jsonl is cut back to, None to keep it whole.
    """

    def __init__(self, metrics_path: str | Path, folder: str | Path, offset: int | None = None):
        # Unbuffered: what cannot be written now must not be tried again later.
        self.file = open(metrics_path, "ab", buffering=0)
        if offset is not None and self.offset > offset:
            os.ftruncate(self.file.fileno(), offset)
        self.described = set()
        self.writer = tf.summary.create_file_writer(str(folder))

    @property
    def offset(self) -> int:
        """Length of metrics.jsonl in bytes."""
        return os.fstat(self.file.fileno()).st_size

    def write(self, group: str, counters: dict[str, float], metrics: dict[str, float]) -> None:
        """Writes one line and one TensorBoard point per metric.

        Args:
            group: `"agent"` or `"sim"`, TensorBoard's prefix.
            counters: {"step", "agent_step", "update", "wall_time"}; step is in environment steps.
            metrics: {name: float or int}.

        Raises:
            ValueError: a metric is not finite, which JSON cannot hold.
            OSError: it cannot be written, for example because the disk is full; metrics.jsonl
                ends with a whole line then.
        """
        line = json.dumps({**counters, **metrics}, allow_nan=False)
        self._append(line.encode() + b"\n")
        with _os_errors(), self.writer.as_default(step=counters["step"]):
            for name, value in metrics.items():
                # Once is enough for TensorBoard.
                text = None if name in self.described else descriptions().get(name)
                self.described.add(name)
                tf.summary.scalar(f"{group}/{name}", value, description=text)

    def describe(self, config: Config, agent: Description, name: str) -> None:
        """Gives TensorBoard what is special in the configuration, and the layout of its charts.

        Args:
            config: `Config`.
            agent: `Description` of the agent that is trained.
            name: what the run is called there.

        Raises:
            OSError: it cannot be written.
        """
        with _os_errors(), self.writer.as_default(step=0):
            for content in (dashboard.layout(agent), dashboard.configuration(config, name)):
                tf.summary.experimental.write_raw_pb(content)

    def video(self, tag: str, step: int, frames: np.ndarray) -> None:
        """Shows uint8 [T, H, W, 3] among TensorBoard's images, as a GIF that moves.

        Raises:
            OSError: it cannot be written.
        """
        height, width = (str(size).encode() for size in frames.shape[1:3])
        picture = video.encode_gif(frames, pictures.FRAMES_PER_SECOND)
        metadata = image_metadata.create_summary_metadata(tag, "")
        with _os_errors(), self.writer.as_default(step=step):
            tf.summary.write(tag, tf.constant([width, height, picture]), metadata=metadata)

    def flush(self) -> None:
        """Makes everything written so far visible, and durable in metrics.jsonl."""
        os.fsync(self.file.fileno())
        with _os_errors():
            self.writer.flush()

    def close(self) -> None:
        """Closes both files. What matters was flushed before, so nothing is raised here."""
        with contextlib.suppress(OSError):
            self.flush()
        with contextlib.suppress(OSError), _os_errors():
            self.writer.close()
        self.file.close()

    def _append(self, data):
        begin, view = self.offset, memoryview(data)
        try:
            while view:
                view = view[self.file.write(view) :]
        except OSError:
            os.ftruncate(self.file.fileno(), begin)
            raise


@contextlib.contextmanager
def _os_errors():
    """Raises TensorFlow's errors of writing a file as the OSError that they stand for."""
    try:
        yield
    except tf.errors.ResourceExhaustedError:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
    except tf.errors.OpError as error:
        raise OSError(errno.EIO, error.message.split("\n")[0], "TensorBoard's events") from None
