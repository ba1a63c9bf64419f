"""The report is one page that needs nothing else, in a browser of any width."""

import html.parser
import json
import re
import shutil
import subprocess

import pytest
from results_for_tests import program, write_lines, write_run
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from dreamer_tf.results import item_rows, item_runs, item_table, report, scores, videos

TASK = "dmc_cartpole_swingup"

WALKER = "dmc_walker_walk"
FILM = b"GIF89a a film"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Page(html.parser.HTMLParser):
    """Collects what a page shows and asks for."""

    def __init__(self, text):
        super().__init__()
        self.sources, self.links, self.ids, self.tags, self.text = [], [], [], [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append(tag)
        self.sources += [value for key, value in attributes.items() if key == "src"]
        self.links += [value for key, value in attributes.items() if key == "href"]
        self.ids += [value for key, value in attributes.items() if key == "id"]

    def handle_data(self, data):
        self.text += data


def write_videos(folder, *events):
    """Writes a file of events as TensorBoard's own writer does; events are (tag, step, parts)."""
    writer = EventFileWriter(str(folder))
    for tag, step, parts in events:
        event = Event(step=step)
        value = Summary.Value(tag=tag)
        value.tensor.string_val.extend(parts)
        event.summary.value.append(value)
        writer.add_event(event)
    writer.close()
    return next(folder.glob("events.out.tfevents.*"))


def write_runs(folder):
    run = write_run(folder, WALKER, [0, 100, 200], name="dreamer", steps=25_000)
    write_run(folder, WALKER, [0, 50, 80], name="no_value", agent="no_value", steps=50_000)
    session = {
        "command": "train <script>",
        "device": "CPU",
        "processor": "A fast one",
        "cores": 12,
        "versions": {"tensorflow": "2.21"},
        "git": {"commit": "0123456789abcdef", "dirty": True},
    }
    (run / "meta.json").write_text(json.dumps({"sessions": [session, {**session, "cores": 3}]}))
    broken = folder / "dmc_cup_catch" / "dreamer" / "0"
    broken.mkdir(parents=True)
    (broken / "metrics.jsonl").write_text("nothing")
    return run


def test_the_report_is_one_page_that_needs_nothing_else(tmp_path, capsys):
    run = write_runs(tmp_path / "runs")
    write_videos(run, ("sim/test/episode", 15_000, [b"3", b"3", FILM]))
    out = tmp_path / "report.html"
    assert program("reproduce").main(["report", str(tmp_path / "runs"), "--out", str(out)]) == 0
    assert capsys.readouterr().out == f"{out}\n"
    text = out.read_text()
    page = Page(text)
    # Figures 6 and 7, statistics, the task's curves; and the video.
    kinds = [source.partition(";")[0] for source in page.sources]
    assert kinds == ["data:image/png"] * 4 + ["data:image/gif"]
    assert not {"script", "link", "iframe"} & set(page.tags) and "http" not in text
    assert page.links and {link.removeprefix("#") for link in page.links} == set(page.ids)
    for words in (
        "2 runs of 1 task: Dreamer, No value. 50,000 environment steps",
        "1 of the runs are not at their end",
        "train <script>",
        "0123456789, with changes",
        "tensorflow 2.21",
        "A fast one, 12 cores",
        "A fast one, 3 cores",
        "IQM",
        "evaluation at 15,000 steps",
        "dmc_walker_walk, no_value, seed 0: shown as it is at 25000 of 50000 steps",
        "no complete bin, at 25000 of 105000 steps",
        "stopped or running, 50000 were asked for",
        "metrics.jsonl holds no returns",
    ):
        assert words in page.text, words


def test_verdicts_that_are_below_are_marked(tmp_path):
    write_run(tmp_path, WALKER, [137] * 11, name="dreamer")
    write_run(tmp_path, WALKER, [0] * 11, name="bad")
    text = report.page([tmp_path])
    (line,) = re.findall(r"<tr class=bad>.*?</tr>", text)
    assert "<td>bad<" in line and "below" in line


def test_other_tasks_than_the_papers_have_their_scores_too(tmp_path):
    write_run(tmp_path, "gym_Pendulum-v1", [-900, -150], name="dreamer")
    page = Page(report.page([tmp_path]))
    assert "scores" in page.ids and "Dreamer, ours" in page.text and "-150.0" in page.text


def test_the_statistics_say_what_their_methods_do_not_share(tmp_path):
    write_run(tmp_path, WALKER, [0, 100, 200], name="dreamer")
    write_run(tmp_path, WALKER, [0, 900], name="d4pg", agent="d4pg", env="{observation: vector}")
    text = Page(report.page([tmp_path])).text
    assert "D4PG: from vectors; after 15000 steps" in text and "Dreamer: after 25000 steps" in text


def test_the_newest_videos_are_found_in_files_of_events(tmp_path):
    older = write_videos(
        tmp_path,
        ("sim/test/episode", 1000, [b"3", b"3", FILM]),
        ("agent/test/open_loop", 1000, [b"3", b"3", FILM + b"1"]),
        ("sim/test/episode", 2000, [b"3", b"3", FILM + b"2"]),
        ("sim/return", 2000, [b"not", b"a", b"picture"]),
        ("agent/train/open_loop", 2000, [b"3", b"3", FILM]),
    )
    assert videos.find(tmp_path) == [
        ("evaluation at 2,000 steps", FILM + b"2"),
        ("prediction at 1,000 steps", FILM + b"1"),
    ]
    (tmp_path / "mine.gif").write_bytes(FILM)
    data = older.read_bytes()
    for cut in (len(data) - 3, data.index(FILM + b"2") + 2):
        older.write_bytes(data[:cut])
        assert ("prediction at 1,000 steps", FILM + b"1") in videos.find(tmp_path)
    older.write_bytes(b"\xff" * 100)
    assert videos.find(tmp_path) == [("mine.gif", FILM)]


def test_of_each_method_the_run_that_is_furthest_is_filmed(tmp_path, monkeypatch):
    for seed, steps in ((0, [1] * 3), (1, [1] * 5)):
        run = write_run(tmp_path, WALKER, steps, seed, name="dreamer")
        (run / f"film{seed}.gif").write_bytes(FILM)
    run = write_run(tmp_path, WALKER, [1], name="planet", agent="planet")
    (run / "planet.gif").write_bytes(FILM)
    text = report.page([tmp_path])
    assert "film1.gif" in text and "film0.gif" not in text and "planet.gif" in text
    monkeypatch.setattr(report, "MOST_VIDEO_BYTES", len(FILM))
    text = report.page([tmp_path])
    assert "film1.gif" in text and "planet.gif" not in text
    assert "1 more would make this page too large" in text
    # One that is too large takes no others with it.
    (tmp_path / WALKER / "dreamer" / "1" / "large.gif").write_bytes(FILM * 3)
    monkeypatch.setattr(report, "MOST_VIDEO_BYTES", 2 * len(FILM))
    text = report.page([tmp_path])
    assert "film1.gif" in text and "planet.gif" in text and "large.gif" not in text
    assert "1 more would make this page too large" in text


def foreign(config):
    """Returns a function that writes a run with these lines of configuration."""

    def write(folder):
        run = write_run(folder, WALKER, [1, 2, 3], seed=1)
        (run / "config.yaml").write_text(f"task: {WALKER}\nseed: 1\n{config}")

    return write


def log(*rows):
    return lambda folder: write_lines(folder / WALKER / "dreamer" / "1", rows)


ODD = {
    "steps without end": foreign("steps: .inf\n"),
    "steps not known": foreign("steps: .nan\n"),
    "an agent of lists": foreign("agent: [a]\n"),
    "an objective of keys": foreign("agent: dreamer\nmodel: {objective: {a: 1}}\n"),
    "a horizon in words": foreign("agent: dreamer\nbehavior: {horizon: far}\n"),
    "no horizon": foreign("agent: dreamer\nbehavior: {horizon: null}\n"),
    "sections that are none": foreign("agent: dreamer\nbehavior: 3\nenv: x\nmodel: []\n"),
    "numbers as keys": foreign("1: 2\n"),
    "references to nothing": foreign("steps: ${oops}\n"),
    "a step too large": log({"step": 1e300, "test/return": 1.0}, {"step": 9, "test/return": 1.0}),
    "a step of 30 digits": log({"step": 10**30, "test/return": 1}, {"step": 9, "test/return": 1}),
    "a return of 400 digits": log(
        {"step": 5, "test/return": 10**400}, {"step": 9, "test/return": 1}
    ),
    "returns that are none": log({"step": 5000, "test/return": float("nan")}),
    "returns without end": log({"step": 5000, "test/return": float("inf")}),
    "step 0 alone": log({"step": 0, "test/return": 1}),
    "training alone": log({"step": 5000, "train/return": 1.0}),
    "starts that are none": lambda folder: (
        write_run(folder, WALKER, [1, 2], name="odd") / "meta.json"
    ).write_text('{"sessions": 5}'),
    "time without end": log({"step": 5000, "test/return": 1.0, "wall_time": float("inf")}),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
def test_no_folder_of_others_stops_figures_statistics_or_the_page(odd, tmp_path, capsys):
    write_run(tmp_path / "runs", WALKER, [1, 2, 3], name="dreamer", behavior="{horizon: 15}")
    odd(tmp_path / "runs")
    reproduce = program("reproduce")
    for words in (["report", "--out", "r.html"], ["statistics"], ["check"]):
        words = [words[0], str(tmp_path / "runs"), *words[1:]]
        words = [str(tmp_path / word) if word == "r.html" else word for word in words]
        assert reproduce.main(words) in (0, 1)
    error = capsys.readouterr().err
    assert error in ("", "error: nothing could be judged: see above\n")
    assert (tmp_path / "r.html").stat().st_size > 10_000


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here")
@pytest.mark.parametrize("width", [400, 1400])
def test_in_a_browser_nothing_is_wider_than_the_page(width, tmp_path):
    write_runs(tmp_path / "runs")
    for number in range(12):
        write_run(tmp_path / "runs", WALKER, [5, 6], name=f"a_rather_long_name_{number}")
    text = report.page([tmp_path / "runs"])
    (tmp_path / "report.html").write_text(text)
    # The page in a frame of that width, since a browser's window has a least one of its own.
    frame = f"<iframe id=f src=report.html style='width:{width}px;height:900px'></iframe>"
    script = "onload = () => { document.title = f.contentDocument.documentElement.scrollWidth; }"
    (tmp_path / "frame.html").write_text(f"<title></title>{frame}<script>{script}</script>")
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--allow-file-access-from-files"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    found = subprocess.run(
        [CHROMIUM, *options, f"file://{tmp_path / 'frame.html'}"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    (seen,) = re.findall(r"<title>(\d+)</title>", found.stdout)
    assert int(seen) <= width


def test_of_many_methods_the_page_keeps_figures_and_tables_that_can_be_read(tmp_path):
    """A dozen trials of one task, and one method of two: no column or colour for each."""
    for number in range(12):
        write_run(tmp_path, TASK, [10.0 * number, 20.0], name=f"trial{number:02}")
    for task in (TASK, "dmc_walker_walk"):
        write_run(tmp_path, task, [100.0, 333.0], name="wide")
    runs = scores.find([tmp_path])[0]
    found, _ = item_rows.rows("fig6", item_runs.chosen("fig6", runs)[0], 10_000)
    kept, told = item_rows.fitting("fig6", found)
    methods = {row.method for row in kept if row.source == item_rows.OURS}
    assert len(methods) == 8 and any("wide" in method for method in methods)
    assert (
        len(told) == 1 and told[0].startswith("not in this figure") and told[0].count("trial") == 5
    )
    few = [row for row in found if row.source != item_rows.OURS or "wide" in row.method]
    assert item_rows.fitting("fig6", few) == (few, [])
    cells = item_table.cells(found)
    assert cells[0] == ["task", "method", "steps", "return"]
    assert [TASK, "Dreamer (wide), ours", "15k", "333.0"] in cells
    assert [TASK, "floor", "", "95.6"] in cells
    assert [TASK, "Dreamer, paper", "5e6", "833.7"] in cells
    assert len([line for line in cells if ", ours" in line[1]]) == 14
    assert told[0] in Page(report.page([tmp_path])).text


def test_a_comparison_of_methods_stays_beside_many_trials_of_one(tmp_path):
    for number in range(9):
        for task in (TASK, WALKER):
            write_run(tmp_path, task, [10.0 * number, 20.0], name=f"trial{number}")
    write_run(tmp_path, TASK, [5.0, 60.0], name="no_value", agent="no_value")
    text = report.page([tmp_path])
    assert f"alt='{report.TITLES['fig7']}'" in text
    assert "not in this figure, which has room for 8 sets of runs: Dreamer (trial7)" in text


def test_a_figure_of_settings_needs_two_of_one_method_on_one_task(tmp_path):
    """Dreamer imagines 15 steps and PlaNet plans 12: that compares no horizons."""
    image = f"alt='{report.TITLES['fig4']}'"
    write_run(tmp_path, TASK, [1, 10], name="dreamer", behavior="{horizon: 15}")
    write_run(tmp_path, TASK, [1, 10], name="planet", agent="planet", planner="{horizon: 12}")
    write_run(tmp_path, WALKER, [1, 10], name="dreamer", behavior="{horizon: 5}")
    assert image not in report.page([tmp_path])
    write_run(tmp_path, TASK, [1, 10], name="dreamer-h5", behavior="{horizon: 5}")
    assert image in report.page([tmp_path])
    # Nor do many trials of more tasks, each of one horizon, take it from the page.
    for number in range(9):
        for task in (TASK, WALKER, "dmc_cup_catch"):
            write_run(tmp_path, task, [1, 10], name=f"trial{number}", behavior="{horizon: 15}")
    assert image in report.page([tmp_path])


def test_all_numbers_of_a_page_are_of_as_many_last_steps(tmp_path):
    """Short runs of a method that the scores do not have change no number of the statistics."""
    write_run(tmp_path, TASK, [0.0, *[100.0 * number for number in range(1, 8)]], name="dreamer")
    for task in (TASK, WALKER):
        rows = [{"step": step, "test/return": 1.0} for step in range(100, 2000, 100)]
        for seed in range(3):
            run = write_run(tmp_path, task, [0], seed, name="no_value", agent="no_value")
            write_lines(run, rows)
    text = re.sub(r"\s+", " ", Page(report.page([tmp_path])).text)
    widths = re.findall(r"last ([\d,]+) steps", text)
    # Figure 6, scores, statistics.
    assert len(widths) == 3 and len(set(widths)) == 1
