"""What a run returned in the end, and which runs' ends may stand beside each other."""

import numpy as np

from dreamer_tf.results import scores


def finals(group, width, until=None):
    """Returns final returns of a set's runs, the steps of each, and lines about what they are.

    A run that is not at its end does not count beside one that is: it would pull the mean down for
    no other reason. Where none is at its end, all count. Those at their ends count as they were
    when the shortest of them ended: prolonging one seed changes no mean.

    Args:
        group: runs that have evaluations, alike in all but their seeds and steps.
        width: environment steps that a final return covers.
        until: a step after which nothing counts of runs at their ends, None without such a one.
    """
    ended, values, steps, remarks = counted(group), [], [], []
    ends = [run.planned for run in ended if run.ended]
    until = min(filter(None, [until, *ends]), default=None)
    for run in group:
        name = f"{run.task}, {run.name}, seed {run.seed}"
        value = final(run, width, until if run.ended else None)
        if run not in ended:
            remarks.append(f"{name}: at {run.reached} of {run.planned} steps, other seeds are done")
        elif not np.isfinite(value):
            remarks.append(f"{name}: its last return is not finite")
        else:
            values.append(value)
            # One at its end may have gone on to the end of an episode.
            steps.append(until if run.ended else run.reached)
            if not run.finished:
                remarks.append(f"{name}: shown as it is at {run.reached} of {run.planned} steps")
            elif run.ended and run.planned > until:
                remarks.append(
                    f"{name}: shown as it was at {until} of {run.planned} steps, where others end"
                )
    return values, steps, remarks


def counted(group):
    """Returns those of a set's runs whose final returns count."""
    return [run for run in group if run.finished] or group


def final(run, width, until=None):
    """Returns the mean of a run's evaluations in `width` steps: its last, or those before a step.

    NaN if it has none before that step.
    """
    curve = run.curve(scores.EVALUATION)
    steps, values = curve.steps, curve.values
    if until is not None:
        steps, values = steps[steps <= until], values[steps <= until]
    return float(np.mean(values[steps > steps[-1] - width])) if len(steps) else float("nan")


def least_end(runs):
    """Returns the steps of the shortest of those runs that are at their ends, None without any."""
    return min((run.planned for run in runs if run.ended), default=None)


def unequal(steps):
    """Returns {label: "after ... steps"} of {label: steps}, {} where all steps are the same."""
    if len({each for those in steps.values() for each in those}) < 2:
        return {}
    ends = {label: dict.fromkeys((min(those), max(those))) for label, those in steps.items()}
    return {label: f"after {' to '.join(map(str, each))} steps" for label, each in ends.items()}
