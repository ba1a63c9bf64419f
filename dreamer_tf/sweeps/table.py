"""A sweep in the terminal: one line a run, kept up to date."""

import time

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dreamer_tf.reports.duration import in_words

INTERVAL = 2.0
PLAIN_INTERVAL = 60.0  # Between two summaries where the output is no terminal.
WORDS = {"done": "green", "running": "cyan", "waiting": "dim", "stopped": "yellow"}


def state_of(said, progress, before):
    """Returns the word for a run.

    Args:
        said: what the launcher said of it, None if nothing yet.
        progress: its `Progress`.
        before: its step when the sweep began.
    """
    if said not in (None, "running"):
        return said
    if progress.done:
        return "done"
    return "running" if said == "running" or progress.step > before else "waiting"


def watch(plans, launcher, logdir, console=None):
    """Shows the runs until none of them can change; returns {`Plan`: its last word}.

    Args:
        plans: those that the launcher was started with.
        launcher: one of the launchers.
        logdir: folder of all runs.
        console: where to print.
    """
    console = console or Console(highlight=False)
    before = [plan.progress(logdir).step for plan in plans]
    shown = 0.0
    with Live(console=console, auto_refresh=False, transient=True) as live:
        while True:
            working = launcher.working()
            rows = _rows(plans, launcher.states(), logdir, before)
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


def render(rows, height):
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
        word = word.partition(":")[0]
        left = "" if word != "running" or not progress.speed else _left(progress)
        table.add_row(
            plan.task,
            plan.name,
            str(plan.seed),
            f"{progress.step:,}",
            f"{progress.steps:,}",
            "" if progress.last_return is None else f"{progress.last_return:.1f}",
            left,
            Text(word, style=WORDS.get(word, "red")),
        )
    more = [Text(f"and {len(rows) - room} more", style="dim")] if len(rows) > room else []
    return Group(table, *more, Text(summary(rows)))


def summary(rows):
    """Returns one line: how many runs are in which state."""
    words = [word.partition(":")[0] for _, _, word in rows]
    counts = [f"{words.count(word)} {word}" for word in dict.fromkeys(words)]
    return f"{len(rows)} runs: {', '.join(counts)}"


def _left(progress):
    return in_words((progress.steps - progress.step) / progress.speed)


def _rows(plans, said, logdir, before):
    rows = []
    for index, plan in enumerate(plans):
        progress = plan.progress(logdir)
        rows.append((plan, progress, state_of(said.get(index), progress, before[index])))
    return rows
