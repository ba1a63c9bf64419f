"""python -m dreamer_tf.evaluate RUN: episodes with the agent's best actions, and their returns."""

import argparse
import json
import os
import sys
from pathlib import Path

from dreamer_tf import atomic, evaluation, program, saved_agent
from dreamer_tf.errors import UserError


def parse(words):
    """Returns the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamer_tf.evaluate",
        usage="%(prog)s RUN [--episodes N] [--seed N] [--json FILE]",
        description="Runs episodes with a run's newest checkpoint, without exploration.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder: runs/<task>/<name>/<seed>")
    parser.add_argument("--episodes", type=int, default=10, help="how many (default 10)")
    parser.add_argument(
        "--seed", type=int, default=100, help="of environments and policy (default 100)"
    )
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    arguments = parser.parse_args(words)
    if arguments.episodes < 1:
        raise UserError(f"--episodes {arguments.episodes}: give a number of at least 1")
    if arguments.seed < 0:
        raise UserError(f"--seed {arguments.seed}: give a number of at least 0")
    if arguments.json is not None:
        if arguments.json.is_dir() or not os.access(arguments.json.parent, os.W_OK):
            raise UserError(f"--json {arguments.json}: give a file in a folder that can be written")
    return arguments


def results(episodes, arguments, settings, saved):
    """Returns what `--json` writes."""
    mean, error = evaluation.summarize(episodes)
    return {
        "run": str(arguments.run),
        "task": settings.task,
        "checkpoint": saved.path.name,
        "step": saved.state["counters"]["step"],
        "seed": arguments.seed,
        "mean": mean,
        "standard_error": error,
        "returns": [episode.total for episode in episodes],
        "lengths": [episode.length for episode in episodes],
    }


@program.guarded
def main(words):
    """Evaluates; returns the exit status."""
    arguments = parse(words)
    settings = saved_agent.load_config(arguments.run)
    saved = saved_agent.load_checkpoint(
        arguments.run, lambda text: print(f"warning: {text}", file=sys.stderr)
    )
    start_worker = program.worker_starter(settings, program.find_gl(settings))
    agent = saved_agent.restore_agent(settings, saved)
    evaluator = evaluation.Evaluator(start_worker, agent, arguments.seed, print)
    try:
        episodes = evaluator.run(arguments.episodes)
    finally:
        evaluator.close()
    summary = results(episodes, arguments, settings, saved)
    for number, episode in enumerate(episodes):
        print(f"episode {number}: return {episode.total:.2f}, {episode.length} agent steps")
    spread = "" if len(episodes) < 2 else f" +- {summary['standard_error']:.2f} (standard error)"
    print(f"{settings.task}, step {summary['step']}: mean return {summary['mean']:.2f}{spread}")
    if arguments.json is not None:
        text = json.dumps(summary, indent=2) + "\n"
        atomic.write(arguments.json, text.encode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
