"""Makes the runs behind the paper's figures and tables, draws them, and compares.

    python tools/reproduce.py fig7 --scale paper|cpu|smoke --logdir DIR [--plan | --plot [RUNS]]
    python tools/reproduce.py curves RUNS [--out DIR]
    python tools/reproduce.py check RUNS
    python tools/reproduce.py statistics RUNS [--out DIR]
    python tools/reproduce.py report RUNS [--out report.html]
    python tools/reproduce.py export RUNS --out DIR

The first makes what is missing of an item's runs (fig4 to fig12, table) and draws it into
DIR/figures; docs/reproduce.md has the items.

RUNS are any number of folders: a --logdir, a task's folder in it, a run's folder, or exported
curves. `curves` draws each task's returns against steps and minutes; `check` judges them and exits
with 1 if something is below the author's runs; `statistics` sums up methods over tasks; `report`
writes one self-contained page of all that; `export` writes the few files that document a run.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

# Where the package is not installed, it is beside this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamer_tf.basics import atomic, outputs
from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports.terminal import guarded
from dreamer_tf.results import (
    binning,
    check,
    export,
    figures,
    item_figures,
    item_rows,
    item_runs,
    item_table,
    references,
    report,
    scores,
    series,
    summary,
    summary_figure,
)
from dreamer_tf.sweeps import items, predictions, program
from dreamer_tf.sweeps.plans import Plan

# Keys that make an item what it is.
FIXED = dict.fromkeys(
    ("task", "seed"), "the item says which; tools/sweep.py makes runs of other tasks and seeds"
)


def add_items(subparsers: argparse._SubParsersAction) -> None:
    for name, item in items.ITEMS.items():
        parser = subparsers.add_parser(name, help=item.title, description=item.title)
        parser.add_argument("--scale", choices=items.SCALES, default="paper", help="(paper)")
        parser.add_argument(
            "--plot",
            nargs="*",
            type=Path,
            metavar="RUNS",
            help="only draw from what exists: of the item's own runs, or in these folders",
        )
        parser.add_argument("--bin", type=_steps, help="environment steps in a bin of our curves")
        add_band(parser)
        program.add_options(parser)
        parser.set_defaults(run=reproduce, item=name)


def add_band(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        *("--band",),
        choices=item_rows.BANDS,
        default=item_rows.DEVIATION,
        help="around means over seeds: deviation, as in the paper, or 95 %% bootstrap interval",
    )


def add_curves(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    parser = add("curves", "draw returns against steps and minutes, one figure per task")
    parser.add_argument("--out", type=Path, default=Path("figures"), help="folder, default figures")
    parser.add_argument("--bin", type=_steps, help="environment steps in a bin of our curves")
    parser.add_argument("--early", action="store_true", help="also early points of other methods")
    parser.set_defaults(run=draw_curves)


def add_check(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    parser = add("check", "judge runs beside the author's; exits with 1 if something is below")
    parser.add_argument("--peers", type=Path, help="the author's scores/dreamer.json, for ranks")
    parser.add_argument("--early", action="store_true", help="also show early points of others")
    parser.set_defaults(run=check_runs)


def add_statistics(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    parser = add("statistics", "sum up methods over the tasks of the control suite")
    parser.add_argument("--bin", type=_steps, help="environment steps that a final return covers")
    parser.add_argument("--out", type=Path, help="folder for their figure, also as numbers")
    parser.set_defaults(run=print_statistics)


def add_report(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    parser = add("report", "write one self-contained page about runs")
    parser.add_argument("--out", type=Path, default=Path("report.html"), help="(report.html)")
    parser.add_argument("--bin", type=_steps, help="environment steps in a bin of our curves")
    add_band(parser)
    parser.set_defaults(run=write_report)


def add_export(add: Callable[[str, str], argparse.ArgumentParser]) -> None:
    parser = add("export", "write a compact curve, the configuration and the start of each run")
    parser.add_argument("--out", type=Path, required=True, help="folder for <task>/<name>/<seed>/")
    parser.set_defaults(run=export_runs)


# What the program can do, in the order of its help.
COMMANDS = (add_curves, add_check, add_statistics, add_report, add_export)


def reproduce(arguments: argparse.Namespace) -> int:
    """Makes the runs of an item and draws them; returns the exit status."""
    if arguments.plan and arguments.plot is not None:
        raise UserError("--plan shows the runs that would be made, --plot makes none: give one")
    status = 0
    plans = items.plans(
        arguments.item, arguments.scale, program.overrides(arguments.set, instead=FIXED)
    )
    if arguments.plot is None:
        status = program.run(plans, arguments)
        if arguments.plan or status == program.STOPPED:
            return status
    paths, remarks = draw_item(arguments, plans)
    for line in remarks:
        print(f"note: {line}")
    for path in paths:
        print(path)
    return status


def draw_item(arguments: argparse.Namespace, plans: Sequence[Plan]) -> tuple[list[Path], list[str]]:
    """Draws an item from its own runs or others; returns the files and notes."""
    out = outputs.folder(arguments.logdir, "--logdir") / "figures"
    if arguments.item == "fig5":
        if arguments.plot:
            raise UserError(
                "fig5 is drawn from its own runs; of another run: tools/run evaluate RUN --predict"
            )
        return predictions.write(plans, arguments.logdir, out)
    options = arguments.bin, arguments.band
    if arguments.plot:
        return item_figures.write(arguments.item, arguments.plot, out, *options)
    folders = {plan.folder(arguments.logdir): plan.folder("") for plan in plans}
    there = [folder for folder in folders if scores.is_run(folder)]
    if not there:
        raise UserError(
            f"{arguments.logdir} holds none of the runs of {arguments.item} at --scale "
            f"{arguments.scale}; --plot RUNS draws it from others"
        )
    paths, remarks = item_figures.write(arguments.item, there, out, *options)
    missing = [str(name) for folder, name in folders.items() if folder not in there]
    if missing:
        names = f"{', '.join(missing[:3])}{' and others' * (len(missing) > 3)}"
        remarks = [f"{len(missing)} of {len(plans)} runs are not there: {names}", *remarks]
    return paths, remarks


def draw_curves(arguments: argparse.Namespace) -> int:
    """Draws a PNG, an SVG and a CSV of what they show for each task."""
    out = outputs.folder(arguments.out, "--out")
    runs = find(arguments.runs)
    for task in sorted({run.task for run in runs}):
        of_task = [run for run in runs if run.task == task]
        width = arguments.bin or series.fitting_width(of_task)
        drawn = series.of_task(task, of_task, width, arguments.early)
        for path in figures.write(out, task, drawn, width):
            print(path)
    return 0


def check_runs(arguments: argparse.Namespace) -> int:
    """Prints a verdict for each bin that can be judged; returns 1 if one of them failed."""
    peers = None if arguments.peers is None else references.read_peers(arguments.peers)
    runs = find(arguments.runs)
    verdicts, remarks = check.judge(runs, peers)
    for line in remarks:
        print(line)
    if arguments.early:
        print("\n".join(check.beside_early(runs)))
    judged = [each for each in verdicts if each.word != check.UNKNOWN]
    if not judged:
        raise UserError("nothing could be judged: see above", status=1)
    print("\n".join(check.table(verdicts)))
    print(
        f"bins of {binning.WIDTH} steps; limits: their mean +- {check.TOLERANCES:g} standard "
        f"errors of the difference, their deviation taken as {check.LEAST_DEVIATION:g} or more"
    )
    failed = sum(each.failed for each in verdicts)
    found = f"{failed} of {len(judged)} below or not finite"
    print(found if failed else f"none of {len(judged)} below")
    return 1 if failed else 0


def print_statistics(arguments: argparse.Namespace) -> int:
    """Prints statistics of each method, and how likely one is better than another."""
    out = arguments.out and outputs.folder(arguments.out, "--out")
    runs = summary.of_suite(find(arguments.runs))
    width = arguments.bin or item_runs.final_width(item_runs.chosen("statistics", runs)[0] or runs)
    found, remarks = summary.scores_of(runs, width)
    for line in remarks:
        print(f"note: {line}")
    if not found:
        raise UserError("no run of the control suite has an evaluation", status=1)
    numbers = summary.numbers(found)
    print("\n".join(item_table.lines(summary.table(numbers)) + summary.improvements(numbers)))
    print(f"a run's return is the mean of its evaluations in its last {width} steps")
    for path in summary_figure.write(numbers, out) if out else ():
        print(path)
    return 0


def write_report(arguments: argparse.Namespace) -> int:
    """Writes the page."""
    out = outputs.file(arguments.out, "--out")
    text = report.page(arguments.runs, arguments.bin, arguments.band)
    out.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(out, text.encode())
    print(out)
    return 0


def export_runs(arguments: argparse.Namespace) -> int:
    """Exports every run; returns 1 if one of them could not be."""
    out, written, failed = outputs.folder(arguments.out, "--out"), set(), 0
    for run in find(arguments.runs):
        try:
            print(export.export(run, out, written))
        except UserError as error:
            print(f"skipped {run.folder}: {error}")
            failed += 1
    return 1 if failed else 0


def find(paths: Sequence[Path]) -> list[scores.Run]:
    """Returns the runs; prints a line for each and for everything that was skipped."""
    runs, skipped = scores.find(paths)
    for run in runs:
        print(f"found {run.describe()}")
    for line in skipped:
        print(f"skipped {line}")
    return runs


@guarded
def main(words: list[str]) -> int:
    """Runs one command; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="reproduce.py", description="Makes, draws and judges the paper's figures and tables."
    )
    subparsers = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    def add(name, summary):
        command = subparsers.add_parser(name, help=summary, description=summary)
        command.add_argument("runs", nargs="+", type=Path, metavar="RUNS", help="folders of runs")
        return command

    add_items(subparsers)
    for command in COMMANDS:
        command(add)
    arguments = parser.parse_args(words)
    return arguments.run(arguments)


def _steps(text):
    try:
        value = float(text)
    except ValueError:
        value = 0
    if not (1 <= value < 1e12 and value == int(value)):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of steps")
    return int(value)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
