"""Every random number of a run is a function of (run seed, stream name, counters).

No generator carries state, so a checkpoint holds counters only and a resumed run draws exactly
what an uninterrupted one would have drawn.
"""

import zlib

import numpy as np


def sequence(run_seed: int, stream: str, *counters: int) -> np.random.SeedSequence:
    """Returns the numpy `SeedSequence` of one draw of a named stream.

    Args:
        run_seed: non-negative integer, the run's seed.
        stream: name of what the numbers are for, for example `"replay"`.
        *counters: non-negative integers telling the draws of a stream apart, for example
            (environment, episode number) or (update,).
    """
    return np.random.SeedSequence([run_seed, zlib.crc32(stream.encode()), *counters])


def generator(run_seed: int, stream: str, *counters: int) -> np.random.Generator:
    """Returns a fresh `numpy.random.Generator` for one draw of a named stream."""
    return np.random.Generator(np.random.Philox(sequence(run_seed, stream, *counters)))


def integer(run_seed: int, stream: str, *counters: int) -> int:
    """Returns a seed in [0, 2**31) for libraries that take one integer, such as dm_control."""
    return int(sequence(run_seed, stream, *counters).generate_state(1)[0] >> 1)


def pair(run_seed: int, stream: str, *counters: int) -> np.ndarray:
    """Returns an int32 array of shape [2], the seed of TensorFlow's stateless random ops."""
    return sequence(run_seed, stream, *counters).generate_state(2).view(np.int32)
