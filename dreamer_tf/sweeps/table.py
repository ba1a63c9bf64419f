"""A sweep in the terminal: one line a run, kept up to date."""

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dreamer_tf.reports.duration import in_words
from dreamer_tf.sweeps.local import LocalLauncher
from dreamer_tf.sweeps.plans import Plan, Progress
from dreamer_tf.sweeps.ray_cluster import RayLauncher
from dreamer_tf.sweeps.slurm import SlurmLauncher

INTERVAL = 2.0
SILENT = 900.0  # Seconds without a line in its log after which a run may hang: long evaluations.
PLAIN_INTERVAL = 60.0  # Between two summaries where the output is no terminal.
NO_SIGN = "no sign for"
WORDS = {"done": "green", "running": "cyan", "waiting": "dim", "stopped": "yellow"}


def state_of(
    said: str | None, progress: Progress, before: int, began: float = 0.0, now: float = 0.0
) -> str:
    """Returns the word for a run.

    Args:
        said: what the launcher said of it, None if nothing yet.
        progress: its `Progress`.
        before: its step when the sweep began.
        began, now: seconds of the epoch when the run was first seen running, and now.
    """
    if said not in (None, "running"):
        return said
    if progress.done:
        return "done"
    if said is None and progress.step <= before:
        return "waiting"
    silent = now - max(progress.written or 0.0, began)
    if silent < SILENT:
        return "running"
    # Launchers that say nothing of it until the end may have it wait for a place again.
    queued = ", or waiting" * (said is None)
    return f"running: {NO_SIGN} {in_words(silent)}{queued}"


def watch(
    plans: Sequence[Plan],
    launcher: LocalLauncher | RayLauncher | SlurmLauncher,
    logdir: str | Path,
    console: Console | None = None,
) -> dict[Plan, str]:
    """Shows the runs until none of them can change; returns {`Plan`: its last word}.

    Args:
        plans: those that the launcher was started with.
        launcher: one of the launchers.
        logdir: folder of all runs.
        console: where to print.
    """
    console = console or Console(highlight=False)
    before = [plan.progress(logdir).step for plan in plans]
    began = {}
    shown = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            working = launcher.working()
            rows = _rows(plans, launcher.states(), logdir, before, began)
            if console.is_terminal:
                live.update(render(rows, console.height), refresh=True)
            elif time.monotonic() - shown > PLAIN_INTERVAL:
                shown = time.monotonic()
                console.print(summary(rows))
            if not working:
                break
            time.sleep(INTERVAL)
    console.print(render(rows, len(rows) + 10) if console.is_terminal else summary(rows))
    for plan, _, word in rows:
        if word.startswith("failed"):
            console.print(f"{plan.folder(logdir)} {word}", style="red", soft_wrap=True)
    return {plan: word for plan, _, word in rows}


def render(rows: Sequence[tuple[Plan, Progress, str]], height: int) -> Group:
    """Returns the table of (plan, progress, word); where it does not fit, of those that matter."""
    order = {"running": 0, "failed": 1, "stopped": 2, "waiting": 3, "done": 4}
    rows = sorted(rows, key=lambda row: order.get(row[2].partition(":")[0], 1))
    room = max(3, height - 5)
    table = Table(box=None, pad_edge=False, expand=False)
    for name in ("task", "run", "seed"):
        table.add_column(name, overflow="fold")
    for name in ("step", "of", "return", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("state", no_wrap=True)
    for plan, progress, word in rows[:room]:
        word, _, sign = word.partition(":")
        style = WORDS.get(word, "red")
        left = "" if word != "running" or not progress.speed else _left(progress)
        table.add_row(
            plan.task,
            plan.name,
            str(plan.seed),
            f"{progress.step:,}",
            f"{progress.steps:,}",
            "" if progress.last_return is None else f"{progress.last_return:.1f}",
            left,
            Text(f"{word},{sign}", style="yellow")
            if sign and word == "running"
            else Text(word, style=style),
        )
    more = [Text(f"and {len(rows) - room} more", style="dim")] if len(rows) > room else []
    return Group(table, *more, Text(summary(rows)))


def summary(rows: Sequence[tuple[Plan, Progress, str]]) -> str:
    """Returns one line: how many runs are in which state."""
    words = [word.partition(":")[0] for _, _, word in rows]
    counts = [f"{words.count(word)} {word}" for word in dict.fromkeys(words)]
    silent = [f"{plan.folder('')}" for plan, _, word in rows if word.startswith("running:")]
    names = f"{', '.join(silent[:3])}{' and others' * (len(silent) > 3)}"
    said = f"; {NO_SIGN} {in_words(SILENT)} and more: {names}" if silent else ""
    return f"{len(rows)} runs: {', '.join(counts)}{said}"


def _left(progress):
    return in_words((progress.steps - progress.step) / progress.speed)


def _rows(plans, said, logdir, before, began):
    rows, now = [], time.time()
    for index, plan in enumerate(plans):
        progress = plan.progress(logdir)
        # One that had to wait for its place has given no sign until then.
        start = began.get(index, now)
        word = state_of(said.get(index), progress, before[index], start, now)
        if word.startswith("running"):
            began.setdefault(index, now)
        rows.append((plan, progress, word))
    return rows
