"""The runs behind each figure and table of the paper, at three scales.

`paper` is what the paper did (5 seeds, up to 5e6 steps, a GPU). `cpu` keeps the methods and reduces
tasks, seeds and steps to what a computer without a GPU does in days. `smoke` goes from nothing to a
figure in minutes: a toy task, networks that learn next to nothing.
"""

import dataclasses
import itertools
from collections.abc import Sequence

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.tasks import PAPER_TASKS, default_repeat
from dreamer_tf.sweeps.plans import Plan

METHODS = {
    "dreamer": (),
    "no_value": ("no_value",),
    "planet": ("planet",),
    "contrastive": ("contrastive",),
    "reward_only": ("reward_only",),
    "atari": ("atari",),
}
"""{name of a method's runs: presets}."""

HORIZON_TASKS = ("cartpole_swingup", "cheetah_run", "quadruped_walk", "walker_walk")
HORIZONS = (3, 5, 10, 15, 20, 25, 30, 40)
REPEATS = (1, 2, 4, 8)
# Of these, what the scale `cpu` has: every second, what Dreamer has anyway among them.
FEW = {"horizon": (5, 15, 25, 40), "env.action_repeat": (2, 8)}
VALUE_TASKS = (
    *("acrobot_swingup", "cartpole_swingup_sparse", "hopper_hop", "hopper_stand"),
    *("pendulum_swingup", "quadruped_walk", "walker_run", "walker_walk"),
)
REPRESENTATION_TASKS = (
    *("acrobot_swingup", "cheetah_run", "cup_catch", "finger_spin"),
    *("hopper_stand", "pendulum_swingup", "quadruped_run", "walker_stand"),
)
ALL_TASKS = tuple(name.removeprefix("dmc_") for name in PAPER_TASKS)
# Those of which the authors showed videos; which games the figure has is not known for certain.
GAMES = (
    *("assault", "boxing", "fishing_derby", "freeway", "frostbite", "hero"),
    *("ice_hockey", "kung_fu_master", "montezuma_revenge", "pong", "tennis"),
)
# What can be learned without a GPU in hours.
CPU_TASKS = (
    *("walker_stand", "walker_walk", "cartpole_swingup"),
    *("cup_catch", "cheetah_run", "pendulum_swingup"),
)


@dataclasses.dataclass(frozen=True)
class Item:
    """A figure or table.

    Attributes:
        title: what it shows, for people.
        tasks: names after `prefix`.
        methods: names in `METHODS`.
        steps: environment steps of each run in the paper, as text.
        settings: (label in the run's name, key, values); the key "horizon" stands for that of the
            method's own horizon.
        prefix: of the tasks' names.
        seeds: how many.
    """

    title: str
    tasks: tuple[str, ...]
    methods: tuple[str, ...]
    steps: str = "2e6"
    settings: tuple[tuple[str, str, tuple[int, ...]], ...] = ()
    prefix: str = "dmc_"
    seeds: int = 5


VALUE_METHODS = ("dreamer", "no_value", "planet")
REPRESENTATIONS = ("dreamer", "contrastive", "reward_only")
ITEMS = {
    "fig4": Item(
        "Return against the imagination horizon",
        HORIZON_TASKS,
        VALUE_METHODS,
        settings=(("h", "horizon", HORIZONS),),
    ),
    "fig5": Item(
        "Open-loop predictions", ("hopper_hop", "walker_walk"), ("dreamer",), "5e6", seeds=1
    ),
    "fig6": Item("Returns on 20 tasks", ALL_TASKS, ("dreamer", "planet"), "5e6"),
    "fig7": Item("With and without a value function", VALUE_TASKS, VALUE_METHODS),
    "fig8": Item("Representation objectives", REPRESENTATION_TASKS, REPRESENTATIONS),
    "fig9": Item("Discrete control", GAMES, ("atari",), "2e7", prefix="atari_"),
    "fig10": Item("With and without a value function, 20 tasks", ALL_TASKS, VALUE_METHODS),
    "fig11": Item("Representation objectives, 20 tasks", ALL_TASKS, REPRESENTATIONS),
    "fig12": Item(
        "Return against the action repeat",
        HORIZON_TASKS,
        ("dreamer",),
        settings=(("r", "env.action_repeat", REPEATS),),
        seeds=2,
    ),
    "table": Item("Scores on 20 tasks", ALL_TASKS, ("dreamer", "planet"), "5e6"),
}
SCALES = ("paper", "cpu", "smoke")


