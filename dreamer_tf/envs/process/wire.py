"""The language between a trainer and its environment workers.

Both sides send frames: one byte that says what it is, the payload's length, the payload. Payloads
are raw little-endian buffers or JSON, never pickles. Before any frame the trainer sends one line
of JSON: the description of the environment (env) and the seconds for its end (close_timeout).
"""

import struct

from dreamer_tf.basics import stopping

HEADER = struct.Struct("<cQ")
SEED = struct.Struct("<Q")

# Signals that workers leave to the trainer.
LEFT_TO_TRAINER = stopping.SIGNALS

# From the trainer.
RESET = b"R"  # seed
STEP = b"S"  # action, float32 [A]
REPLAY = b"P"  # seed, then actions, float32 [T, A]
RENDER = b"I"
CLOSE = b"C"

# Height and width before the bytes of a rendered frame, uint8 [height, width, 3].
SIZE = struct.Struct("<II")

# From the worker.
SPEC = b"s"  # JSON: EnvSpec as JSON (spec), whether RENDER works, whether its limit is its own
RECORD = b"r"  # one record of the spec's record_dtype
FRAME = b"f"  # size, pixels
BLIND = b"w"  # one record of a replay, of the spec's blind_dtype
ERROR = b"e"  # JSON: user (bool), type, message, where, status


def pack(kind: bytes, payload: bytes = b"") -> bytes:
    """Returns a frame as bytes."""
    return HEADER.pack(kind, len(payload)) + payload
