"""One page about some runs that a person can read without anything else."""

import base64
import html
import re
from collections.abc import Collection, Sequence
from pathlib import Path

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports.duration import in_words
from dreamer_tf.results import (
    check,
    figures,
    item_drawings,
    item_figures,
    item_rows,
    item_runs,
    item_table,
    report_runs,
    scores,
    series,
    summary,
    summary_figure,
    videos,
)

TITLES = {
    "fig6": "Returns by task",
    "fig7": "Dreamer, without a value function, and planning",
    "fig8": "Representation objectives",
    "fig4": "Return against the imagination horizon",
    "fig12": "Return against the action repeat",
    "fig9": "Discrete control",
}
MOST_VIDEO_BYTES = 20_000_000  # A page that is larger is slow to open and to send.
BANDS = {
    item_rows.DEVIATION: "the deviation over seeds",
    item_rows.BOOTSTRAP: "a 95 % bootstrap interval of the mean over seeds",
}
SHOWN = "what is shown and what is not"
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 68rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; overflow-wrap: break-word; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
nav a { margin-right: 1rem; } img { max-width: 100%; height: auto; } figure { margin: 1rem 0; }
figcaption, .note, summary { color: #595959; font-size: 90%; } summary { cursor: pointer; }
.wide { overflow-x: auto; } @media (max-width: 48rem) { .wide > img { max-width: 44rem; } }
table { border-collapse: collapse; font-size: 85%; } code { font: 85% ui-monospace, monospace; }
td, th { padding: .25rem .8rem .25rem 0; text-align: left; vertical-align: top;
         border-bottom: 1px solid #ddd; }
.number { text-align: right; } td.number { white-space: nowrap; }
td.command { min-width: 22rem; }
.bad { color: #b00020; font-weight: bold; } .videos { display: flex; flex-wrap: wrap; gap: 1rem; }
.videos figure { margin: 0; max-width: 30rem; }
"""


def page(folders: Sequence[Path], width: int | None = None, band: str = item_rows.DEVIATION) -> str:
    """Returns the page as HTML text.

    Args:
        folders: folders of runs.
        width: environment steps in a bin; by default what fits the runs of each figure of curves,
            and all runs where it is what a final return covers.
        band: see `item_rows.rows`.

    Raises:
        UserError: there are no runs.
    """
    runs, skipped = scores.find(folders)
    # One for all numbers: the same run has the same return everywhere on the page.
    last = width or item_runs.final_width(item_runs.chosen("statistics", runs)[0] or runs)
    parts = {
        "Figures": [*_figures(runs, width, last, band)],
        "Scores": [*_scores(runs, last, band)],
        "Statistics": [*_statistics(runs, last)],
        "Beside the author's runs": [*_verdicts(runs)],
        "Curves": [*_curves(runs, width)],
        "Videos": [*_videos(runs, folders)],
        "Runs": [*report_runs.table(runs)],
        "Made with": [*report_runs.origins(runs)],
        "Left out": [_list(skipped)] if skipped else [],
    }
    parts = {title: "".join(content) for title, content in parts.items() if content}
    links = " ".join(f"<a href='#{_anchor(title)}'>{title}</a>" for title in parts)
    sections = "".join(
        f"<h2 id='{_anchor(title)}'>{title}</h2>{content}" for title, content in parts.items()
    )
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Runs of dreamer_tf</title><style>{STYLE}</style>"
        f"<h1>Runs of dreamer_tf</h1>{_head(runs)}<nav>{links}</nav>{sections}</html>\n"
    )


def _head(runs):
    tasks = len({run.task for run in runs})
    methods = dict.fromkeys(item_runs.method_of(run) or "others" for run in runs)
    minutes = [run.minutes_at(run.reached) for run in runs]
    known = [each for each in minutes if each == each]
    text = (
        f"{len(runs)} runs of {tasks} task{'s' if tasks > 1 else ''}: {', '.join(methods)}. "
        f"{sum(run.reached for run in runs):,} environment steps"
    )
    if known:
        text += f" in {in_words(60 * sum(known))} of running, one after the other"
    open_ = sum(not run.finished for run in runs)
    if open_:
        text += f". {open_} of the runs are not at their end"
    return f"<p>{html.escape(text)}.</p>"


def _figures(runs, width, last, band):
    for item, title in TITLES.items():
        shown, _ = item_runs.chosen(item, runs)
        curves, number = item in item_rows.CURVES, item.replace("fig", "figure ")
        steps = (width or item_runs.fitting_width(shown)) if curves else last
        found, remarks = item_rows.rows(item, runs, steps, band)
        found, left = item_rows.fitting(item, found)
        ours = [row for row in found if row.source == item_rows.OURS]
        if not ours or not _compares(item, ours):
            continue
        words = f"{title}, as the paper's {number}. "
        if curves:
            words += f"A point is the mean of the evaluations in a bin of {steps:,} steps"
        else:
            words += f"A run's return is the mean of its evaluations in its last {steps:,} steps"
        words += f", a band or line {BANDS[band]}."
        yield _image(item_figures.encoded(item_drawings.draw(item, found, steps)), title, words)
        yield _details(SHOWN, [*remarks, *left])


def _compares(item, ours):
    """Tells whether a figure shows what it is about: what compares needs two of it."""
    if item in item_runs.SETTINGS:
        lines = {}
        for row in ours:
            lines.setdefault((row.task, row.method), set()).add(row.x)
        return any(len(settings) > 1 for settings in lines.values())
    if item in ("fig7", "fig8"):
        return len({item_runs.method_in(row.method) for row in ours}) > 1
    return item != "fig9" or any(row.task.startswith("atari_") for row in ours)


def _scores(runs, last, band):
    # Figure 6 has the numbers of the table, and also those of tasks that the paper does not have.
    found, remarks = item_rows.rows("fig6", runs, last, band)
    if any(row.source == item_rows.OURS for row in found):
        yield f"<p class='note'>Mean of the evaluations in a run's last {last:,} steps, over seeds"
        yield f", ± {BANDS[band]} (number of seeds).</p>"
        yield table(item_table.cells(found))
        yield _details(SHOWN, remarks)


def _statistics(runs, last):
    found, remarks = summary.scores_of(runs, last)
    if not found:
        return
    numbers = summary.numbers(found)
    yield "<p class='note'>Control suite, returns / 1000: means of the evaluations in a run's last "
    yield f"{last:,} steps; 95 % intervals by stratified bootstrap where every task has a second "
    yield "seed. Methods with other tasks cannot be compared.</p>"
    yield table(summary.table(numbers))
    yield _list(summary.improvements(numbers))
    yield _image(item_figures.encoded(summary_figure.draw(numbers)), "statistics", "")
    yield _details(SHOWN, remarks)


def _verdicts(runs):
    try:
        verdicts, remarks = check.judge(runs)
    except UserError as error:
        verdicts, remarks = [], [str(error)]
    if any(each.word != check.UNKNOWN for each in verdicts):
        failed = {number for number, each in enumerate(verdicts, 1) if each.failed}
        # The verdict where it is seen without scrolling; no rank, which needs their single seeds.
        lines = [[*line[:3], line[-1], *line[3:-3], line[-2]] for line in check.cells(verdicts)]
        yield table(lines, failed)
    else:
        yield "<p>No run has finished a bin of 100 000 steps, of which the author's curves consist."
        yield "</p>"
    yield _details("what could not be judged, and why", remarks)


def _curves(runs, width):
    for task in item_rows.in_order("fig10", {run.task for run in runs}):
        of_task = [run for run in runs if run.task == task]
        steps = width or series.fitting_width(of_task)
        figure = figures.draw(task, series.of_task(task, of_task, steps), steps)
        yield _image(item_figures.encoded(figure), f"curves of {task}", "")


def _videos(runs, folders):
    """Yields the videos of the run of each task and method that is furthest, then of figures."""
    places = {}
    for run in sorted(runs, key=lambda run: (run.task, -run.reached)):
        method = item_runs.method_of(run) or run.name
        places.setdefault((run.task, method), []).append((f"{run.task}, {run.name}", run.folder))
    for folder in folders:
        places[folder] = [("figures", folder / "figures")]
    shown, size, left = [], 0, 0
    for candidates in places.values():
        found = ((name, videos.find(folder)) for name, folder in candidates)
        name, pictures = next((each for each in found if each[1]), ("", []))
        for title, data in pictures:
            if size + len(data) > MOST_VIDEO_BYTES:
                left += 1
                continue
            size += len(data)
            shown.append(_image(data, title, f"{name}: {title}", "gif"))
    if shown:
        yield "<p class='note'>Of each task and method the run that is furthest and has any.</p>"
        yield f"<div class='videos'>{''.join(shown)}</div>"
    if left:
        yield f"<p class='note'>{left} more would make this page too large.</p>"


def table(cells: Sequence[Sequence[str]], marked: Collection[int] = ()) -> str:
    """Returns lists of strings as a table of HTML, headings first.

    Args:
        cells: lists of equally many strings.
        marked: numbers of lines that are bad news.
    """
    numbers = [
        any(re.match(r"[-+]?[0-9]", line[column]) for line in cells[1:])
        for column in range(len(cells[0]))
    ]
    kinds = [" class=number" if each else "" for each in numbers]
    heads = zip(kinds, cells[0], strict=True)
    head = "".join(f"<th{kind}>{html.escape(word)}" for kind, word in heads)
    lines = []
    for number, line in enumerate(cells[1:], 1):
        words = "".join(
            f"<td{kind}>{html.escape(word)}" for kind, word in zip(kinds, line, strict=True)
        )
        lines.append(f"<tr{' class=bad' if number in marked else ''}>{words}</tr>")
    return f"<div class='wide'><table><tr>{head}</tr>{''.join(lines)}</table></div>"


def _image(data, name, caption, kind="png"):
    text = base64.b64encode(data).decode()
    wide = "wide" if kind == "png" else ""
    words = f"<figcaption>{html.escape(caption)}</figcaption>" if caption else ""
    image = f"<img alt='{html.escape(name, quote=True)}' src='data:image/{kind};base64,{text}'>"
    return f"<figure><div class='{wide}'>{image}</div>{words}</figure>"


def _details(title, lines):
    return f"<details><summary>{title}</summary>{_list(lines)}</details>" if lines else ""


def _list(lines):
    return f"<ul>{''.join(f'<li>{html.escape(line)}' for line in lines)}</ul>" if lines else ""


def _anchor(title):
    return re.sub(r"\W", "-", title.lower())
