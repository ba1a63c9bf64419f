"""Bringing the parts of a run to where an earlier session left them."""

import numpy as np

from dreamer_tf import saved_agent
from dreamer_tf.schedule import Counters


def counters(saved):
    """Returns the `Counters` of a checkpoint, fresh ones for None."""
    return Counters() if saved is None else Counters(**saved.state["counters"])


def restore(saved, agent, collector, replay, progress):
    """Restores agent, environments and policy, and adopts episodes newer than the checkpoint.

    A killed run loses its unfinished episodes, not its finished ones: they are on disk, and the
    step counter moves on by them. The updates that they entitle to become due by that.

    Args:
        saved: `Checkpoint` or None.
        agent: an `Agent`.
        collector: `Collector`.
        replay: `Replay`.
        progress: `Counters`; its step is advanced.

    Returns:
        Indices of the adopted episodes, in order.
    """
    numbers, unfinished = [0] * len(collector), {}
    policy_state = collector.policy_state
    if saved is not None:
        saved_agent.put_variables(agent, saved)
        numbers = saved.state["episode_numbers"]
        policy_state = section(saved, "policy_state/")
        unfinished = {int(i): records for i, records in section(saved, "unfinished/").items()}
    lengths = dict(replay.episodes)
    adopted = []
    for i in range(len(collector)):
        newer = [index for index in lengths if index % len(collector) == i]
        newer = [index for index in newer if index // len(collector) >= numbers[i]]
        if newer:
            steps = sum(lengths[index] - 1 for index in newer)
            # The checkpoint's counter already holds the steps of the episode under way.
            steps -= len(unfinished.pop(i, "x")) - 1
            progress.step += steps * collector.workers[i].spec.action_repeat
            numbers[i] = 1 + max(newer) // len(collector)
            adopted += newer
    collector.restore(numbers, unfinished, policy_state)
    return sorted(adopted)


def step_at_end(lengths, index, environments):
    """Returns how many agent steps had been made when an episode ended.

    All environments step together, so the episodes that one of them finished tell.

    Args:
        lengths: {index: length in records} of all episodes.
        index: the episode.
        environments: how many there are.
    """
    same = [other for other in lengths if other % environments == index % environments]
    return environments * sum(lengths[other] - 1 for other in same if other <= index)


def section(saved, prefix):
    """Returns {rest of name: array} of a checkpoint's arrays whose names begin so."""
    return {
        name.removeprefix(prefix): np.array(array)
        for name, array in saved.arrays.items()
        if name.startswith(prefix)
    }
