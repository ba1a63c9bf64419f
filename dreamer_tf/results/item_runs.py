"""Which runs a figure of the paper shows: their methods, their settings, which are averaged."""

import itertools
import re
from collections.abc import Sequence

import numpy as np

from dreamer_tf.config.catalog import AGENTS
from dreamer_tf.envs.tasks import PAPER_TASKS, default_limit, default_repeat, task_names
from dreamer_tf.results import binning, scores
from dreamer_tf.results.finals import least_end
from dreamer_tf.runs import versions
from dreamer_tf.runs.going_on import differences

OBJECTIVES = {"contrastive": "Contrastive", "reward_only": "Reward only"}
METHODS = {"no_value": "No value", "planet": "PlaNet", "d4pg": "D4PG", "a3c": "A3C"}
SETTINGS = {"fig4": "horizon", "fig12": "action repeat"}
SWEPT_KEYS = {
    "fig4": ("behavior.horizon", "planner.horizon"),
    "fig12": ("env.action_repeat",),
}
# What the ends of names say: those of the items' own runs, and those of tools/sweep.py.
VARIED = {"h": "fig4", "horizon": "fig4", "r": "fig12", "action_repeat": "fig12"}
SWEPT = re.compile(rf"-({'|'.join(VARIED)})(\d+)$")
SCORES = ("fig6", "table")
INPUTS = {"vector": "from vectors", "both": "from pixels and vectors"}
SMOKE = "toy_reach"  # The task of the control suite's items at the scale smoke.
# Keys that make no different set-up of runs of one name; a run that was prolonged has more steps.
ALIKE = ("task", "seed", "steps")
HORIZONS = {"Dreamer": 15, "No value": 15, "PlaNet": 12}  # The paper's, but for figure 4.
MOST_KEYS = 3  # In a label.
COMPARED = {
    **dict.fromkeys(("fig4", "fig7", "fig10"), ("Dreamer", "No value", "PlaNet")),
    **dict.fromkeys(("fig8", "fig11"), ("Dreamer", "Contrastive", "Reward only")),
    **dict.fromkeys(("fig9", "fig12"), ("Dreamer",)),
    **dict.fromkeys(SCORES, ("Dreamer", "PlaNet", "D4PG", "A3C")),
    "statistics": ("Dreamer", *METHODS.values(), *OBJECTIVES.values()),
}
"""{item: the methods that it compares}."""


def method_of(run: scores.Run) -> str | None:
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


def method_in(label: str) -> str:
    """Returns the method of a label of `sets`."""
    return label.partition(" (")[0]


def swept_by(run: scores.Run) -> str | None:
    """Returns the item that varies what the end of a run's name says, None for other names.

    `dreamer-h5` and `dreamer-horizon5` are a part of figure 4 if 5 is the run's horizon, and of
    nothing else.
    """
    found = SWEPT.search(run.name)
    if found is None:
        return None
    item = VARIED[found[1]]
    return item if str(_setting(item, run)) == found[2] else None


def varied_by(run: scores.Run) -> str | None:
    """Returns the item whose setting a run has another value of than the paper's, None if none.

    That is what its configuration says, whatever the run's name. Tasks that the paper does not have
    have no such value.
    """
    method = method_of(run)
    paper = {"fig4": HORIZONS.get(method), "fig12": default_repeat(run.task)}
    for item, value in paper.items():
        if run.task in PAPER_TASKS and method in COMPARED[item]:
            if _setting(item, run) not in (None, value):
                return item
    return None


def other_input(run: scores.Run) -> str:
    """Returns what a run is from if not, as far as it says, from pixels alone; else ""."""
    return INPUTS.get(run.observation, "")


def chosen(item: str, runs: Sequence[scores.Run]) -> tuple[list[scores.Run], list[str]]:
    """Returns the `scores.Run`s that an item shows, and lines about those that it does not.

    Args:
        item: "fig4", "fig6" to "fig12", "table" or "statistics".
        runs: `scores.Run`s.
    """
    wanted = _tasks(item, {run.task for run in runs})
    found, remarks, left = [], [], [run.task for run in runs if run.task not in wanted]
    if left:
        tasks, count = list(dict.fromkeys(left)), f"{len(left)} run{'s' * (len(left) > 1)}"
        kind = "a task" if len(tasks) == 1 else "tasks"
        remarks.append(f"{', '.join(tasks)}: not {kind} of {item}, {count} left out")
    for run in runs:
        method = method_of(run)
        name = f"{run.task}, {run.name}"
        if run.task not in wanted:
            continue
        if method not in COMPARED[item]:
            remarks.append("; ".join([f"{name}: not a method of {item}", *run.remarks]))
        elif swept_by(run) not in (None, item):
            remarks.append(f"{name}: a part of {swept_by(run)}")
        elif not len(run.curve(scores.EVALUATION).steps):
            remarks.append(f"{name}, seed {run.seed}: no evaluation yet")
        elif item in SETTINGS and _setting(item, run) is None:
            remarks.append(f"{name}: nothing tells its {SETTINGS[item]}")
        else:
            found.append(run)
    return found, list(dict.fromkeys(remarks))


