"""What a person sees in the terminal while a run goes on."""

import collections
import re
import sys
import textwrap
import time
from collections.abc import Mapping
from typing import Any

from rich.columns import Columns
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from dreamer_tf.reports.duration import in_words

# Without a terminal, a line of progress at most this often (seconds).
PLAIN_INTERVAL = 30
# Training episodes whose mean return is shown, and evaluations that are.
RECENT_EPISODES = 10
RECENT_EVALUATIONS = 4
# Of "device     CPU": the lines that begin a run.
TITLE_WIDTH = 11
NARROWEST = 20  # Columns that lines are wrapped to; some terminals say they have none.
SAVING = ", Ctrl-C saves and stops"
STOPPING = "stopping at a checkpoint"


class Display:
    """What is being done, progress and facts; plain lines where the output is not a terminal.

    Args:
        steps: environment steps of the whole run.
        console: where to print; a `rich.console.Console`.
    """

    def __init__(self, steps: int, console: Console | None = None):
        self.console = console or Console(soft_wrap=True, highlight=False)
        # A file stays one where FORCE_COLOR calls it a terminal, and a poor terminal moves nothing.
        moves = self.console.is_terminal and not self.console.is_dumb_terminal
        self.moves = moves and (console is not None or sys.stdout.isatty())
        self.steps = steps
        self.shown = {}
        self.losses, self.speed = {}, {}
        self.episodes = collections.deque(maxlen=RECENT_EPISODES)
        self.evaluations = collections.deque(maxlen=RECENT_EVALUATIONS)
        self.best = None
        self.step = self.update = None
        self.pace = Pace(steps)
        self.doing_now, self.since = None, 0.0
        self.told = set()
        self.printed = time.monotonic()
        self.bar = Progress(
            TextColumn("step {task.completed:,} of {task.total:,}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>4.1f}%"),
            TextColumn("{task.fields[left]}"),
            console=self.console,
            expand=True,
        )
        self.task = self.bar.add_task("training", total=steps, left="")
        self.live = None

    def open(self) -> None:
        """Takes the end of a terminal for itself until `close`."""
        if self.moves and self.live is None:
            # Drawn anew by a thread of its own, so seconds pass while TensorFlow compiles.
            self.live = Live(get_renderable=self._panel, console=self.console, refresh_per_second=4)
            self.live.start()

    def describe(self, progress: Mapping[str, str]) -> None:
        """Takes the {words: metric} of an update's metrics that are shown."""
        self.shown = dict(progress)

    def begin(self, counters: Any) -> None:
        """Starts to show progress, from where the run stands."""
        self.step, self.update = counters.step, counters.update

    def recall(self, lines: list[dict[str, Any]]) -> None:
        """Takes note of what a continued run has measured, the lines of its metrics.jsonl."""
        self.episodes.extend(line["train/return"] for line in lines if "train/return" in line)
        tests = [(line["step"], line["test/return"]) for line in lines if "test/return" in line]
        self.evaluations.extend(tests)
        self.best = max((mean for _, mean in tests), default=None)

    def doing(self, text: str) -> None:
        """Says what the program does from now on; in plain output, the first time."""
        if text == self.doing_now or self.doing_now == STOPPING:
            return
        self.doing_now, self.since = text, time.monotonic()
        if self.live is None and text not in self.told:
            self.told.add(text)
            self.say(f"{text} ...")

    def stopping(self) -> None:
        """Says that the run stops; prints nothing, since a signal may have come amid a print."""
        self.doing_now, self.since = STOPPING, time.monotonic()

    def say(self, text: str) -> None:
        """Prints a line of its own; on a terminal wrapped, below what follows its title."""
        self._print(text)

    def _print(self, text, style=None):
        if self.moves:
            titled = re.fullmatch("[a-z]+ +", text[:TITLE_WIDTH])
            text = textwrap.fill(
                text,
                max(self.console.width, NARROWEST),
                subsequent_indent=" " * TITLE_WIDTH if titled else "",
                break_long_words=False,
                break_on_hyphens=False,
            )
        self.console.print(text, style=style, markup=False)

    def warn(self, text: str) -> None:
        """Prints a warning."""
        self._print(f"warning: {text}", "yellow")

    def progress(self, counters: Any) -> None:
        """Shows how far the run is."""
        self.step, self.update = counters.step, counters.update
        if self.live is None and time.monotonic() - self.printed > PLAIN_INTERVAL:
            facts = [fact for row in self._facts().values() for fact in row]
            line = " | ".join([f"step {self.step} of {self.steps}", *facts])
            self.say(f"{line} | {self.pace.left(self.step) or 'time left unknown'}")
            self.printed = time.monotonic()

    def episode(self, total: float) -> None:
        """Takes note of a training episode's return."""
        self.episodes.append(total)

    def evaluated(self, step: int, mean: float, error: float | None, count: int) -> None:
        """Shows an evaluation's result."""
        self.evaluations.append((step, mean))
        self.best = mean if self.best is None else max(self.best, mean)
        spread = "" if error is None else f" +- {error:.1f}"
        episodes = "episode" if count == 1 else "episodes"
        self.say(f"step {step}: test return {mean:.1f}{spread} ({count} {episodes})")

    def trained(self, metrics: Mapping[str, float]) -> None:
        """Takes note of a block of updates."""
        self.losses = {
            words: f"{metrics[name]:,.1f}" if abs(metrics[name]) >= 10 else f"{metrics[name]:.2f}"
            for words, name in self.shown.items()
            if name in metrics
        }
        self.pace.block(self.step)

    def timed(self, fps: float, elapsed: float, seconds: Mapping[str, float]) -> None:
        """Takes note of where the time of a block went."""
        shares = sorted(seconds.items(), key=lambda each: -each[1])
        # Whole from the start: another thread may be drawing it.
        self.speed = {"steps/s": f"{fps:.1f}"} | {
            name: f"{100 * value / elapsed:.0f}%" for name, value in shares
        }

    def close(self) -> None:
        """Leaves the terminal as it was."""
        if self.live is not None:
            self.doing_now = None
            self.live.stop()
            self.live = None

    def _facts(self):
        """Returns {title: texts} of what is known by now."""
        rows = {"returns": self._returns()}
        rows["losses"] = [f"{name} {value}" for name, value in self.losses.items()]
        rows["speed"] = [f"{name} {value}" for name, value in self.speed.items()]
        if self.update:
            rows["speed"].append(f"updates {self.update:,}")
        return {title: texts for title, texts in rows.items() if texts}

    def _returns(self):
        found = []
        episodes = tuple(self.episodes)  # The trainer's thread adds to it meanwhile.
        if episodes:
            found.append(f"train {episodes[-1]:.1f}")
        if len(episodes) > 1:
            found.append(f"mean of {len(episodes)} {sum(episodes) / len(episodes):.1f}")
        found += [f"test {mean:.1f} at {step:,}" for step, mean in tuple(self.evaluations)]
        if len(self.evaluations) > 1:
            found.append(f"best {self.best:.1f}")
        return found

    def _panel(self):
        parts = []
        if self.step is not None:
            left = self.pace.left(self.step) or ""
            self.bar.update(self.task, completed=self.step, left=left)
            table = Table.grid(padding=(0, 1))
            for title, texts in self._facts().items():
                facts = Columns([Text(text) for text in texts], padding=(0, 3))
                table.add_row(Text(title, style="dim"), facts)
            parts += [self.bar, table]
        if self.doing_now is not None:
            # The last line is short: what the terminal echoes of Ctrl-C finds place in it.
            seconds = in_words(time.monotonic() - self.since)
            hint = "" if self.step is None or self.doing_now == STOPPING else SAVING
            parts.append(Text(f"{self.doing_now}, {seconds}{hint}", style="dim"))
        return Group(*parts)


class Pace:
    """How fast a run is, from whole blocks of updates after the first one, which compiles.

    Args:
        steps: environment steps of the whole run.
    """

    def __init__(self, steps: int):
        self.steps = steps
        self._first = None
        self._speed = None

    def block(self, step: int) -> None:
        """Takes note of the end of a block of updates at a step."""
        now = time.monotonic()
        if self._first is None:
            self._first = (now, step)
        elif step > self._first[1]:
            began, first = self._first
            self._speed = (step - first) / (now - began)

    def left(self, step: int) -> str | None:
        """Returns for example "about 2.1 h left", None where nothing tells."""
        if self._speed is None:
            return None
        return f"about {in_words((self.steps - step) / self._speed)} left"
