"""Bringing the parts of a run to where an earlier session left them."""

import dataclasses

import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.runs import versions
from dreamer_tf.runs.counters import Counters


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


def counters(state):
    """Returns the `Counters` in a checkpoint's state, fresh ones for None."""
    if state is None:
        return Counters()
    versions.check_format(state)
    return Counters(**state["counters"])


def restore(saved, collector, replay, progress):
    """Restores environments and policy, and adopts episodes newer than the checkpoint.

    A killed run loses its unfinished episodes, not its finished ones: they are on disk, and the
    step counter moves on by them. The updates that they entitle to become due by that.

    Args:
        saved: `Checkpoint` or None.
        collector: `Collector`.
        replay: `Replay`.
        progress: `Counters`; its step is advanced.

    Returns:
        [(index, step), ...] of the adopted episodes in the order in which they ended; step is the
        environment step at which that was.
    """
    numbers, unfinished = [0] * len(collector), {}
    policy_state = collector.policy_state
    if saved is not None:
        numbers = saved.state["episode_numbers"]
        policy_state = section(saved, "policy_state/")
        unfinished = {int(i): records for i, records in section(saved, "unfinished/").items()}
    repeat = collector.workers[0].spec.action_repeat
    # All environments step together, so that each has made its share.
    share = progress.step // (len(collector) * repeat)
    adopted = []
    for i in range(len(collector)):
        newer = newer_episodes(replay.lengths, i, len(collector), numbers[i])
        if not newer:
            continue
        steps, under_way = 0, unfinished.pop(i, None)
        if under_way is not None and newer[0][0] == numbers[i] * len(collector) + i:
            # The checkpoint's counter already holds the first steps of this episode.
            steps = 1 - len(under_way)
        for index, length in newer:
            steps += length - 1
            adopted.append(((share + steps) * len(collector) * repeat, index))
        progress.step += steps * repeat
        numbers[i] = 1 + newer[-1][0] // len(collector)
    progress.episodes += len(adopted)
    collector.restore(numbers, unfinished, policy_state)
    return [(index, min(step, progress.step)) for step, index in sorted(adopted)]


def newer_episodes(lengths, environment, environments, number):
    """Returns [(index, length), ...] of an environment's episodes from a number on, in order."""
    return [
        (index, lengths[index])
        for index in sorted(lengths)
        if index % environments == environment and index // environments >= number
    ]


def section(saved, prefix):
    """Returns {rest of name: array} of a checkpoint's arrays whose names begin so."""
    return {
        name.removeprefix(prefix): np.array(array)
        for name, array in saved.arrays.items()
        if name.startswith(prefix)
    }
