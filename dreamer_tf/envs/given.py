"""Arrays that people give from Python, checked before anything computes with them."""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from dreamer_tf.basics.errors import UserError


def observed(
    given: ArrayLike | dict[str, ArrayLike], expected: dict[str, tuple[tuple[int, ...], str]]
) -> dict[str, np.ndarray]:
    """Returns {name: array [1, ...]} of a plain observation.

    Args:
        given: a dict of arrays, or one array.
        expected: {name: (shape, dtype name)}, `EnvSpec.observations`.

    Raises:
        UserError: other names or shapes than expected, an image that is not uint8, or numbers that
            are not finite.
    """
    if not isinstance(given, dict):
        if len(expected) > 1:
            raise UserError(f"the agent observes {', '.join(expected)}: give a dict of arrays")
        given = dict.fromkeys(expected, given)
    found = {}
    for name, (shape, dtype) in expected.items():
        if name not in given:
            raise UserError(f"the observation has no {name}, only {', '.join(map(str, given))}")
        found[name] = as_array(name, given[name], tuple(shape), np.dtype(dtype))[None]
    return found


def as_array(name: str, given: ArrayLike, shape: tuple[int, ...], dtype: DTypeLike) -> np.ndarray:
    """Returns an array of a shape and dtype.

    Args:
        name: of what is given, for the error.
        given: an array or what NumPy makes one of. Numbers of any kind are a vector; an image of
            floats could be from 0 to 1 or to 255.

    Raises:
        UserError: it is something else, or not finite.
    """
    wanted = np.dtype(dtype)  # Its name may be "|u1" or "uint8".
    try:
        array = np.asarray(given)
    except ValueError:  # Rows of several lengths, or what `reset` of Gymnasium returns.
        raise UserError(
            f"{name} is a {type(given).__name__} of several shapes, it must be {wanted} "
            f"{list(shape)}"
        ) from None
    fits = array.dtype == wanted or (wanted != np.uint8 and array.dtype.kind in "fiub")
    if array.shape != shape or not fits:
        what = f"{array.dtype} {list(array.shape)}"
        raise UserError(f"{name} is {what}, it must be {wanted} {list(shape)}")
    array = array.astype(wanted)
    if not np.isfinite(array).all():
        raise UserError(f"{name} is not finite")
    return array