def sets(
    item: str, runs: Sequence[scores.Run]
) -> tuple[dict[tuple[str, str, int | None], list[scores.Run]], list[str]]:
    """Returns {(task, label, setting): runs that differ in their seed alone}, and lines about it.

    The label is the method's name, with that of `apart` where the method has several for one
    setting: those differ in more than the seed and are not averaged. All settings of a sweep,
    `mine-h5`, `mine-h10`, and the run that it shares with other items, `mine`, then have one label.
    """
    alike = {}
    for run in runs:
        alike.setdefault((method_of(run), _setting(item, run)), []).append(run)
    divided, remarks, several = {}, [], set()
    for (method, setting), group in alike.items():
        divided[method, setting], said = apart(group)
        remarks += said
        if len({label for _, label in divided[method, setting]}) > 1:
            several.add(method)
    found = {}
    for (method, setting), parts in divided.items():
        for (task, label), each in parts.items():
            words = _of_sweep(item, label, each[0])
            # Beside the run that the sweep shares, one of the same setting keeps its own name.
            words = label if (task, words) in parts else words
            found[task, method, words, setting] = each
    if item in SETTINGS:
        said, unlike = _unlike(item, found, several)
        remarks += said
        several |= unlike
    named = {
        (task, f"{method} ({words})" if method in several else method, setting): each
        for (task, method, words, setting), each in found.items()
    }
    return named, list(dict.fromkeys(remarks))


def _unlike(item, found, several):
    """Returns lines about settings that differ in more than the item varies, and their methods.

    Args:
        item: in `SETTINGS`.
        found: {(task, method, words, setting): runs}.
        several: the methods whose words tell curves apart already.
    """
    curves = {}
    for (task, method, words, _), runs in found.items():
        curves.setdefault((task, method, words if method in several else ""), []).extend(runs)
    remarks, unlike = [], set()
    for (task, method, _), runs in curves.items():
        keys = [key for key in _differing(runs) if key not in SWEPT_KEYS[item]]
        if keys:
            unlike.add(method)
            remarks.append(
                f"{task}, {method}: not only the {SETTINGS[item]} differs, but also "
                f"{', '.join(keys)}"
            )
    return remarks, unlike


def apart(runs: Sequence[scores.Run]) -> tuple[dict[tuple[str, str], list[scores.Run]], list[str]]:
    """Returns {(task, label): runs that differ in their seed alone}, and lines about it.

    The label is the runs' name, with the method where runs of that name have several. Where runs of
    a name on a task have different configurations, it has values of keys that differ, on all tasks
    of that name: as few as tell them apart, or all if those are no more than `MOST_KEYS`.
    """
    named, keys, found, remarks = {}, {}, {}, []
    for run in runs:
        kind = method_of(run), run.name
        named.setdefault(kind, {}).setdefault(run.task, []).append(run)
    names = [name for _, name in named]
    for (method, name), tasks in named.items():
        different = {task: _differing(group) for task, group in tasks.items()}
        telling = list(dict.fromkeys(itertools.chain(*different.values())))
        if len(telling) > MOST_KEYS:
            telling = _telling(telling, itertools.chain(*tasks.values()))
        keys[method, name] = telling
        remarks += [
            f"{task}, {name}: several configurations under one name, kept apart; they differ in "
            f"{', '.join(those)}"
            for task, those in different.items()
            if those
        ]
    for run in runs:
        method = method_of(run)
        words = [method or "unknown method"] * (names.count(run.name) > 1)
        words += [f"{key.rpartition('.')[2]} {_value(run, key)}" for key in keys[method, run.name]]
        found.setdefault((run.task, ", ".join([run.name, *words])), []).append(run)
    return found, remarks


