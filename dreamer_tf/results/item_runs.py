"""Which runs a figure of the paper shows: their methods, their settings, which are averaged."""

import re

import numpy as np

from dreamer_tf.envs.tasks import default_repeat
from dreamer_tf.results import binning, scores

OBJECTIVES = {"contrastive": "Contrastive", "reward_only": "Reward only"}
METHODS = {"no_value": "No value", "planet": "PlaNet", "d4pg": "D4PG", "a3c": "A3C"}
SETTINGS = {"fig4": "horizon", "fig12": "action repeat"}
SWEPT = re.compile(r"-([hr])(\d+)$")
SCORES = ("fig6", "table")
COMPARED = {
    **dict.fromkeys(("fig4", "fig7", "fig10"), ("Dreamer", "No value", "PlaNet")),
    **dict.fromkeys(("fig8", "fig11"), ("Dreamer", "Contrastive", "Reward only")),
    **dict.fromkeys(("fig9", "fig12"), ("Dreamer",)),
    **dict.fromkeys(SCORES, ("Dreamer", "PlaNet", "D4PG", "A3C")),
    "statistics": ("Dreamer", *METHODS.values(), *OBJECTIVES.values()),
}
"""{item: the methods that it compares}."""


def method_of(run):
    """Returns the paper's name of a run's method, None for one that it does not have.

    Without a configuration of this code the name of the run's folder says it, or nothing does.
    """
    agent = run.setting("agent")
    if agent is None:
        agent = "dreamer" if isinstance(run.setting("behavior"), dict) else run.name
    if not isinstance(agent, str):
        return None
    if agent != "dreamer":
        return METHODS.get(agent) or OBJECTIVES.get(agent)
    objective = run.setting("model.objective")
    return OBJECTIVES.get(objective if isinstance(objective, str) else "", "Dreamer")


def swept_by(run):
    """Returns the item that varies what the end of a run's name says, None for other names.

    `dreamer-h5` is a part of figure 4 if 5 is the run's horizon, and of nothing else.
    """
    found = SWEPT.search(run.name)
    if found is None:
        return None
    item = {"h": "fig4", "r": "fig12"}[found[1]]
    return item if str(_setting(item, run)) == found[2] else None


def chosen(item, runs):
    """Returns the `scores.Run`s that an item shows, and lines about those that it does not.

    Args:
        item: "fig4", "fig6" to "fig12", "table" or "statistics".
        runs: `scores.Run`s.
    """
    found, remarks = [], []
    prefix = "atari_" if item == "fig9" else "dmc_"
    # Where there is none of the paper's kind, whatever there is: a toy task, others' environments.
    wanted = {run.task for run in runs if run.task.startswith(prefix)} or {run.task for run in runs}
    for run in runs:
        method = method_of(run)
        name = f"{run.task}, {run.name}"
        if run.task not in wanted:
            remarks.append(f"{name}: not a task of {item}")
        elif method not in COMPARED[item]:
            remarks.append(f"{name}: not a method of {item}")
        elif swept_by(run) not in (None, item):
            remarks.append(f"{name}: a part of {swept_by(run)}")
        elif not len(run.curve(scores.EVALUATION).steps):
            remarks.append(f"{name}, seed {run.seed}: no evaluation yet")
        elif item in SETTINGS and _setting(item, run) is None:
            remarks.append(f"{name}: nothing tells its {SETTINGS[item]}")
        else:
            found.append(run)
    return found, list(dict.fromkeys(remarks))


def sets(item, runs):
    """Returns {(task, label, setting): runs that differ in their seed alone}.

    The label is the method's name, with that of the runs where the method has several: those
    differ in more than the seed and are not averaged.
    """
    names = {}
    for run in runs:
        names.setdefault((method_of(run), _setting(item, run)), set()).add(run.name)
    found = {}
    for run in runs:
        method, setting = method_of(run), _setting(item, run)
        several = len(names[method, setting]) > 1
        label = f"{method} ({run.name})" if several else method
        found.setdefault((run.task, label, setting), []).append(run)
    return found


def finals(group, width):
    """Returns the final returns of a set's runs, and lines about what they are and are not.

    A run that is not at its end does not count beside one that is: it would pull the mean down for
    no other reason. Where none is at its end, all count.

    Args:
        group: runs that have evaluations.
        width: environment steps that a final return covers.
    """
    ended = [run for run in group if run.finished] or group
    values, remarks = [], []
    for run in group:
        value, name = final(run, width), f"{run.task}, {run.name}, seed {run.seed}"
        if run not in ended:
            remarks.append(f"{name}: at {run.reached} of {run.planned} steps, other seeds are done")
        elif not np.isfinite(value):
            remarks.append(f"{name}: its last return is not finite")
        else:
            values.append(value)
            if not run.finished:
                remarks.append(f"{name}: shown as it is at {run.reached} of {run.planned} steps")
    return values, remarks


def final(run, width):
    """Returns the mean of a run's evaluations in its last `width` steps."""
    curve = run.curve(scores.EVALUATION)
    return float(np.mean(curve.values[curve.steps > curve.steps[-1] - width]))


def fitting_width(runs):
    """Returns a bin's width of which half of the runs have some: the author's, or less."""
    usual = np.median([run.reached for run in runs]) if runs else 0
    width = binning.WIDTH
    while width > 100 and usual < 3 * width:
        width //= 10
    return width


def _setting(item, run):
    """Returns the number that a figure has on its x axis; None for curves, scores, or unknown."""
    if item == "fig4":
        planner = method_of(run) == "PlaNet"
        value = run.setting("planner.horizon" if planner else "behavior.horizon")
    elif item == "fig12":
        value = run.setting("env.action_repeat")
        value = default_repeat(run.task) if value == "auto" else value
    else:
        return None
    known = isinstance(value, int) and not isinstance(value, bool)
    return value if known else None
