"""The lines of a run's log: `metrics.jsonl` as the trainer writes it, or an exported `curve.csv`.

What cannot be read, and what a run did twice, is left out and said; nothing is guessed.
"""

import csv
import itertools
import json
from collections.abc import Sequence

EVALUATION, TRAINING = "test/return", "train/return"
# How other code calls the same.
ALIASES = {"eval_return": EVALUATION, "test_return": EVALUATION, "train_return": TRAINING}
COUNTERS = {"step", "agent_step", "update", "wall_time"}  # In every line.
MOST_STEPS = 2**53  # Beyond it a float is no longer a certain whole number.


def json_rows(text: str) -> tuple[list[dict[str, float]], list[str]]:
    """Returns the rows of metrics.jsonl and remarks on lines that are none."""
    rows, remarks, damaged = [], [], 0
    lines = text.split("\n")  # JSON's strings may hold what else ends a line.
    for number, line in enumerate(lines):
        try:
            row = _row(json.loads(line).items())
        except (ValueError, AttributeError, TypeError, RecursionError, OverflowError):
            row = None
        if row is not None:
            rows.append(row)
        elif number == len(lines) - 1 and not text.endswith("\n"):
            remarks.append("the last line is cut off")
        elif line.strip():
            damaged += 1
    if damaged:
        remarks.append(_unread(damaged))
    return rows, remarks


def csv_rows(text: str) -> tuple[list[dict[str, float]], list[str]]:
    """Returns the rows of an exported curve and remarks on lines that are none."""
    # There are only numbers in it, and a stray quote must not reach over lines.
    reader = csv.DictReader(text.splitlines(), quoting=csv.QUOTE_NONE)
    rows, damaged = [], 0
    while True:
        row = None
        try:
            line = next(reader)
            # A line that is too short or too long has None among its values or keys.
            if None not in line and None not in line.values():
                row = _row((key, float(value)) for key, value in line.items() if value)
        except StopIteration:
            break
        except (ValueError, csv.Error):
            pass
        damaged += row is None
        if row is not None:
            rows.append(row)
    return rows, [_unread(damaged)] * bool(damaged)


def _unread(count):
    return "1 line cannot be read" if count == 1 else f"{count} lines cannot be read"


def _row(items):
    """Returns {name: float} of what are numbers, with an int `step`; None without a step."""
    row = {
        ALIASES.get(key, key): float(value)
        for key, value in items
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    row["step"] = whole(row.get("step"))
    return None if row["step"] is None else row


def whole(value: object) -> int | None:
    """Returns what counts steps as an int, None where it is no number that can."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value < MOST_STEPS else None


def without_superseded(
    rows: Sequence[dict[str, float]],
) -> tuple[list[dict[str, float]], list[str]]:
    """Returns rows without what a run did twice, and remarks on it.

    After going back to an earlier step, what is logged then counts; at that step itself, which may
    be the checkpoint's, an earlier line gives way only to a later one of the same measurement.
    """
    kept, again, back, stray = [], [], 0, 0
    for number, row in enumerate(rows):
        if kept and row["step"] < kept[-1]["step"]:
            following = _next(rows, number)
            if following is None:
                # Of a run that has just gone back, or of none: what follows will tell.
                remarks = [f"its last line is of step {row['step']}, behind others: left out"]
                return kept, [*_remarks(back, stray), *remarks]
            if _is_stray(kept, following):
                stray += 1
                continue
            back += 1
            while kept and kept[-1]["step"] > row["step"]:
                kept.pop()
            again = [each for each in kept if each["step"] == row["step"]]
        if again and row["step"] == again[0]["step"]:
            for each in again:
                for name in row.keys() & each.keys() - COUNTERS:
                    del each[name]
        kept.append(row)
    return kept, _remarks(back, stray)


def _remarks(back, stray):
    remarks = [f"goes back {back} times, what was logged last counts"] * bool(back)
    return remarks + [f"{stray} lines with a step out of order are left out"] * bool(stray)


def _next(rows, number):
    """Returns the first row behind one that has another step, None if there is none."""
    for other in range(number + 1, len(rows)):
        if rows[other]["step"] != rows[number]["step"]:
            return rows[other]
    return None


def _is_stray(kept, following):
    """Tells whether a line that goes back is none of a run that makes something anew.

    Then the log goes on behind what it had, or with another measurement where it was.
    """
    last = kept[-1]
    if following["step"] != last["step"]:
        return following["step"] > last["step"]
    at_last = itertools.takewhile(lambda each: each["step"] == last["step"], reversed(kept))
    return not any(following.keys() & each.keys() - COUNTERS for each in at_last)
