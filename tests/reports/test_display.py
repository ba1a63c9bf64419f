"""What a run shows, read back from an emulated terminal of several widths."""

import io
import types

import pyte
import pytest
from rich.console import Console

from dreamer_tf.reports import display as display_module
from dreamer_tf.reports.display import Display, Pace

PROGRESS = {"image": "image_loss", "KL": "div", "entropy": "action_ent", "vectors": "vector_loss"}
METRICS = {"image_loss": 11296.84, "div": 3.21, "action_ent": -4.3, "other": 7.0}
WIDTHS = (60, 80, 140)


class Terminal(io.StringIO):
    """A stream that is a terminal of a width; `lines` are what stands on it, above and in it."""

    def __init__(self, width):
        super().__init__()
        self.screen = pyte.HistoryScreen(width, 30, history=1000)
        self.stream = pyte.Stream(self.screen)

    def write(self, text):
        self.stream.feed(text.replace("\n", "\r\n"))
        return len(text)

    def isatty(self):
        return True

    def lines(self):
        screen = self.screen
        above = [
            "".join(line[x].data for x in range(screen.columns)) for line in screen.history.top
        ]
        return [line.rstrip() for line in [*above, *screen.display] if line.strip()]


def counters(step, update):
    return types.SimpleNamespace(step=step, update=update)


def shown(terminal):
    """Returns all that stands there as one line without repeated spaces."""
    return " ".join(" ".join(terminal.lines()).split())


@pytest.fixture
def clock(monkeypatch):
    now = types.SimpleNamespace(seconds=100.0)
    monkeypatch.setattr(display_module.time, "monotonic", lambda: now.seconds)
    return now


@pytest.fixture(params=WIDTHS)
def run(request):
    """(display, terminal) of a run in full swing."""
    terminal = Terminal(request.param)
    console = Console(file=terminal, force_terminal=True, width=request.param, soft_wrap=True)
    display = Display(5_000_000, console)
    display.describe(PROGRESS)
    display.open()
    display.begin(counters(1_200_000, 0))
    for episode in range(30):
        display.episode(100.0 + episode)
    for step, mean in ((1_000_000, 310.5), (1_100_000, 420.5), (1_200_000, 400.5)):
        display.evaluated(step, mean, 5.0, 10)
    display.progress(counters(1_234_567, 123_456))
    display.trained(METRICS)
    display.timed(12.34, 10.0, {"act": 1.0, "environment": 2.0, "train": 7.0})
    display.doing("learning")
    display.live.refresh()
    yield display, terminal
    display.close()


def test_nothing_is_cut_at_any_width(run):
    _, terminal = run
    text = shown(terminal)
    assert all(len(line) <= terminal.screen.columns for line in terminal.lines())
    for fact in (
        *("step 1,234,567 of 5,000,000", "24.7%", "train 129.0", "mean of 10 124.5"),
        *("test 310.5 at 1,000,000", "test 400.5 at 1,200,000", "best 420.5"),
        *("image 11,296.8", "KL 3.21", "entropy -4.30", "steps/s 12.3", "train 70%"),
        *("environment 20%", "updates 123,456", "learning, 0 s", "Ctrl-C saves and stops"),
    ):
        assert fact in text, text
    assert "vectors" not in text  # The metrics have none.


def test_what_the_terminal_echoes_of_ctrl_c_doubles_no_line(run):
    display, terminal = run
    terminal.write("^C")
    display.stopping()
    display.live.refresh()
    assert "stopping at a checkpoint" in shown(terminal)
    display.close()
    assert shown(terminal).count("step 1,234,567 of") == 1
    assert "stopping" not in shown(terminal) and "^C" not in shown(terminal)


def test_words_are_wrapped_whole_below_their_title(run):
    display, terminal = run
    parameters = ", ".join(f"network{n} 1,234,567" for n in range(8))
    display.say(f"parameters {parameters}")
    display.warn("so many words " * 9 + "end")
    begin = next(n for n, line in enumerate(terminal.lines()) if line.startswith("parameters"))
    assert terminal.lines()[begin + 1].startswith(" " * 11)
    assert parameters in shown(terminal)
    assert "so many words end" in shown(terminal)


def test_no_time_is_told_before_a_whole_block_after_the_first(clock):
    pace = Pace(10_000)
    assert pace.left(0) is None
    pace.block(1000)  # The first block compiles.
    clock.seconds += 50
    assert pace.left(1500) is None
    pace.block(1000)  # Updates before the next step say nothing either.
    assert pace.left(1500) is None
    clock.seconds += 50
    pace.block(2000)
    assert pace.left(2000) == "about 13 min left"  # 8000 steps at 10 a second.
    assert pace.left(9800) == "about 20 s left"


def test_plain_output_tells_each_kind_of_work_once_and_progress_now_and_then(clock):
    file = io.StringIO()
    display = Display(1000, Console(file=file, soft_wrap=True))
    display.open()
    display.describe(PROGRESS)
    display.doing("starting the environment")
    display.begin(counters(0, 0))
    for step in range(100, 1000, 100):
        display.doing("collecting")
        display.progress(counters(step, step))
        display.doing("learning")
        display.trained(METRICS)
        clock.seconds += 10
    display.stopping()
    display.close()
    lines = file.getvalue().splitlines()
    assert [line for line in lines if line.endswith("...")] == [
        *("starting the environment ...", "collecting ...", "learning ..."),
    ]
    told = [line for line in lines if line.startswith("step ")]
    assert len(told) == 2 and told[0].startswith("step 500 of 1000 | image 11,296.8 | KL 3.21")
    assert told[1].endswith("about 10 s left")
    assert "\x1b" not in file.getvalue()


def test_a_poor_terminal_and_a_file_called_one_have_plain_lines(monkeypatch):
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, _environ={"TERM": "dumb"})
    monkeypatch.setenv("FORCE_COLOR", "1")
    for display in (Display(1000, console), Display(1000)):
        assert display.console.is_terminal
        display.open()
        display.doing("collecting")
        assert display.live is None
        display.close()
    assert file.getvalue() == "collecting ...\n"


def test_lines_are_printed_also_where_a_terminal_says_it_has_no_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "0")
    file = io.StringIO()
    display = Display(1000, Console(file=file, force_terminal=True, soft_wrap=True))
    assert display.console.width == 0
    display.say("device     CPU")  # It was an error; rich itself shows nothing in no columns.


def test_a_continued_run_knows_what_it_has_measured():
    display = Display(1000, Console(file=io.StringIO()))
    tests = [{"step": step, "test/return": 10.0 * step} for step in (1, 9, 3, 4, 5)]
    display.recall([{"step": 1, "train/return": 3.0}, *tests, {"step": 6, "image_loss": 1.0}])
    assert list(display.evaluations) == [(9, 90.0), (3, 30.0), (4, 40.0), (5, 50.0)]
    assert display.best == 90.0 and list(display.episodes) == [3.0]
