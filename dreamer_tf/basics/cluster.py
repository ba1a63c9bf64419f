"""Processes, on one machine or several, that share the updates of one run, as TF_CONFIG says.

The first of them is the run: it has the environments, the episodes and all files. The others help:
they have the weights, get every batch from the first and take their part of it, and end with it.
"""

import json
import os
from typing import NamedTuple

from dreamer_tf.basics.errors import UserError

VARIABLE = "TF_CONFIG"
EXAMPLE = (
    '{"cluster": {"worker": ["host1:9000", "host2:9000"]}, "task": {"type": "worker", "index": 0}}'
)


class Place(NamedTuple):
    """Where this process stands: the addresses of all, `host:port`, and its own number."""

    addresses: tuple = ("",)
    number: int = 0

    @property
    def alone(self) -> bool:
        """Whether the run has one process."""
        return len(self.addresses) == 1


def place(count: int) -> Place:
    """Returns the `Place` of this process in a run whose updates `count` devices share.

    Raises:
        UserError: TF_CONFIG is not understood, or its processes cannot have equally many devices.
    """
    text = os.environ.get(VARIABLE)
    if count == 1 or not text:
        return Place()
    try:
        given = json.loads(text)
        kinds, task = given["cluster"], given["task"]
        addresses, number = tuple(map(str, kinds["worker"])), int(task["index"])
        understood = isinstance(kinds["worker"], list) and 0 <= number < len(addresses)
        understood = understood and list(kinds) == [task["type"]] == ["worker"]
    except (ValueError, KeyError, TypeError):
        understood = False
    if not understood:
        raise UserError(f"{VARIABLE} names no process of this run; it is like {EXAMPLE}")
    if count % len(addresses):
        raise UserError(
            f"devices {count}: {VARIABLE} has {len(addresses)} processes, which is no divisor"
        )
    return Place(addresses, number)


def notes(count: int, can_share: bool) -> list[str]:
    """Returns, in a list, what a person should know who set TF_CONFIG for one device.

    Args:
        count: devices that share the run's updates.
        can_share: whether the agent's updates can be shared.
    """
    if count > 1 or not os.environ.get(VARIABLE):
        return []
    advice = "; --devices N shares its updates" if can_share else ""
    return [f"{VARIABLE} is set but not used: this run is its own{advice}"]