def final_width(runs: Sequence[scores.Run]) -> int:
    """Returns a final return's width: what fits the runs at their ends, or all if none is.

    So it is the same whatever else begins.
    """
    return fitting_width([run for run in runs if run.ended] or runs)


def fitting_width(runs: Sequence[scores.Run]) -> int:
    """Returns a bin's width of which half of the runs have some: the author's, or less.

    Runs that are compared count as far as the shortest of those at their ends, as for `finals`.
    """
    together = {}
    for run in runs:
        name = SWEPT.sub("", run.name) if swept_by(run) else run.name
        together.setdefault((run.task, method_of(run), name), []).append(run)
    ends = [
        min(run.reached, end.planned if end else run.reached)
        for group, end in ((group, least_end(group)) for group in together.values())
        for run in group
    ]
    usual = np.median(ends) if ends else 0
    width = binning.WIDTH
    while width > 100 and usual < 3 * width:
        width //= 10
    return width


def _of_sweep(item, label, run):
    """Returns the label of a run without what its name says of the setting that an item varies."""
    name, comma, keys = label.partition(", ")
    return (SWEPT.sub("", name) if swept_by(run) == item else name) + comma + keys


def _tasks(item, tasks):
    """Returns those of some runs' tasks that an item shows."""
    if item == "fig9":
        return {task for task in tasks if task.startswith("atari_")}
    if item == "table":
        return tasks & set(PAPER_TASKS) or tasks & {SMOKE}
    # Where there is none of the paper's kind, whatever there is: a toy task, others' environments.
    return {task for task in tasks if task.startswith("dmc_")} or tasks


def _differing(group):
    """Returns the keys in which runs of one name and task are known to differ, beside `ALIKE`.

    Nor do those count that older versions wrote down without using them.
    """
    agents = {str(run.setting("agent")) for run in group} & AGENTS.keys()
    alike = {*ALIKE, *(key for name in agents for key in AGENTS[name].tolerated)}
    configurations = [_flat(run) for run in group]
    found = {}
    for one, other in itertools.combinations(configurations, 2):
        found |= dict.fromkeys(differences(one, other))
    # It changes nothing that is learned, but what an evaluation returns, of agents with a policy.
    if any(isinstance(run.settings.get("behavior"), dict) for run in group):
        found["evaluate.action"] = None
    return [
        key for key in found if key not in alike and len({_value(run, key) for run in group}) > 1
    ]


def _telling(keys, runs):
    """Returns so few of the keys as tell the runs' configurations apart as all of them do."""
    runs, kept, count = list(runs), [], 1
    for key in keys:
        kinds = {tuple(_value(run, each) for each in (*kept, key)) for run in runs}
        if len(kinds) > count:
            kept.append(key)
            count = len(kinds)
    return kept


def _flat(run):
    """Returns {key: value} of a run's configuration, with what older versions left out.

    What is auto is what that means on the run's task, where the task alone tells.
    """
    # Of a run without one nothing is known, so that it is not the same as others.
    flat = {"precision": "auto", "configuration": "known" if run.settings else "unknown"}
    for key, value in run.settings.items():
        if isinstance(value, dict):
            flat |= {f"{key}.{name}": each for name, each in value.items()}
        else:
            flat[str(key)] = value
    for key, value in versions.KEYS.items():
        section = key.rpartition(".")[0]
        # Of a section that the agent does not have, and of no configuration, nothing is known.
        if isinstance(run.settings.get(section), dict) if section else run.settings:
            flat.setdefault(key, value)
    for key, meaning in _meant(run.task).items():
        if flat.get(key) == "auto":
            flat[key] = meaning
    return flat


def _meant(task):
    """Returns {key: what auto is on a task}, without what only the environment knows."""
    meant = {"env.action_repeat": default_repeat(task), "env.time_limit": default_limit(task)}
    meant["env.observation"] = "image" if task in task_names() else None
    return {key: value for key, value in meant.items() if value is not None}


def _value(run, key):
    value = _flat(run).get(key, "unknown")
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f"{value:.10g}" if number else str(value)


def _setting(item, run):
    """Returns the number that a figure has on its x axis; None for curves, scores, or unknown."""
    if item == "fig4":
        planner = method_of(run) == "PlaNet"
        value = run.setting("planner.horizon" if planner else "behavior.horizon")
    elif item == "fig12":
        value = _flat(run).get("env.action_repeat")
    else:
        return None
    known = isinstance(value, int) and not isinstance(value, bool)
    return value if known else None
