"""Whether a run may go on with another configuration than the one in its folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.run_files import CHECKPOINTS, EPISODES
from dreamer_tf.config.command_line import Arguments
from dreamer_tf.config.files import from_yaml
from dreamer_tf.config.schema import flatten
from dreamer_tf.experience.folder import files_of
from dreamer_tf.runs import checkpoint, versions

# Keys that change nothing of what is learned: a run may go on with other values of them.
HARMLESS = (
    *("checkpoint.", "evaluate.", "replay.keep", "env.timeout", "env.close_timeout"),
    "train.skip_nonfinite",  # It changes what would have been the end.
    "devices",  # Of what they compute, the last digits.
)
# Of the differences between two configurations, so many are shown.
SHOWN_CHANGES = 4


def differences(earlier: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Returns the keys, of two flattened configurations, that matter and differ.

    Two agents share some sections only; their names are among the differences. A precision of auto
    is compared with the checkpoint's when it is known what it means here.
    """
    different = [key for key in now if key in earlier and now[key] != earlier[key]]
    if "auto" in (now["precision"], earlier["precision"]):
        different = [key for key in different if key != "precision"]
    return [key for key in different if not key.startswith(HARMLESS)]


def changes(stored: Path, arguments: Arguments) -> list[str]:
    """Returns texts that say how a stored config is to be replaced for an `Arguments`.

    Raises:
        UserError: it may not be, since what is learned would change.
    """
    try:
        earlier = flatten(from_yaml(stored, versions.KEYS))
    except UserError as error:
        raise UserError(f"{error}; choose another --name, or start again with --fresh") from None
    now = flatten(arguments.config)
    different = differences(earlier, now)
    longer = different == ["steps"] and now["steps"] > earlier["steps"]
    if longer and arguments.extend:
        _check_experience(stored.parent)
    if not different or (longer and arguments.extend):
        changed = [key for key in now if key in earlier and now[key] != earlier[key]]
        return [f"{key} is {now[key]}, before it was {earlier[key]}" for key in changed]
    shown = [f"{key} is {earlier[key]} there, {now[key]} here" for key in different]
    if len(shown) > SHOWN_CHANGES:
        shown[SHOWN_CHANGES:] = [f"{len(shown) - SHOWN_CHANGES} more keys differ"]
    advice = (
        f"choose another --name; or continue that run with --configs {stored} --name "
        f"{arguments.name}; or delete it and start again with --fresh"
    )
    if longer:
        advice = f"--extend continues it up to {now['steps']} steps; or {advice}"
    message = f"{stored.parent} holds a run with a different configuration:"
    raise UserError("\n".join([message, f"  {'; '.join(shown)}", advice]))


def _check_experience(path):
    """Raises a UserError where nothing is there that a run would go on learning from."""
    if files_of(path / EPISODES):
        return
    state = checkpoint.read_state(path / CHECKPOINTS)
    if state is not None and state["counters"]["step"] and not state.get("at_once", False):
        raise UserError(
            f"{path} cannot be prolonged: its episodes were deleted (replay.keep false) or left "
            f"elsewhere; --init_from {path} begins another run with its weights"
        )