def plans(name: str, scale: str, overrides: Sequence[tuple[str, str]] = ()) -> list[Plan]:
    """Returns the `Plan`s of an item.

    Args:
        name: in `ITEMS`.
        scale: in `SCALES`.
        overrides: pairs (key, text) for all runs.

    Raises:
        UserError: an override of what the item varies.
    """
    item = ITEMS[name]
    varied = {key for _, keys in _all_settings(item) for key, _ in keys}
    for key, value in overrides:
        if key in varied:
            raise UserError(f"--set {key}={value}: {name} makes runs with several values of it")
    reduce = {"paper": _paper, "cpu": _cpu, "smoke": _smoke}[scale]
    tasks, presets, seeds, own, item = reduce(item)
    found = []
    for task, method in itertools.product(tasks, item.methods):
        # Runs of different scales share neither folder nor configuration.
        name = "-".join([method, *([] if scale == "paper" else [scale])])
        plain = Plan(task, (*METHODS[method], *presets), name, 0, (*own, *overrides))
        for labels, keys in _settings(item, method):
            named = plain
            # What the method has anyway is the run that other items have, too.
            if not _has(plain, keys):
                name = "-".join([plain.name, *labels])
                named = dataclasses.replace(plain, name=name, overrides=(*own, *keys, *overrides))
            found += [dataclasses.replace(named, seed=seed) for seed in range(seeds)]
    return found


def _has(plan, keys):
    """Tells whether a plan's configuration has some values, pairs (key, text)."""
    config = plan.config()
    return all(_value(config, key) == int(text) for key, text in keys)


def _value(config, key):
    section, _, name = key.partition(".")
    # An agent that was set may not have the section.
    value = getattr(getattr(config, section), name, None)
    return default_repeat(config.task) if value == "auto" else value


def _all_settings(item):
    return [each for method in item.methods for each in _settings(item, method)]


def _settings(item, method):
    """Returns [(parts of the run's name, (key, text) pairs), ...] of an item's settings."""
    found = [((), ())]
    for label, key, values in item.settings:
        own = {"horizon": "planner.horizon" if method == "planet" else "behavior.horizon"}
        found = [
            ((*labels, f"{label}{value}"), (*keys, (own.get(key, key), str(value))))
            for labels, keys in found
            for value in values
        ]
    return found


def _paper(item):
    tasks = [item.prefix + task for task in item.tasks]
    return tasks, (), item.seeds, (("steps", item.steps),), item


def _cpu(item):
    """One seed of 150 000 steps on those of the tasks that are learned by then."""
    if item.prefix != "dmc_":
        return [item.prefix + "pong"], ("cpu",), 1, (("steps", "200000"),), item
    tasks = [task for task in CPU_TASKS if task in item.tasks]
    tasks = tasks[:1] if item.settings else tasks
    settings = tuple((label, key, FEW[key]) for label, key, _ in item.settings)
    item = dataclasses.replace(item, settings=settings)
    return ["dmc_" + task for task in tasks], ("cpu",), 1, (), item


def _smoke(item):
    task = "toy_reach" if item.prefix == "dmc_" else item.prefix + "pong"
    item = dataclasses.replace(
        item,
        settings=tuple((label, key, values[:2]) for label, key, values in item.settings),
    )
    return [task], ("smoke",), 1, (), item
