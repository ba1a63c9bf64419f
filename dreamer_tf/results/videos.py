"""The videos of a run: what lies in its folder as GIF, and the newest of TensorBoard's files."""

import contextlib
import struct
from pathlib import Path

# What an evaluation looked like, and what the model predicted of it.
TAGS = {"sim/test/episode": "evaluation", "agent/test/open_loop": "prediction"}
GIF = b"GIF8"
LENGTH, CHECKSUM = 8, 4  # Bytes in a file of TFRecords.


def find(folder: Path) -> list[tuple[str, bytes]]:
    """Returns [(title, bytes of a GIF), ...] of a run's folder; what is damaged is passed over."""
    newest = {}
    for path in sorted(folder.glob("events.out.tfevents.*")):
        with contextlib.suppress(OSError):
            for tag, step, picture in _pictures(path):
                if step >= newest.get(tag, (0,))[0]:
                    newest[tag] = step, picture
    found = [
        (f"{title} at {newest[tag][0]:,} steps", newest[tag][1])
        for tag, title in TAGS.items()
        if tag in newest
    ]
    for path in sorted(folder.glob("*.gif")):
        with contextlib.suppress(OSError):
            found.append((path.name, path.read_bytes()))
    return found


def _pictures(path):
    """Yields (tag, step, GIF) of a file of events, up to where it is cut off or damaged."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    with open(path, "rb") as file:
        for data in _records(file):
            try:
                event = Event.FromString(data)
            except DecodeError:
                return
            for value in event.summary.value:
                parts = value.tensor.string_val
                if value.tag in TAGS and len(parts) == 3 and parts[2].startswith(GIF):
                    yield value.tag, event.step, parts[2]


def _records(file):
    """Yields the contents of TFRecords: length, checksum, content, checksum."""
    size = file.seek(0, 2)
    file.seek(0)
    while len(head := file.read(LENGTH + CHECKSUM)) == LENGTH + CHECKSUM:
        (length,) = struct.unpack("<Q", head[:LENGTH])
        if length > size - file.tell() - CHECKSUM:
            return
        yield file.read(length)
        file.read(CHECKSUM)
