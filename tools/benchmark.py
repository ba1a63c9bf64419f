"""Measures the speed of this machine and this program, and prints tables of it.

    tools/run python tools/benchmark.py [SECTION ...] [--json FILE] [--xla] [--peer sheeprl]

Sections: update, parts, variants, threads, policy, environment, memory, scale, start, run, trace;
all by default.
Seconds are the best and the median of the rounds; the rows of a table take turns where they are
variants of one thing. Leave the machine alone meanwhile.
"""

import argparse
import json
import platform
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(CHECKOUT)]

from dreamer_tf.basics import machine, processor  # noqa: E402

TASK = "dmc_walker_walk"
SIZES = ["full", "cpu"]
PRECISIONS = ["float32", "bfloat16"]


def update(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import updates

    return updates.measure(options.sizes, options.precisions, options.xla, options.rounds)


def parts(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import updates

    rows = []
    for size in options.sizes:
        for precision in options.precisions:
            found = updates.parts(size, precision, options.rounds)
            rows += [{"size": size, "precision": precision, **row} for row in found]
    return rows


def variants(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import variants

    rows = []
    for size in options.sizes:
        for precision in options.precisions:
            rows += variants.measure(size, precision, options.rounds)
    return rows


def threads(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import runs

    cores = machine.cores()
    counts = ((cores, cores), (cores, 1), (1, cores), (1, 1))
    return runs.threads(counts, options.sizes, options.rounds)


def policy(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import acting

    return acting.policy(options.sizes, (1, 4, 16), 20 * options.rounds)


def environment(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import acting

    return acting.environments(TASK, ("paper", "fast"), (1, 2, 4), 50 * options.rounds)


def memory(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import memory

    return memory.measure((10, 500, 5000))


def scale(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import scale

    return scale.measure((10, 5000, options.episodes))


def start(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import runs

    return runs.startup(3)


def run(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import runs

    # Small networks stand for a GPU: environments take as long as updates.
    rows = runs.overlapped(TASK, "debug", 1500 + 200 * options.rounds, (1, 4))
    return rows + runs.overlapped(TASK, "cpu", 1200 + 100 * options.rounds, (1,))


def trace(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import trace

    return trace.measure(options.sizes, 5, options.trace)


def peer(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import peer

    return peer.compare(
        options.peer, options.peer_python, options.sizes, options.precisions, options.rounds
    )


def peer_run(options: argparse.Namespace) -> list[dict[str, str | float]]:
    from benchmarks import peer_runs

    return peer_runs.compare(options.peer, options.peer_python, options.sizes)


SECTIONS = {
    function.__name__: function
    for function in (
        update,
        parts,
        variants,
        threads,
        policy,
        environment,
        memory,
        scale,
        start,
        run,
        trace,
    )
}
PEER_SECTIONS = {"peer": peer, "peer_run": peer_run}
TITLES = {
    "update": "Seconds per update",
    "parts": "What an update consists of, forward and backward, seconds",
    "variants": "Ways to compute the same thing, forward and backward, seconds",
    "threads": "Threads of TensorFlow: seconds per update in float32",
    "policy": "One policy step, seconds",
    "environment": "Environment steps with random actions, seconds a step of all",
    "memory": "Replay: a batch of 50 x 50, and of 256 windows of 8, seconds; resident memory, MB",
    "scale": "With many finished episodes: seconds of each thing, and their ratios",
    "start": "Start-up, seconds",
    "run": "A whole run, environment steps a second and shares of the time",
    "trace": "A block of updates in the profiler, which slows it down, seconds",
    "peer": "Beside another implementation, seconds per update",
    "peer_run": "Beside another implementation, environment steps a second of whole runs",
}


def show(name: str, rows: list[dict[str, str | float]]) -> None:
    """Prints the rows of a section as a table."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=TITLES[name], title_justify="left")
    for column in rows[0]:
        number = not isinstance(rows[0][column], str)
        table.add_column(column, justify="right" if number else "left")
    for row in rows:
        table.add_row(*map(_text, row.values()))
    console = Console()
    # Redirected into a file, a table is not to be broken at 80 columns.
    Console(width=console.width if console.is_terminal else 120).print(table)


def _text(value):
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def conditions() -> dict[str, str | int | list[str]]:
    """Returns what the numbers depend on besides the code."""
    import tensorflow as tf

    gpus = [device.name for device in tf.config.list_physical_devices("GPU")]
    return {
        "processor": processor.name(),
        "cores": machine.cores(),
        "gpus": gpus,
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
    }


def parse(words: list[str]) -> argparse.Namespace:
    parser = _parser()
    options = parser.parse_args(words)
    _check_sections(parser, options)
    _check_outputs(options)
    if options.peer and not _can_import(options.peer_python, options.peer):
        parser.error(
            f"{options.peer_python} cannot import {options.peer}: install it there, or give "
            "another --peer-python"
        )
    return options


def _parser():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="Leave the machine alone meanwhile; everything takes about half an hour on 2 cores.",
    )
    parser.add_argument(
        "sections", nargs="*", metavar="SECTION", help=f"{', '.join(SECTIONS)} (default: all)"
    )
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    parser.add_argument(
        "--sizes",
        nargs="+",
        choices=[*SIZES, "debug"],
        default=SIZES,
        help="of the agent: the paper's, those of the presets cpu and debug (default: full cpu)",
    )
    parser.add_argument(
        "--precisions",
        nargs="+",
        choices=PRECISIONS,
        default=PRECISIONS,
        help="of the updates (default: both)",
    )
    parser.add_argument(
        "--episodes", type=int, default=50_000, help="most of the section scale (default 50000)"
    )
    parser.add_argument("--rounds", type=int, default=8, help="calls of each variant (default 8)")
    parser.add_argument("--trace", type=Path, help="folder for the files of the section trace")
    parser.add_argument(
        "--xla", action="store_true", help="also compile with XLA, which takes minutes a variant"
    )
    parser.add_argument(
        "--peer",
        choices=["sheeprl"],
        help="time this implementation's update beside ours, and only that unless sections are "
        "named; the section peer_run does so with whole runs",
    )
    parser.add_argument(
        "--peer-python",
        default=sys.executable,
        help="Python interpreter that the peer is installed for (default: this one)",
    )
    return parser


def _check_sections(parser, options):
    """Ends with a message where sections, or options of sections, do not go together."""
    for name in options.sections:
        if name in PEER_SECTIONS and not options.peer:
            parser.error(f"the section {name} needs --peer")
        if name not in SECTIONS | PEER_SECTIONS:
            parser.error(f"no section {name!r}: choose from {', '.join(SECTIONS)}")
    for name in ("rounds", "episodes"):
        if getattr(options, name) < 1:
            parser.error(f"--{name} {getattr(options, name)}: give at least 1")
    named = options.sections or ([] if options.peer else list(SECTIONS))
    for option, given, section in (
        ("--trace", options.trace, "trace"),
        ("--episodes", options.episodes != parser.get_default("episodes"), "scale"),
    ):
        if given and section not in named:
            parser.error(f"{option} is of the section {section}, which is not measured")
    if options.peer_python != sys.executable and not options.peer:
        parser.error("--peer-python is of --peer, which is not given")


def _check_outputs(options):
    """Leaves the paths of what is written as they can be; raises a UserError where they cannot."""
    from dreamer_tf.basics import outputs

    if options.json is not None:
        options.json = outputs.file(options.json, "--json")
    if options.trace is not None:
        options.trace = outputs.folder(options.trace, "--trace")


def _can_import(python, name):
    try:
        found = subprocess.run([python, "-c", f"import {name}"], capture_output=True)
    except OSError:
        return False
    return found.returncode == 0


def main(words: list[str]) -> int:
    """Measures what the words of the command line ask for; returns the exit status."""
    options = parse(words)
    from dreamer_tf.reports import terminal

    with terminal.quiet_start():
        from dreamer_tf.networks import precision

        precision.prepare_devices()
    found = {"machine": conditions()}
    print(", ".join(f"{key} {value}" for key, value in found["machine"].items()))
    names = options.sections or ([] if options.peer else SECTIONS)
    chosen = {name: SECTIONS[name] for name in names if name in SECTIONS}
    if options.peer:
        named = [name for name in options.sections if name in PEER_SECTIONS]
        chosen |= {name: PEER_SECTIONS[name] for name in named or ["peer"][: not names]}
    for name, section in chosen.items():
        found[name] = section(options)
        show(name, found[name])
        if options.json:
            from dreamer_tf.basics import atomic

            options.json.parent.mkdir(parents=True, exist_ok=True)
            atomic.write(options.json, json.dumps(found, indent=1).encode())
    return 0


if __name__ == "__main__":
    from dreamer_tf.reports import terminal

    sys.exit(terminal.guarded(main)(sys.argv[1:]))
