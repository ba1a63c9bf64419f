"""Names of the tasks that come with the package.

The tables are written out, because the trainer checks names in a process with TensorFlow, where
importing dm_control would load an OpenGL library beside it.
"""

import difflib
import re

from dreamer_tf.basics.errors import UserError

PAPER_TASKS = (
    "dmc_acrobot_swingup",
    "dmc_cartpole_balance",
    "dmc_cartpole_balance_sparse",
    "dmc_cartpole_swingup",
    "dmc_cartpole_swingup_sparse",
    "dmc_cheetah_run",
    "dmc_cup_catch",
    "dmc_finger_spin",
    "dmc_finger_turn_easy",
    "dmc_finger_turn_hard",
    "dmc_hopper_hop",
    "dmc_hopper_stand",
    "dmc_pendulum_swingup",
    "dmc_quadruped_run",
    "dmc_quadruped_walk",
    "dmc_reacher_easy",
    "dmc_reacher_hard",
    "dmc_walker_run",
    "dmc_walker_stand",
    "dmc_walker_walk",
)

SUITE = {
    "acrobot": ("swingup", "swingup_sparse"),
    "ball_in_cup": ("catch",),
    "cartpole": (
        "balance",
        "balance_sparse",
        "swingup",
        "swingup_sparse",
        "two_poles",
        "three_poles",
    ),
    "cheetah": ("run",),
    "dog": ("stand", "walk", "trot", "run", "fetch"),
    "finger": ("spin", "turn_easy", "turn_hard"),
    "fish": ("upright", "swim"),
    "hopper": ("stand", "hop"),
    "humanoid": ("stand", "walk", "run", "run_pure_state"),
    "humanoid_CMU": ("stand", "walk", "run"),
    "lqr": ("lqr_2_1", "lqr_6_2"),
    "manipulator": ("bring_ball", "bring_peg", "insert_ball", "insert_peg"),
    "pendulum": ("swingup",),
    "point_mass": ("easy", "hard"),
    "quadruped": ("walk", "run", "escape", "fetch"),
    "reacher": ("easy", "hard"),
    "stacker": ("stack_2", "stack_4"),
    "swimmer": ("swimmer6", "swimmer15"),
    "walker": ("stand", "walk", "run"),
}

ALIASES = {"cup": "ball_in_cup"}

ATARI = "atari_"

GAMES = tuple(
    """
alien amidar assault asterix asteroids atlantis bank_heist battle_zone beam_rider berzerk bowling
boxing breakout centipede chopper_command crazy_climber defender demon_attack double_dunk enduro
fishing_derby freeway frostbite gopher gravitar hero ice_hockey jamesbond kangaroo krull
kung_fu_master montezuma_revenge ms_pacman name_this_game phoenix pitfall pong private_eye qbert
riverraid road_runner robotank seaquest skiing solaris space_invaders star_gunner surround tennis
time_pilot tutankham up_n_down venture video_pinball wizard_of_wor yars_revenge zaxxon
""".split()
)

# Environment steps of an episode in the control suite, and of one without a limit of its own.
PAPERS_LIMIT = 1000
# Frames of a game at most: 27 000 agent steps with the paper's action repeat.
GAME_LIMIT = 108_000
# Pixels a side of the image that is observed.
PAPERS_SIZE = 64

GIVEN = "__main__:"
"""How the task of an environment begins that a script has, which no other program can import."""

# As Gymnasium's ids end.
_VERSIONED = re.compile(r"-v[0-9]+$")
_FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


def _suite_names():
    """Returns {task name: (dm_control domain, dm_control task)}, aliases included."""
    domains = dict(SUITE) | {alias: SUITE[domain] for alias, domain in ALIASES.items()}
    return {
        f"dmc_{domain}_{task}": (ALIASES.get(domain, domain), task)
        for domain, tasks in domains.items()
        for task in tasks
    }


def task_names() -> list[str]:
    """Returns every built-in task name: the paper's 20 first, then the other ones."""
    others = [name for name in _suite_names() if name not in PAPER_TASKS]
    return [*PAPER_TASKS, *others, *(f"{ATARI}{game}" for game in GAMES), "toy_reach"]


def is_factory(task: str) -> bool:
    """Tells whether the task names a callable, as in `package.module:factory`.

    Gymnasium's ids with a module, `gym_module:Name-v0`, have a version and are none.
    """
    return bool(_FACTORY.fullmatch(task))


def is_gymnasium(task: str) -> bool:
    """Tells whether the task is an id of Gymnasium."""
    return task.startswith("gym_") and not is_factory(task)


def is_code(task: str) -> bool:
    """Tells whether making the task's environment imports a module that the task names."""
    return is_factory(task) or (is_gymnasium(task) and ":" in task)


def is_suite(task: str) -> bool:
    """Tells whether the task is one of the control suite."""
    return task.startswith("dmc_") and not is_factory(task)


def is_atari(task: str) -> bool:
    """Tells whether the task is a game of the Atari 2600."""
    return task.startswith(ATARI) and not is_factory(task)


def check_task(task: str) -> None:
    """Raises UserError with the nearest valid name unless the task is known.

    A `package.module:factory` passes: only the worker imports it.
    """
    if is_gymnasium(task):
        from dreamer_tf.envs.registry import check_id

        return check_id(task)
    names = task_names()
    if task in names or is_factory(task):
        return None
    if _VERSIONED.search(task):
        from dreamer_tf.envs.registry import PREFIX, check_id

        check_id(f"{PREFIX}{task}")  # It may know better.
        raise UserError(f"unknown task '{task}'; did you mean '{PREFIX}{task}'?")
    nearest = difflib.get_close_matches(task, names, n=1, cutoff=0.0)[0]
    raise UserError(f"unknown task '{task}'; did you mean '{nearest}'?")


def suite_task(task: str) -> tuple[str, str]:
    """Returns (dm_control domain, dm_control task) of a `dmc_...` name."""
    check_task(task)
    return _suite_names()[task]


def default_repeat(task: str) -> int:
    """Returns the action repeat where the configuration says auto: the paper's for its tasks."""
    if is_atari(task):
        return 4
    return 2 if is_suite(task) else 1


def default_limit(task: str) -> int | None:
    """Returns the time limit where the configuration says auto, in environment steps.

    None where only the environment knows it.
    """
    if is_atari(task):
        return GAME_LIMIT
    return PAPERS_LIMIT if is_suite(task) else None
