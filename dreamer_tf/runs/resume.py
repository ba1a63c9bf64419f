"""Bringing the parts of a run to where an earlier session left them."""

import dataclasses
from pathlib import Path
from typing import Any

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.runs import versions
from dreamer_tf.runs.checkpoint import Checkpoint
from dreamer_tf.runs.counters import Counters


def check_whole(state: dict[str, Any] | None, path: Path) -> None:
    """Raises a UserError if no run goes on from a checkpoint's state (None: there is none).

    Args:
        state: of a `Checkpoint`.
        path: folder of the run.
    """
    if state is None:
        return
    versions.check_format(state)
    if "means" not in state:
        raise UserError(
            f"{path} is an agent that was shipped, which has no more than its weights: begin a run "
            f"with them elsewhere, --init_from {path}"
        )


def check_fits(saved: Checkpoint | None, spec: EnvSpec, precision: str) -> None:
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


def check_environment(saved: Checkpoint, spec: EnvSpec) -> None:
    """Raises a UserError naming the fields in which a `Checkpoint`'s `EnvSpec` is another one."""
    there = versions.read_spec(saved.state["spec"])
    names = [field.name for field in dataclasses.fields(spec)]
    changes = [
        f"{name} is {getattr(there, name)} in the checkpoint, {getattr(spec, name)} now"
        for name in names
        if getattr(there, name) != getattr(spec, name)
    ]
    if changes:
        raise UserError(
            f"the environment has changed: {'; '.join(changes)}; undo the change, or train anew "
            "under another --name",
            status=1,
        )


def counters(state: dict[str, Any] | None) -> Counters:
    """Returns the `Counters` in a checkpoint's state, fresh ones for None."""
    if state is None:
        return Counters()
    versions.check_format(state)
    return Counters(**state["counters"])
