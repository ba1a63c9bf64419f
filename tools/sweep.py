r"""Makes many runs: presets x tasks x seeds x overrides.

    python tools/sweep.py --logdir runs --methods planet no_value --with cpu \
        --tasks dmc_walker_walk dmc_cup_catch --seeds 0 1 2 --set steps=3e5
    python tools/sweep.py --logdir runs --tasks dmc_walker_walk --vary behavior.horizon=5,15

The same command again skips what is done and goes on with what is half done.
"""

import argparse
import itertools
import sys
from pathlib import Path

# Where the package is not installed, it is beside this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.paths import expanded
from dreamer_tf.config.schema import schema
from dreamer_tf.reports.terminal import guarded
from dreamer_tf.sweeps import program
from dreamer_tf.sweeps.plans import Plan


def plans(arguments: argparse.Namespace) -> list[Plan]:
    """Returns the `Plan`s of the options."""
    fixed = program.overrides(arguments.set)
    varied = program.overrides(arguments.vary, "--vary")
    for key, _ in varied:
        if key in schema() and schema()[key].metadata.get("digits"):
            raise UserError(
                f"--vary {key}: its values have commas; give each with --set and --name"
            )
    keys = [key for key, _ in (*fixed, *varied)]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise UserError(f"--set and --vary name {twice} more than once: which value is meant?")
    choices = [[(key, value) for value in values.split(",")] for key, values in varied]
    found = []
    for task, method, keys in itertools.product(
        dict.fromkeys(arguments.tasks),
        dict.fromkeys(arguments.methods),
        itertools.product(*choices),
    ):
        # Files by their whole paths: another computer may run them from elsewhere.
        presets = [_absolute(each) for each in (method, *arguments.presets) if each != "dreamer"]
        labels = [f"{key.rpartition('.')[2]}{value}" for key, value in keys]
        stems = [Path(each).stem for each in (method, *arguments.presets)]
        name = "-".join([arguments.name or "-".join(stems), *labels])
        for seed in dict.fromkeys(arguments.seeds):
            found.append(Plan(task, tuple(presets), name, seed, (*fixed, *keys)))
    # A value, or a file under another name, may have been given twice.
    return list(dict.fromkeys(found))


def _absolute(preset):
    return str(expanded(preset, "--methods").resolve()) if preset.endswith(".yaml") else preset


@guarded
def main(words: list[str]) -> int:
    """Sweeps; returns the exit status."""
    parser = program.parser_of("sweep.py", __doc__)
    parser.add_argument("--tasks", nargs="+", required=True, help="environments")
    parser.add_argument("--methods", nargs="+", default=["dreamer"], help="a preset each (dreamer)")
    parser.add_argument(
        *("--with",), dest="presets", nargs="+", default=[], help="presets after each method's"
    )
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="(0)")
    parser.add_argument(
        *("--vary",),
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=A,B",
        help="a run for each value",
    )
    parser.add_argument("--name", help="of the runs' folders instead of the presets joined by -")
    program.add_options(parser)
    arguments = parser.parse_args(words)
    if arguments.name and len(arguments.methods) > 1:
        raise UserError("--name is for one method: several would share their folders")
    return program.run(plans(arguments), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
