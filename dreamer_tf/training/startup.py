"""What a run says of itself before it begins."""

import shutil
from collections.abc import Callable

from dreamer_tf.agents.description import Description
from dreamer_tf.agents.protocol import Agent, without_dreams
from dreamer_tf.basics import processor
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.tasks import is_suite
from dreamer_tf.reports.duration import in_words
from dreamer_tf.runs.run_directory import RunDirectory
from dreamer_tf.training import cost
from dreamer_tf.training.assembly import Machine

# Less work than this many seconds of updates is not worth a warning.
LONG_RUN = 2 * 86400
# So many observations are named.
SHOWN = 6
# Updates of fewer floating point operations are small already.
LARGE_UPDATE = 1e11


def describe(
    say: Callable[[str], None],
    config: Config,
    run: RunDirectory,
    agent: Agent,
    described: Description,
    machine: Machine,
) -> None:
    """Prints what runs where, how large it is, and what it will need.

    Args:
        say: function that prints one line.
        config: `Config`.
        run: `RunDirectory`.
        agent: an `Agent`.
        described: its `Description`.
        machine: `Machine`.
    """
    device, precision, backend = machine
    say(f"run        {run.path}" + (" (continued)" if run.resuming else ""))
    say(f"task       {config.task}, {config.steps} steps, {_timing(agent.spec)}")
    say(f"observes   {_observations(agent.spec)}")
    say(f"device     {device}, {precision}, {_rendering(config, backend)}")
    sizes = described.parameters.items()
    emulated = precision == "bfloat16" and processor.lacks_bfloat16()
    if emulated and device.startswith("CPU") and not run.resuming:
        say(
            "warning: this processor does not multiply in bfloat16: updates may take five times "
            "as long as with --precision float32"
        )
    say("parameters " + ", ".join(f"{name} {size:,}" for name, size in sizes))
    say(f"agent      {described.choices}")
    if agent.dreams is None:
        say(f"dreams     {without_dreams(config.agent)}; there are no videos of predictions")
    _describe_disk(say, config, run, agent)
    if device == "CPU" and not run.resuming:
        _describe_time(say, config, agent, described)


def _timing(spec):
    return f"action repeat {spec.action_repeat}, time limit {spec.time_limit}"


def _observations(spec):
    found = [
        f"{name} {'x'.join(map(str, shape))}" for name, (shape, _) in spec.observations.items()
    ]
    more = len(found) - SHOWN
    return ", ".join(found[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _rendering(config, backend):
    return "no OpenGL" if backend is None else f"OpenGL {backend} ({config.env.render} quality)"


def _describe_disk(say, config, run, agent):
    episodes, checkpoints = cost.disk_bytes(config, agent)
    needed = episodes + checkpoints
    free = shutil.disk_usage(run.path).free
    folders = (run.episodes, run.checkpoints)
    already = sum(file.stat().st_size for folder in folders for file in folder.iterdir())
    parts = f"episodes {in_bytes(episodes)}, checkpoints {in_bytes(checkpoints)}"
    say(f"disk       {in_bytes(needed)} needed ({parts}), {in_bytes(free)} free")
    if needed - already > free:
        say(
            "warning: the disk is too small for the whole run; free space, or give a --logdir "
            "elsewhere, fewer --steps or a --replay.capacity"
        )


def in_bytes(count: float) -> str:
    """Returns a number of bytes for people: `1.4 GB`."""
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000 or unit == "GB":
            return f"{count:.2g} {unit}" if count < 10 else f"{count:.0f} {unit}"


def _describe_time(say, config, agent, described):
    seconds = cost.run_seconds(config, agent, described, cost.matmul_speed())
    if seconds > LONG_RUN:
        preset = "cpu" if "image" in agent.spec.observations else "vectors"
        preset = "control" if preset == "vectors" and is_suite(config.task) else preset
        advice = f"; try --configs {preset}" if described.update_flops > LARGE_UPDATE else ""
        length = f"about {in_words(seconds)} on this machine"
        say(f"warning: without a GPU this will take {length}{advice}")
