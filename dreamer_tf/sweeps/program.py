"""What `tools/sweep.py` and `tools/reproduce.py` share: options, bringing plans to their ends."""

import argparse
import contextlib
import math
import shutil
import signal
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dreamer_tf.basics import machine, outputs
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.paths import expanded
from dreamer_tf.reports.duration import in_words
from dreamer_tf.sweeps import costs, local, ray_cluster, resources, slurm, table
from dreamer_tf.sweeps.estimates import estimate
from dreamer_tf.sweeps.local import LocalLauncher
from dreamer_tf.sweeps.plans import Plan
from dreamer_tf.sweeps.ray_cluster import RayLauncher
from dreamer_tf.sweeps.resources import Resources
from dreamer_tf.sweeps.slurm import SlurmLauncher

LAUNCHERS = ("auto", "ray", "local", "slurm")
HOURS = 24.0
OWN_OPTIONS = {"seed": "use --seeds for it", "task": "use --tasks for it"}
STOPPED = 130
LEAST = 1e-3  # Of the options that are amounts.
LONG = 2 * 86400  # Seconds without a GPU from which on it is said what a GPU would take.


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of running to an `ArgumentParser`."""
    parser.add_argument("--logdir", type=_folder, required=True, help="folder of all runs")
    parser.add_argument(
        *("--set",),
        nargs="+",
        action="extend",
        default=[],
        metavar="KEY=VALUE",
        help="keys of the configuration, for all runs",
    )
    parser.add_argument("--plan", action="store_true", help="only print the runs and their cost")
    group = parser.add_argument_group("where runs go")
    group.add_argument(
        *("--launcher",),
        choices=LAUNCHERS,
        default="auto",
        help="auto is Ray where it is installed, else processes of this computer",
    )
    group.add_argument("--address", help="of a Ray cluster, such as auto or HOST:6379")
    group.add_argument("--cpus", type=float, help="cores of each run (all of them, at most 4)")
    group.add_argument("--gpus", type=float, help="GPUs of each run, 0.5 shares one (1 if any)")
    group.add_argument("--memory", type=float, default=4.0, help="GB of each run (4)")
    group.add_argument("--attempts", type=int, default=3, help="deaths without progress (3)")
    group.add_argument("--hours", type=float, help=f"of a Slurm job ({HOURS:g})")
    group.add_argument(
        *("--slurm",),
        action="append",
        default=[],
        metavar="OPTION=VALUE",
        help="option of sbatch, such as partition=gpu",
    )


def run(plans: Sequence[Plan], arguments: argparse.Namespace) -> int:
    """Brings plans to their ends and shows how far they are; returns the exit status.

    Args:
        plans: `Plan`s.
        arguments: parsed options of `add_options`.

    Raises:
        UserError: a plan that cannot work, a folder that cannot be made, or a launcher that is not
            there. With `--plan`, too, as far as that can be told without starting anything.
    """
    check(plans)
    check_folder(plans, arguments.logdir)
    left = [plan for plan in plans if not plan.progress(arguments.logdir).done]
    needed = _needed(arguments)
    if left:
        check_launcher(arguments, needed)
    lines = describe(plans, left, arguments.logdir, needed)
    if arguments.plan:
        for plan in plans:
            lines.append(f"{plan.folder(arguments.logdir)}  {_words(plan, arguments.logdir)}")
        with _ending_with_the_reader():
            print("\n".join(lines), flush=True)
        return 0
    print("\n".join(lines))
    if not left:
        return 0
    launcher = make_launcher(arguments, needed)
    print(f"runs go to {launcher.describe()}", flush=True)
    try:
        with _signals():
            launcher.start(left, arguments.logdir)
            words = table.watch(left, launcher, arguments.logdir)
    except KeyboardInterrupt:
        print("ending ...", flush=True)
        launcher.close()
        print(launcher.farewell)
        return STOPPED
    except BaseException:
        launcher.close()
        raise
    launcher.close()
    return 0 if set(words.values()) == {"done"} else 1


def check(plans: Iterable[Plan]) -> None:
    """Raises a UserError where a plan's configuration is wrong, or two have one folder."""
    folders = {}
    for plan in plans:
        plan.config()
        folder = plan.folder("")
        if folders.setdefault(folder, plan) != plan:
            raise UserError(f"two different runs would be made in {folder}: name them apart")


def check_folder(plans: Iterable[Plan], logdir: str | Path) -> None:
    """Raises a UserError where no runs can be made in a folder, or other ones are in the way."""
    outputs.folder(logdir, "--logdir")
    for plan in plans:
        different = plan.clashes(logdir)
        if different:
            raise UserError(
                f"{plan.folder(logdir)} holds a run with another {different[0]}"
                f"{' (and more)' if len(different) > 1 else ''}: take another --logdir"
            )


