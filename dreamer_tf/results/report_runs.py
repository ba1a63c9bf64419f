"""The parts of a report that say what the runs are and what they were made with."""

import html
import json
from collections.abc import Iterable, Iterator

from dreamer_tf.reports.duration import in_words
from dreamer_tf.results import item_runs, scores

HEADINGS = ("task", "run", "seed", "method", "steps", "time", "return", "command")


def table(runs: Iterable[scores.Run]) -> Iterator[str]:
    """Yields HTML with a line for each run: how far it is, its last return, its command."""
    yield "<p class='note'>Return: the last evaluation. Time: of running, all starts together.</p>"
    yield f"<div class='wide'><table><tr>{''.join(f'<th>{each}' for each in HEADINGS)}</tr>"
    for run in runs:
        values = run.curve(scores.EVALUATION).values
        value = f"{values[-1]:.1f}" if len(values) else "none yet"
        minutes = run.minutes_at(run.reached)
        time = in_words(60 * minutes) if minutes == minutes else ""
        words = [run.task, run.name, run.seed, item_runs.method_of(run) or "another"]
        cells = "".join(f"<td>{html.escape(word)}" for word in words)
        cells += f"<td class=number>{run.reached:,}<td class=number>{time}<td class=number>{value}"
        command = _text(_sessions(run)[:1], "command")
        remarks = "".join(f"<br>{html.escape(each)}" for each in run.notes)
        yield f"<tr>{cells}<td class=command><code>{html.escape(command)}</code>"
        yield f"<span class='note'>{remarks}</span></tr>"
    yield "</table></div>"


def origins(runs: Iterable[scores.Run]) -> Iterator[str]:
    """Yields HTML that says which code, versions and computers made how many runs."""
    counts = {}
    for run in runs:
        # Continued elsewhere or with other code, a run has several.
        for each in dict.fromkeys(map(_origin, _sessions(run))):
            counts[each] = counts.get(each, 0) + 1
    if not counts:
        yield "<p>The folders do not say.</p>"
        return
    yield "<div class='wide'><table><tr><th>runs<th>commit<th>versions<th>computer</tr>"
    for origin, count in sorted(counts.items(), key=lambda each: -each[1]):
        cells = "".join(f"<td>{html.escape(part)}" for part in origin)
        yield f"<tr><td class=number>{count}{cells}</tr>"
    yield "</table></div>"


def _origin(session):
    """Returns commit, versions and computer of a start, as far as it says."""
    git, versions = (session.get(key) for key in ("git", "versions"))
    git, versions = (each if isinstance(each, dict) else {} for each in (git, versions))
    commit = str(git.get("commit", ""))[:10] + (", with changes" if git.get("dirty") else "")
    computer = [_text([session], key) for key in ("device", "processor", "cores", "precision")]
    if computer[2]:
        computer[2] += " cores"
    computer.append(_text([session], "platform"))
    return (
        commit,
        ", ".join(f"{name} {version}" for name, version in versions.items() if version),
        ", ".join(filter(None, computer)),
    )


def _sessions(run):
    """Returns the starts that meta.json tells of, [] where it cannot be read."""
    try:
        sessions = json.loads((run.folder / "meta.json").read_text(encoding="utf-8"))["sessions"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return []
    if not isinstance(sessions, list):
        return []
    return [each for each in sessions if isinstance(each, dict)]


def _text(sessions, key):
    value = sessions[0].get(key) if sessions else None
    return str(value) if isinstance(value, str | int) else ""
