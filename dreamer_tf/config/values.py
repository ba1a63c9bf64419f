"""Turns text and YAML values into checked values of the configuration's types."""

import dataclasses
import difflib
import math
import re
from collections.abc import Collection

import numpy as np

from dreamer_tf.basics.errors import UserError


def nearest(word: str, valid: Collection[str]) -> str:
    """Returns ` (did you mean ...?)` with the valid names closest to a word, or nothing."""
    # A key typed without its section may stand for several.
    same_end = [name for name in valid if name.endswith("." + word.lstrip("-"))]
    found = same_end or difflib.get_close_matches(word, valid, n=1, cutoff=0.5)
    return f" (did you mean {' or '.join(found)}?)" if found else ""


def convert(value: object, field: dataclasses.Field, where: str) -> bool | int | float | str:
    """Returns a value of a field's type from text or a YAML value.

    Args:
        value: text as typed, or what a YAML file holds.
        field: dataclass field with its type and constraints, see `dreamer_tf.config.schema`.
        where: names the key and its origin in errors.

    Raises:
        UserError: no value, wrong type, out of range or none of the choices.
    """
    if isinstance(value, np.generic):  # A number of NumPy, from Python.
        value = value.item()
    if isinstance(value, np.ndarray):
        raise UserError(f"{where} must be a single value, not an array {list(value.shape)}")
    if value is None or value == "":
        raise UserError(f"{where} has no value")
    if field.type is bool:
        return _truth(value, where)
    if field.type is not str:
        return _within_range(value, field, where)
    choices = field.metadata.get("choices")
    # YAML 1.1 reads a bare on or off as a boolean.
    if isinstance(value, bool) and choices and "on" in choices:
        value = "on" if value else "off"
    if choices and not (isinstance(value, str) and value in choices):
        hint = nearest(str(value), choices)
        raise UserError(f"{where} must be one of {', '.join(choices)}, not {value!r}{hint}")
    pattern = field.metadata.get("pattern")
    if field.metadata.get("digits") and type(value) is int:
        value = str(value)  # What YAML reads as a number may be a list of one.
    if pattern and not (isinstance(value, str) and re.fullmatch(pattern, value, re.ASCII)):
        raise UserError(f"{where} must be {field.metadata['description']}, not {value!r}")
    return value


def _truth(value, where):
    text = str(value).lower()
    if text not in ("true", "false"):
        raise UserError(f"{where} must be true or false, not {value!r}")
    return text == "true"


def _within_range(value, field, where):
    """Returns the number in a value, or the field's word that may stand in its place."""
    word = field.metadata.get("word")
    if word and value == word:
        return word
    number = _number(value, float if field.type is float else int)
    if number is None:
        kind = "a number" if field.type is float else "a whole number"
        kind += f" or {word}" if word else ""
        raise UserError(f"{where} must be {kind}, not {value!r}")
    _check_range(number, value, field, where)
    return number


def _number(value, kind):
    """Returns the finite number in a text or YAML value as int or float, None if it is none."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        if kind is int and not isinstance(value, float):
            return int(value)
    except ValueError:
        pass  # A whole number may also be written 5e6.
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    if not math.isfinite(number) or (kind is int and not number.is_integer()):
        return None
    return kind(number)


def _check_range(number, written, field, where):
    limits = field.metadata
    rules = (
        (limits["minimum"], lambda bound: number >= bound, "at least"),
        (limits["maximum"], lambda bound: number <= bound, "at most"),
        (limits["above"], lambda bound: number > bound, "more than"),
    )
    for bound, holds, words in rules:
        if bound is not None and not holds(bound):
            raise UserError(f"{where} must be {words} {bound}, not {written}")
