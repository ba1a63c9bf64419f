"""Measures what policies return that have learned nothing: the floors of a learning curve.

    python tools/floors.py [--task TASK ...] [--episodes N] [--out FLOORS.csv]
        [--action_repeat N] [--time_limit N]

The policies are uniformly random actions, the zero action, the constant +1, and an untrained actor:
tanh of N(0, 5) plus exploration noise of 0.3, clipped. Where actions are choices they are uniformly
random ones, always the first and always the last. Action repeat and time limit are those that a run
of the task has: in the control suite 2 and 1000 environment steps, as in the paper. Episode i has
the seed 1000 + i, whatever the policy. Nothing is rendered. Twenty episodes of each policy take
some 20 seconds a task; without --task all tasks of the paper are measured. The return of an episode
in which bodies tumble depends on the last bit of every action: two machines agree within the
standard errors, not to the digit.
"""

import argparse
import csv
import io
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from gymnasium import Env, spaces

# Where the package is not installed, it is beside this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamer_tf.basics import atomic, outputs
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import make_env
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.envs.tasks import PAPER_TASKS, task_names
from dreamer_tf.reports.terminal import guarded

FIRST_SEED = 1000
INIT_STD, NOISE = 5.0, 0.3
COLUMNS = ("task", "policy", "episodes", "mean", "standard_error", "min", "max")
# Functions of a generator and the number of actions.
POLICIES = {
    "uniform": lambda random, size: random.uniform(-1, 1, size),
    "zero": lambda random, size: np.zeros(size),
    "plus_one": lambda random, size: np.ones(size),
    "untrained_actor": lambda random, size: np.clip(
        np.tanh(INIT_STD * random.standard_normal(size)) + NOISE * random.standard_normal(size),
        -1,
        1,
    ),
}
# The same where actions are choices.
CHOICES = {
    "uniform": lambda random, count: random.integers(count),
    "first": lambda random, count: 0,
    "last": lambda random, count: count - 1,
}


def measure(
    env: Env,
    policy: Callable[[np.random.Generator, int], int | np.integer | np.ndarray],
    episodes: int,
) -> np.ndarray:
    """Returns the returns of a policy, float [episodes].

    Args:
        env: a `gymnasium.Env` of choices, or of actions between bounds, for which [-1, 1] stands.
        policy: one of the functions in `POLICIES`, or in `CHOICES`.
    """
    space = env.action_space
    returns = np.zeros(episodes)
    for episode in range(episodes):
        random = np.random.default_rng(episode)
        env.reset(seed=FIRST_SEED + episode)
        over = False
        while not over:
            action = act(space, policy, random)
            _, reward, terminated, truncated, _ = env.step(action)
            if not np.isfinite(reward):
                raise ValueError(f"a reward is {reward}")
            returns[episode] += reward
            over = terminated or truncated
    return returns


def act(
    space: spaces.Space,
    policy: Callable[[np.random.Generator, int], int | np.integer | np.ndarray],
    random: np.random.Generator,
) -> int | np.integer | np.ndarray:
    """Returns a policy's action as an action of a space."""
    if is_discrete(space):
        return int(space.start) + policy(random, int(space.n))
    return space.low + (np.clip(policy(random, space.shape[0]), -1, 1) + 1) / 2 * (
        space.high - space.low
    )


def is_discrete(space: spaces.Space) -> bool:
    """Returns whether the actions of a space are choices."""
    return isinstance(space, spaces.Discrete)


def row(task: str, name: str, returns: np.ndarray) -> list[str]:
    """Returns the columns of one policy on one task as text."""
    error = returns.std(ddof=1) / np.sqrt(len(returns))
    numbers = (returns.mean(), error, returns.min(), returns.max())
    return [task, name, str(len(returns)), *(f"{number:.1f}" for number in numbers)]


def parse(words: list[str]) -> tuple[argparse.Namespace, dict[str, int]]:
    """Returns the arguments, and the keywords of `make_env` that are among them."""
    parser = argparse.ArgumentParser(
        prog="floors.py", description="Measures policies that have learned nothing."
    )
    parser.add_argument("--task", nargs="+", default=PAPER_TASKS, help="default: the paper's 20")
    for name in ("action_repeat", "time_limit"):
        text = f"environment steps, the run's key env.{name}; default: the task's own"
        parser.add_argument(f"--{name}", type=int, help=text)
    parser.add_argument("--episodes", type=int, default=20, help="of each policy, default 20")
    parser.add_argument("--out", type=Path, help="file to write; default: only print")
    arguments = parser.parse_args(words)
    if arguments.episodes < 2:
        parser.error("--episodes must be at least 2: an error has to be estimated")
    given = {name: getattr(arguments, name) for name in ("action_repeat", "time_limit")}
    given = {name: value for name, value in given.items() if value is not None}
    if any(value < 1 for value in given.values()):
        parser.error("--action_repeat and --time_limit must be at least 1")
    repeat, limit = given.get("action_repeat"), given.get("time_limit")
    if repeat and limit and limit % repeat:
        parser.error(f"--time_limit {limit} is not a multiple of --action_repeat {repeat}")
    return arguments, given


def floors(task: str, episodes: int, given: Mapping[str, int]) -> Iterator[list[str]]:
    """Yields the rows of a task.

    Raises:
        UserError: there is no such task, its actions are none that an agent could take, or the
            environment fails.
    """
    try:
        # Of its own tasks the observation that renders nothing, of others what they have.
        env = make_env(task, observation="vector" if task in task_names() else "auto", **given)
        EnvSpec.from_env(env)  # Refuses the spaces that a run refuses.
        policies = CHOICES if is_discrete(env.action_space) else POLICIES
        for name, policy in policies.items():
            yield row(task, name, measure(env, policy, episodes))
        env.close()
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        message = f"the environment {task} fails: {type(error).__name__}: {reason}"
        raise UserError(message, status=1) from error


@guarded
def main(words: list[str]) -> int:
    """Measures; returns the exit status."""
    arguments, given = parse(words)
    out = outputs.file(arguments.out, "--out") if arguments.out is not None else None
    sys.path.insert(0, "")  # Modules of the folder one is in, as `python -m` finds them.
    rows = [COLUMNS]
    try:
        for task in arguments.task:
            for found in floors(task, arguments.episodes, given):
                if len(rows) == 1:
                    print(",".join(COLUMNS))
                rows.append(found)
                print(",".join(rows[-1]), flush=True)
    finally:  # A later task that fails costs none of what was measured.
        if out is not None and len(rows) > 1:
            write(out, rows)
    return 0


def write(out: Path, rows: Iterable[Sequence[str]]) -> None:
    """Writes a table to a file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(out, text.getvalue().encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
