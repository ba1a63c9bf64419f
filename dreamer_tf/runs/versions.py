"""What older versions of the program left out or wrote differently, so that their runs go on.

A new configuration key or field of `EnvSpec` gets a row here with the value that means what the
versions before did. Whatever is missing without a row is an error.
"""

import dataclasses
import json
from typing import Any

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.runs.checkpoint import Checkpoint

KEYS = {
    "agent": "dreamer",
    "devices": 1,
    "env.life_loss": True,
    "env.close_timeout": 15.0,
    "env.image_size": 64,
    "train.skip_nonfinite": False,
    "train.overlap": False,
    "replay.balance": False,
    "evaluate.action": "mode",
    "model.objective": "reconstruction",
    "model.contrast": "observations",
    "model.diagnostic_decoder": True,
    "model.contrast_layers": 3,
    "model.discount_labels": "discount",
    "model.dither": False,
    "model.reward_transform": "none",
    "model.reward_scale": 1.0,
    "model.vector_transform": "none",
    "a3c.reward_scale": 1.0,
    "behavior.bootstrap": "horizon",
    "behavior.mean_scale": 5.0,
    "behavior.start_every": 1,
    "behavior.entropy_limit": 10.0,
    "behavior.onehot_gradient": "straight_through",
}
"""{key of the configuration: what runs without it mean}."""

SPEC_FIELDS = {}
"""{field of `EnvSpec`: what checkpoints without it mean}."""

FORMAT = 3
"""Raised whenever the meaning of a checkpoint changes, with a step in `STEPS`."""

UNFINISHED = "unfinished/"
"""Prefix of the arrays of unfinished episodes in checkpoints of format 2."""


def from_format_2(saved: Checkpoint) -> Checkpoint:
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
    return dataclasses.replace(saved, state=state | {"numbered_indices": True})


STEPS = {2: from_format_2}
"""{format: function that makes a `Checkpoint` of that format into one of the next format}. The
state's member format is set by `to_current`."""


def check_format(state: dict[str, Any]) -> None:
    """Raises a UserError unless a checkpoint's JSON state can be read or converted."""
    found = state.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise UserError(
            f"the checkpoint has format {found}, newer than this version's {FORMAT}: use the "
            "version that wrote it, or update this one",
            status=1,
        )
    if found != FORMAT and not _convertible(found):
        raise UserError(
            f"the checkpoint has format {found}, this version reads {FORMAT}: use "
            "the version that wrote it, or start over with --fresh",
            status=1,
        )


def _convertible(found):
    return isinstance(found, int) and all(each in STEPS for each in range(found, FORMAT))


def to_current(saved: Checkpoint | None) -> Checkpoint | None:
    """Returns a `Checkpoint` (None: None) in the present format, converted step by step.

    Raises:
        UserError: it is newer than this version, or too old.
    """
    if saved is None:
        return None
    check_format(saved.state)
    for number in range(saved.state["format"], FORMAT):
        saved = STEPS[number](saved)
        saved = dataclasses.replace(saved, state={**saved.state, "format": number + 1})
    return saved


def read_spec(text: str) -> EnvSpec:
    """Returns the `EnvSpec` in a checkpoint.

    Args:
        text: what `EnvSpec.to_json` of this or an older version gave.

    Raises:
        UserError: it is of a newer version, or lacks what no version left out.
    """
    values = {**SPEC_FIELDS, **json.loads(text)}
    different = {field.name for field in dataclasses.fields(EnvSpec)} ^ values.keys()
    if different:
        raise UserError(
            f"the checkpoint's environment has other fields than this version's "
            f"({min(different)}): use the version that wrote it",
            status=1,
        )
    return EnvSpec.from_json(json.dumps(values))
