"""Statistics of the methods among some runs, in lines for people."""

import itertools

import numpy as np

from dreamer_tf.results import item_rows, scores, statistics


def scores_of(runs, width):
    """Returns {method: {task: scores [runs]}} of the control suite, returns divided by 1000.

    Runs of a method that have different names differ in more than the seed and stay apart, as
    "method (name)".

    Args:
        runs: `scores.Run`s; others' tasks and runs without an evaluation are left out.
        width: a run's return is the mean of its evaluations in so many last steps.
    """
    kept = [
        run
        for run in runs
        if run.task.startswith("dmc_")
        and item_rows.method_of(run) is not None
        and len(run.curve(scores.EVALUATION).steps)
    ]
    names = {}
    for run in kept:
        names.setdefault(item_rows.method_of(run), set()).add(run.name)
    found = {}
    for run in kept:
        method = item_rows.method_of(run)
        label = method if len(names[method]) == 1 else f"{method} ({run.name})"
        score = item_rows.final(run, width) / statistics.MOST
        found.setdefault(label, {}).setdefault(run.task, []).append(score)
    return {
        label: {task: np.array(values) for task, values in tasks.items()}
        for label, tasks in found.items()
    }


def lines(found):
    """Returns lines of a table of `scores_of`, with 95 % intervals where there are seeds."""
    width = max(len(label) for label in found)
    heads = "".join(f"{name:>22}" for name in statistics.STATISTICS)
    text = [f"{'':{width}} tasks runs{heads}"]
    for label, tasks in found.items():
        runs = sum(len(values) for values in tasks.values())
        cells = [
            _cell(statistics.estimate(statistic, tasks))
            for statistic in statistics.STATISTICS.values()
        ]
        row = "".join(f"{cell:>22}" for cell in cells)
        text.append(f"{label:{width}} {len(tasks):5} {runs:4}{row}")
    for one, other in itertools.combinations(found, 2):
        common = found[one].keys() & found[other].keys()
        # Of single runs it would be 0 or 1, whatever the methods are.
        if any(min(len(found[one][task]), len(found[other][task])) > 1 for task in common):
            better = statistics.estimate(
                statistics.probability_of_improvement, found[one], found[other]
            )
            text.append(f"P({one} > {other}), {len(common)} common tasks: {_cell(better)}")
    return text


def _cell(estimate):
    if np.isnan(estimate.low):
        return f"{estimate.value:.3f}"
    return f"{estimate.value:.3f} [{estimate.low:.3f}, {estimate.high:.3f}]"
