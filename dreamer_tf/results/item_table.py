"""The paper's table of scores, ours beside theirs, as text in cells."""

from collections.abc import Iterable, Sequence

from dreamer_tf.results.item_rows import (
    ALL,
    COMMON,
    FLOOR,
    MOST_SETS,
    OURS,
    Row,
    averages,
    in_order,
    in_steps,
)


def cells(found: Iterable[Row]) -> list[list[str]]:
    """Returns the table of the `Row`s of an item as lists of equally many strings.

    The first list has the headings, the second after how many steps the columns are, as far as that
    is known; then one for each task, the mean and, of several seeds, the band's half and the number
    of seeds; in the end means over tasks with their number.

    With more methods than `MOST_SETS` each number has a line of its own, without those means: task,
    method, steps, return.

    Args:
        found: `Row`s of one number for each task, method and source.
    """
    found = [row for row in found if row.task not in (ALL, COMMON)]
    columns = list(dict.fromkeys((row.method, row.source) for row in found if row.source != FLOOR))
    columns.sort(key=lambda column: column[1] == OURS)
    headings = [f"{method}, {'ours' if source == OURS else 'paper'}" for method, source in columns]
    if len(columns) > MOST_SETS:
        return _long(found, dict(zip(columns, headings, strict=True)))
    shown = {(row.task, row.method, row.source): row for row in [*found, *averages(found)]}
    floors = {row.task: row.value for row in found if row.source == FLOOR}
    table = [["task", *headings, *(["floor"] if floors else [])]]
    steps = [in_steps(row for row in found if (row.method, row.source) == each) for each in columns]
    if any(steps):
        table.append(["after steps", *steps, *([""] if floors else [])])
    tasks = in_order("table", {row.task for row in found})
    for task in (*tasks, ALL, COMMON):
        rows = [shown.get((task, *column)) for column in columns]
        if not any(rows):
            continue
        line = [task, *(_average(row) if task in (ALL, COMMON) else _score(row) for row in rows)]
        if floors:
            line.append(f"{floors[task]:.1f}" if task in floors else "")
        table.append(line)
    return table


def _long(found, headings):
    """Returns the table with a line for each number; see `cells`."""
    order = list(headings)
    table = [["task", "method", "steps", "return"]]
    for task in in_order("table", {row.task for row in found}):
        floor = [row for row in found if row.task == task and row.source == FLOOR]
        others = [row for row in found if row.task == task and row.source != FLOOR]
        others.sort(key=lambda row: order.index((row.method, row.source)))
        table += [
            [task, headings[row.method, row.source], in_steps([row]), _score(row)] for row in others
        ]
        table += [[task, "floor", "", f"{row.value:.1f}"] for row in floor]
    return table


def lines(table: Sequence[Sequence[str]]) -> list[str]:
    """Returns a table of strings as lines of text, numbers to the right."""
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in table
    ]


def _score(row):
    if row is None:
        return ""
    if row.low is None:
        return f"{row.value:.1f}"
    return f"{row.value:.1f} ± {(row.high - row.low) / 2:.1f} ({row.seeds})"


def _average(row):
    if row is None:
        return ""
    return f"{row.value:.1f} ({row.seeds} task{'s' if row.seeds > 1 else ''})"
