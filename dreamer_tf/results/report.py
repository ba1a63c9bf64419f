"""One page about some runs that a person can read without anything else."""

import base64
import html
import json

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports.duration import in_words
from dreamer_tf.results import check, item_figures, item_rows, scores, summary

TITLES = {
    "fig6": "Returns by task",
    "fig7": "Dreamer, without a value function, and planning",
    "fig8": "Representation objectives",
    "fig4": "Return against the imagination horizon",
    "fig12": "Return against the action repeat",
    "fig9": "Discrete control",
}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; }
img { max-width: 100%; } figure { margin: 1rem 0; }
figcaption, .note { color: #666; font-size: 90%; }
.wide { overflow-x: auto; } table { border-collapse: collapse; font-size: 85%; }
td, th { padding: .25rem .7rem .25rem 0; text-align: left; vertical-align: top;
         border-bottom: 1px solid #ddd; } td.number { text-align: right; white-space: nowrap; }
pre, code { font: 85% ui-monospace, monospace; } pre { overflow-x: auto; }
"""


def page(folders, width=None):
    """Returns the page as HTML text.

    Args:
        folders: folders of runs.
        width: environment steps in a bin; by default what fits the longest run.

    Raises:
        UserError: there are no runs.
    """
    runs, skipped = scores.find(folders)
    width = width or item_figures.fitting_width(runs)
    parts = [
        f"<p>{len(runs)} runs of {len({run.task for run in runs})} tasks. A point is the mean of "
        f"the evaluations in a bin of {width:,} environment steps, a band the deviation over "
        "seeds.</p>",
        *_figures(runs, width),
        *_statistics(runs, width),
        *_verdicts(runs),
        *_movies(runs, folders),
        *_table(runs, width),
        *_left_out(skipped),
    ]
    return (
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>Runs of dreamer_tf</title><style>{STYLE}</style>"
        f"<h1>Runs of dreamer_tf</h1>{''.join(parts)}</html>\n"
    )


def _figures(runs, width):
    for item, title in TITLES.items():
        found, _ = item_rows.rows(item, runs, width)
        ours = [row for row in found if row.source == item_rows.OURS]
        methods = {row.method.partition(" (")[0] for row in ours}
        settings = {row.x for row in ours}
        # A figure that compares needs two of what it compares.
        compares = item in ("fig4", "fig12") and len(settings) > 1
        compares |= item in ("fig7", "fig8") and len(methods) > 1
        if not ours or not (compares or item in ("fig6", "fig9")):
            continue
        if item == "fig9" and not any(row.task.startswith("atari_") for row in ours):
            continue
        image = base64.b64encode(item_figures.png(item, found, width)).decode()
        yield f"<h2>{title}</h2><figure><img alt='{title}' src='data:image/png;base64,{image}'>"
        yield f"<figcaption>As the paper's {item}.</figcaption></figure>"


def _statistics(runs, width):
    found = summary.scores_of(runs, width)
    if found:
        text = html.escape("\n".join(summary.lines(found)))
        yield "<h2>Statistics</h2><p class='note'>Control suite, returns / 1000; 95 % intervals by "
        yield f"stratified bootstrap where there is a second seed.</p><pre>{text}</pre>"


def _verdicts(runs):
    try:
        verdicts, remarks = check.judge(runs)
    except UserError as error:
        verdicts, remarks = [], [str(error)]
    judged = [each for each in verdicts if each.word != check.UNKNOWN]
    yield "<h2>Beside the author's runs</h2>"
    if judged:
        yield f"<pre>{html.escape(chr(10).join(check.table(verdicts)))}</pre>"
    else:
        yield "<p>No run has finished a bin of 100 000 steps, of which the author's curves consist."
        yield "</p>"
    if remarks:
        yield f"<p class='note'>{'<br>'.join(map(html.escape, remarks))}</p>"


def _movies(runs, folders):
    places = [run.folder for run in runs]
    for folder in folders:
        places.append(folder / "figures")
    movies = [path for place in places if place.is_dir() for path in sorted(place.glob("*.gif"))]
    if movies:
        yield "<h2>Videos</h2>"
    for path in movies:
        data = base64.b64encode(path.read_bytes()).decode()
        yield f"<figure><img alt='{html.escape(path.name)}' src='data:image/gif;base64,{data}'>"
        yield f"<figcaption>{html.escape(path.name)}</figcaption></figure>"


def _table(runs, width):
    yield "<h2>Runs</h2><div class='wide'><table><tr><th>task<th>run<th>seed<th>method<th>steps"
    yield "<th>time<th>return<th>made with</tr>"
    for run in runs:
        evaluated = len(run.curve(scores.EVALUATION).steps)
        value = f"{item_rows.final(run, width):.1f}" if evaluated else "none yet"
        minutes = run.minutes_at(run.reached)
        time = in_words(60 * minutes) if minutes == minutes else ""
        words = [run.task, run.name, run.seed, item_rows.method_of(run) or "another"]
        cells = "".join(f"<td>{html.escape(word)}" for word in words)
        cells += f"<td class=number>{run.reached:,}<td class=number>{time}<td class=number>{value}"
        remarks = "".join(f"<br>{html.escape(each)}" for each in run.remarks)
        yield f"<tr>{cells}<td>{_origin(run)}<span class='note'>{remarks}</span></tr>"
    yield "</table></div>"


def _origin(run):
    """Returns command, commit, versions and device of a run's first start, as far as it says."""
    try:
        session = json.loads((run.folder / "meta.json").read_text(encoding="utf-8"))["sessions"][0]
        command = str(session.get("command", ""))
        versions = session.get("versions") or {}
        facts = [
            str((session.get("git") or {}).get("commit", ""))[:10],
            *(f"{name} {versions[name]}" for name in ("python", "tensorflow") if name in versions),
            str(session.get("device", "")),
            str(session.get("precision", "")),
        ]
    except (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        return ""
    return f"<code>{html.escape(command)}</code><br>{html.escape(', '.join(filter(None, facts)))}"


def _left_out(skipped):
    if skipped:
        lines = "".join(f"<li>{html.escape(line)}" for line in skipped)
        yield f"<h2>Left out</h2><ul>{lines}</ul>"
