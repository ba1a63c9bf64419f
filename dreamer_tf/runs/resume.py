"""Bringing the parts of a run to where an earlier session left them."""

import dataclasses
import json

from dreamer_tf.basics.errors import UserError
from dreamer_tf.runs.counters import Counters

# Raised whenever the meaning of a checkpoint's state changes.
FORMAT = 3
UNFINISHED = "unfinished/"


def check_format(state):
    """Raises a UserError if another version of the program wrote a checkpoint's state."""
    if state.get("format") != FORMAT:
        raise UserError(
            f"the checkpoint has format {state.get('format')}, this version reads {FORMAT}: use "
            "the version that wrote it, or start over with --fresh",
            status=1,
        )


def check_fits(saved, spec, precision):
    """Raises a UserError if a checkpoint is of another environment or compute precision.

    Args:
        saved: `Checkpoint` or None.
        spec: `EnvSpec` of the environments now.
        precision: resolved compute precision now.
    """
    if saved is None:
        return
    check_environment(saved, spec)
    if saved.state["precision"] != precision:
        raise UserError(
            f"the checkpoint was trained in {saved.state['precision']}, here precision is "
            f"{precision}: go on where it was made, or choose another --name",
            status=1,
        )


def check_environment(saved, spec):
    """Raises a UserError if a `Checkpoint` is of another environment than an `EnvSpec`."""
    if saved.state["spec"] != spec.to_json():
        raise UserError(
            f"the environment has changed: the checkpoint is for {saved.state['spec']}, now it is "
            f"{spec.to_json()}; undo the change, or train anew under another --name",
            status=1,
        )


def counters(state):
    """Returns the `Counters` in a checkpoint's state, fresh ones for None."""
    if state is None:
        return Counters()
    check_format(state)
    return Counters(**state["counters"])


def from_format_2(saved):
    """Returns a checkpoint of format 2, which held unfinished episodes whole, as one of format 3.

    Its records stay among the arrays, for `write_unfinished`.
    """
    state = dict(saved.state)
    count = len(state["episode_numbers"])
    repeat = json.loads(state["spec"])["action_repeat"]
    state["ticks"] = state["counters"]["step"] // (count * repeat)
    state["unfinished"] = {
        name.removeprefix(UNFINISHED): [state["ticks"] - len(records) + 1, len(records)]
        for name, records in saved.arrays.items()
        if name.startswith(UNFINISHED)
    }
    return dataclasses.replace(saved, state=state | {"format": 3, "numbered_indices": True})


def write_unfinished(saved, episodes):
    """Puts the unfinished episodes of a checkpoint of format 2 on the disk, as left over files."""
    for name, records in saved.arrays.items():
        if name.startswith(UNFINISHED):
            i = int(name.removeprefix(UNFINISHED))
            begin, _ = saved.state["unfinished"][str(i)]
            episodes.leave(i, saved.state["episode_numbers"][i], begin, records)
