"""Measures what policies return that have learned nothing: the floors of a learning curve.

    python tools/floors.py [--task TASK ...] [--episodes N] [--out FLOORS.csv]

The policies are uniformly random actions, the zero action, the constant +1, and an untrained actor:
tanh of N(0, 5) plus exploration noise of 0.3, clipped. Episodes have 1000 environment steps and
action repeat 2 as in the paper; episode i has the seed 1000 + i, whatever the policy. Nothing is
rendered. Twenty episodes of each policy take some 20 seconds a task; without --task all tasks of
the paper are measured. The return of an episode in which bodies tumble depends on the last bit of
every action: two machines agree within the standard errors, not to the digit.
"""

import argparse
import csv
import io
import sys
from pathlib import Path

import numpy as np

from dreamer_tf.basics import atomic
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import make_env
from dreamer_tf.envs.tasks import PAPER_TASKS

ACTION_REPEAT = 2
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


def measure(env, policy, episodes):
    """Returns the returns of a policy, float [episodes].

    Args:
        env: a `gymnasium.Env` with actions in [-1, 1].
        policy: one of the functions in `POLICIES`.
    """
    returns = np.zeros(episodes)
    for episode in range(episodes):
        random = np.random.default_rng(episode)
        env.reset(seed=FIRST_SEED + episode)
        over = False
        while not over:
            action = policy(random, env.action_space.shape[0])
            _, reward, terminated, truncated, _ = env.step(action)
            returns[episode] += reward
            over = terminated or truncated
    return returns


def row(task, name, returns):
    """Returns the columns of one policy on one task as text."""
    error = returns.std(ddof=1) / np.sqrt(len(returns))
    numbers = (returns.mean(), error, returns.min(), returns.max())
    return [task, name, str(len(returns)), *(f"{number:.1f}" for number in numbers)]


def make(task):
    """Returns the environment of a task whose actions are continuous."""
    env = make_env(task, observation="vector", action_repeat=ACTION_REPEAT)
    if not hasattr(env.action_space, "low"):
        env.close()
        raise UserError(f"task '{task}' has discrete actions, these policies do not")
    return env


def main(words):
    """Measures; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="floors.py", description="Measures policies that have learned nothing."
    )
    parser.add_argument("--task", nargs="+", default=PAPER_TASKS, help="default: the paper's 20")
    parser.add_argument("--episodes", type=int, default=20, help="of each policy, default 20")
    parser.add_argument("--out", type=Path, help="file to write; default: only print")
    arguments = parser.parse_args(words)
    if arguments.episodes < 2:
        parser.error("--episodes must be at least 2: an error has to be estimated")
    try:
        rows = [COLUMNS]
        print(",".join(COLUMNS))
        for task in arguments.task:
            env = make(task)
            for name, policy in POLICIES.items():
                rows.append(row(task, name, measure(env, policy, arguments.episodes)))
                print(",".join(rows[-1]), flush=True)
            env.close()
        if arguments.out is not None:
            text = io.StringIO()
            csv.writer(text, lineterminator="\n").writerows(rows)
            atomic.write(arguments.out, text.getvalue().encode())
    except UserError as error:
        message, status = str(error), error.status
    except OSError as error:
        message, status = f"cannot write {error.filename}: {error.strerror}", 1
    else:
        return 0
    print(f"error: {message}", file=sys.stderr)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
