"""What a run says at its end: what was learned, and the commands to look at it."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_tf.envs.tasks import GIVEN, is_code

CHECKOUT = Path(__file__).resolve().parents[2]


def lines(
    run: str | Path,
    task: str,
    prefill: int,
    dreams: bool,
    lives: bool = False,
    given: bool = False,
    renders: bool = True,
) -> list[str]:
    """Returns the lines for the end of a run.

    Args:
        run: the run's folder.
        task: the environment's name.
        prefill: environment steps with random actions at its beginning.
        dreams: whether the agent has a world model to play in.
        lives: whether the loss of a life ended training's episodes, but not evaluation's.
        given: whether the environment came from Python, where alone it can be had again.
        renders: whether the environment can be filmed.
    """
    measured = read(Path(run) / "metrics.jsonl")
    folder = shlex.quote(str(run))
    evaluate = opened(run, task, given) + " --video episode.gif" * (renders and not given)
    commands = [f"evaluate   {evaluate}", f"curves     {_start()}tensorboard --logdir {folder}"]
    if dreams and not given:
        commands.append(f"dream      {_start()}dream {named(run, task)}")
    return [f"learned    {_learned(measured, prefill, lives)}", *commands]


def _start():
    """Returns what begins a command here: the checkout's own program, or Python."""
    program = CHECKOUT / "tools" / "run"
    if not program.exists():
        return "python -m dreamer_tf."
    return f"{'tools/run' if Path.cwd() == CHECKOUT else shlex.quote(str(program))} "


def opened(run: str | Path, task: str, given: bool = False) -> str:
    """Returns what a person types to evaluate a run or an agent that was shipped; see `lines`."""
    if given or task.startswith(GIVEN):
        return f"player = dreamer_tf.load({str(run)!r}, env=...) with the same environment"
    return f"{_start()}evaluate {named(run, task)}"


def named(run: str | Path, task: str) -> str:
    """Returns the words that open a run: its folder and, of a module, the task as well.

    A module is imported only for whoever names it.
    """
    folder = shlex.quote(str(run))
    return f"{folder} --task {shlex.quote(task)}" if is_code(task) else folder


def _learned(measured, prefill, lives):
    random = [
        line["train/return"]
        for line in measured
        if "train/return" in line and line["step"] <= prefill
    ]
    tests = [line["test/return"] for line in measured if "test/return" in line]
    if not tests:
        return "nothing was measured"
    text = f"mean return {tests[-1]:.1f} in the last evaluation, {max(tests):.1f} in the best"
    if not random:
        return text
    floor = float(np.mean(random))
    spread = float(np.std(random))
    text += f", {floor:.1f} with the random actions of the first {prefill} steps"
    if lives:
        text += " (of one life, where the game has lives)"
    if tests[-1] <= floor + spread:
        text += ": not clearly better than random"
    return text


def read(path: Path) -> list[dict[str, Any]]:
    """Returns the lines as dicts of a metrics file, without those that cannot be read."""
    found = []
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return found
    for line in text.splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and "step" in values:
            found.append(values)
    return found
