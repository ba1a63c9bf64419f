"""What a person sees in the terminal while a run goes on."""

import time

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from dreamer_tf.reports.duration import in_words

# Without a terminal, a line of progress at most this often (seconds).
PLAIN_INTERVAL = 30


class Display:
    """A progress bar with a line of facts; plain lines where the output is not a terminal.

    Args:
        steps: environment steps of the whole run.
        progress: {words: metric} of an update's metrics that are shown.
        console: where to print; a `rich.console.Console`.
    """

    def __init__(self, steps, progress=(), console=None):
        self.console = console or Console(soft_wrap=True, highlight=False)
        self.steps = steps
        self.shown = dict(progress)
        self.facts = {}
        self.begun = (time.monotonic(), 0)
        self.printed = time.monotonic()
        self.bar = Progress(
            TextColumn("step {task.completed:,} of {task.total:,}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>4.1f}%"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=self.console,
            expand=True,
        )
        self.task = self.bar.add_task("training", total=steps)
        self.live = None

    def begin(self, counters):
        """Starts to show progress, from where the run stands."""
        self.begun = (time.monotonic(), counters.step)
        self.bar.update(self.task, completed=counters.step)
        if self.console.is_terminal:
            self.live = Live(self._panel(), console=self.console, refresh_per_second=4)
            self.live.start()

    def say(self, text):
        """Prints a line of its own."""
        self.console.print(text, markup=False)

    def warn(self, text):
        """Prints a warning."""
        self.console.print(f"warning: {text}", style="yellow", markup=False)

    def progress(self, counters):
        """Shows how far the run is."""
        self.facts["updates"] = f"{counters.update:,}"
        if self.live is not None:
            self.bar.update(self.task, completed=counters.step)
            self.live.update(self._panel())
        elif time.monotonic() - self.printed > PLAIN_INTERVAL:
            line = f"step {counters.step} of {self.steps} | {self._line()}"
            self.say(f"{line} | {self._remaining(counters)}")
            self.printed = time.monotonic()

    def episode(self, total):
        """Takes note of a training episode's return."""
        self.facts["train return"] = f"{total:.1f}"

    def evaluated(self, step, mean, error, count):
        """Shows an evaluation's result."""
        self.facts["test return"] = f"{mean:.1f}"
        spread = "" if error is None else f" +- {error:.1f}"
        episodes = "episode" if count == 1 else "episodes"
        self.say(f"step {step}: test return {mean:.1f}{spread} ({count} {episodes})")

    def trained(self, metrics):
        """Takes note of a block of updates."""
        for words, name in self.shown.items():
            self.facts[words] = f"{metrics.get(name, 0):.1f}"

    def timed(self, fps, elapsed, seconds):
        """Takes note of where the time of a block went."""
        self.facts["steps/s"] = f"{fps:.1f}"
        parts = [f"{name} {100 * value / elapsed:.0f}%" for name, value in seconds.items()]
        self.facts["time"] = " ".join(parts)

    def close(self):
        """Leaves the terminal as it was."""
        if self.live is not None:
            self.live.update(self._panel())
            self.live.stop()
            self.live = None

    def _panel(self):
        return Group(self.bar, Text(self._line()))

    def _line(self):
        return " | ".join(f"{name} {value}" for name, value in self.facts.items())

    def _remaining(self, counters):
        began, first = self.begun
        done = counters.step - first
        if done <= 0 or counters.update == 0:  # The prefill says nothing about what follows.
            return "time left unknown"
        seconds = (self.steps - counters.step) * (time.monotonic() - began) / done
        return f"about {in_words(seconds)} left"