def describe(
    plans: Sequence[Plan], left: Sequence[Plan], logdir: str | Path, needed: Resources
) -> list[str]:
    """Returns lines: how many runs there are, and what those that are left will cost."""
    lines = [
        f"{len(plans)} run{'' if len(plans) == 1 else 's'}, {len(plans) - len(left)} of them done"
    ]
    if not left:
        return lines
    beside = resources.side_by_side(needed)
    # With those that are done, whose speeds are known.
    cost = estimate(plans, logdir, bool(needed.gpus), beside)
    basis = f"{cost.measured} of {len(left)} speeds from those measured here, the others assumed"
    basis = "all speeds from those measured here" if not cost.assumed else basis
    lines.append(
        f"about {in_words(cost.seconds)} one after the other ({basis}); {beside} fit beside each "
        "other on this computer"
    )
    lines += [f"assumed: {each}" for each in cost.assumed]
    if not cost.measured and cost.seconds >= LONG:
        elsewhere = estimate(plans, logdir, gpu=True)
        if elsewhere.assumed == (costs.GPU,) != cost.assumed:
            lines.append(f"on GPUs about {in_words(elsewhere.seconds)}, assuming {costs.GPU}")
    folder = next(each for each in (Path(logdir), *Path(logdir).resolve().parents) if each.exists())
    free = shutil.disk_usage(folder).free
    lines.append(
        f"about {cost.bytes / 1e9:.1f} GB of episodes and checkpoints, {free / 1e9:.0f} GB free"
    )
    if cost.bytes > free:
        lines.append(
            "warning: the disk is too small for all; free some space, or --set replay.keep=false "
            "deletes the episodes of complete runs"
        )
    return lines


def check_launcher(arguments: argparse.Namespace, needed: Resources) -> None:
    """Raises the UserError of a launcher that cannot work here; starts none."""
    name = _launcher(arguments)
    if arguments.address and name != "ray":
        raise UserError("--address is of a Ray cluster: leave --launcher out or name ray")
    for option in ("hours", "slurm"):
        if getattr(arguments, option) and name != "slurm":
            raise UserError(f"--{option} is of Slurm's jobs: leave it out or add --launcher slurm")
    if name == "ray":
        return ray_cluster.check(needed, arguments.address)
    if name == "slurm":
        _slurm_options(arguments)
        if arguments.gpus is None:
            # Those of a computer that submits jobs say nothing about those that run them.
            raise UserError("--launcher slurm needs --gpus N, the GPUs of each run (0 for none)")
        return slurm.check()
    return local.check(needed)


def make_launcher(
    arguments: argparse.Namespace, needed: Resources
) -> LocalLauncher | RayLauncher | SlurmLauncher:
    """Returns the launcher that the options name, after `check_launcher`."""
    name = _launcher(arguments)
    if name == "ray":
        return RayLauncher(needed, arguments.attempts, arguments.address)
    if name == "slurm":
        options = _slurm_options(arguments)
        return SlurmLauncher(needed, arguments.attempts, arguments.hours or HOURS, options)
    return LocalLauncher(needed, arguments.attempts)


def _launcher(arguments):
    if arguments.launcher != "auto":
        return arguments.launcher
    return "ray" if arguments.address or ray_cluster.available() else "local"


def _slurm_options(arguments):
    return dict(_pair(each, "--slurm") for each in arguments.slurm)


def overrides(
    words: Iterable[str], option: str = "--set", instead: Mapping[str, str] = OWN_OPTIONS
) -> tuple[tuple[str, str], ...]:
    """Returns pairs (key, text) of words `key=value`.

    Args:
        words: what the user typed after an option.
        option: its name.
        instead: {key that cannot be set: what to do instead}.

    Raises:
        UserError: a word without `=`, or a key that cannot be set.
    """
    found = tuple(_pair(word, option) for word in words)
    for key, value in found:
        if key in instead:
            raise UserError(f"{option} {key}={value}: {instead[key]}")
    return found


def _pair(word, option):
    key, equals, value = word.partition("=")
    if not (key and equals and value):
        raise UserError(f"{option} {word}: write it as name=value")
    return key, value


def _needed(arguments):
    for name in ("cpus", "gpus", "memory", "attempts", "hours"):
        value = getattr(arguments, name)
        if value is None or (value == 0 and name == "gpus"):
            continue
        least = 1 if name == "attempts" else LEAST
        if not (value >= least and math.isfinite(value)):
            raise UserError(f"--{name} must be {least:g} or more, not {value:g}")
    cpus = min(machine.cores(), 4) if arguments.cpus is None else arguments.cpus
    gpus = arguments.gpus
    if gpus is None:
        gpus = 1 if resources.gpus() else None
    elif gpus > 1 and gpus != int(gpus):
        raise UserError(f"--gpus above 1 must be whole, not {gpus:g}")
    return Resources(cpus, gpus, arguments.memory * 1e9)


def _words(plan, logdir):
    progress = plan.progress(logdir)
    state = "done" if progress.done else f"{progress.step:,} of {progress.steps:,} steps"
    keys = " ".join(f"--{key} {value}" for key, value in plan.overrides)
    return f"[{state}]  --configs {' '.join(plan.presets) or 'dreamer'} {keys}".rstrip()


def _folder(text):
    # Where a shell leaves it: --logdir=~/runs.
    return expanded(text, "--logdir")


@contextlib.contextmanager
def _ending_with_the_reader():
    """Has the program end without a word where nobody reads on, as in `--plan | head`."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)


class _signals:
    """Takes SIGINT and SIGTERM for Ctrl-C, also where whoever started us ignores SIGINT."""

    def __enter__(self):
        def interrupt(number, frame):
            raise KeyboardInterrupt

        self.before = {
            number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
        }

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)


def parser_of(name: str, text: str | None) -> argparse.ArgumentParser:
    """Returns an `ArgumentParser` for a program of a sweep."""
    return argparse.ArgumentParser(
        prog=name, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
