"""What a run says of itself before it begins."""

import shutil

from dreamer_tf.reports.duration import in_words
from dreamer_tf.training import cost

# Less work than this many seconds of updates is not worth a warning.
LONG_RUN = 2 * 86400
# Updates of fewer floating point operations are small already.
LARGE_UPDATE = 1e11


def describe(say, config, run, agent, device, precision, backend):
    """Prints what runs where, how large it is, and what it will need.

    Args:
        say: function that prints one line.
        config: `Config`.
        run: `RunDirectory`.
        agent: a `Dreamer`.
        device: description of the device.
        precision: resolved compute precision.
        backend: GL back end or None.
    """
    model = agent.world_model
    say(f"run        {run.path}" + (" (continued)" if run.resuming else ""))
    say(f"task       {config.task}, {config.steps} steps, {_timing(agent.spec)}")
    say(f"observes   {_observations(agent.spec)}")
    say(f"device     {device}, {precision}, {_rendering(config, backend)}")
    sizes = {part.name: part.count_params() for part in (*model.models, agent.actor, agent.value)}
    say("parameters " + ", ".join(f"{name} {size:,}" for name, size in sizes.items()))
    say(f"agent      {_choices(config, agent)}")
    _describe_disk(say, config, run, agent)
    if device == "CPU" and not run.resuming:
        _describe_time(say, config, agent)


def _timing(spec):
    return f"action repeat {spec.action_repeat}, time limit {spec.time_limit}"


def _observations(spec):
    shapes = {name: "x".join(map(str, shape)) for name, (shape, _) in spec.observations.items()}
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items())


def _choices(config, agent):
    """Returns what followed from the environment: actor, exploration, discount head."""
    spec, exploration = agent.spec, config.exploration
    if spec.discrete:
        final = f"{exploration.epsilon:g} to {exploration.epsilon_final:g}"
        chosen = f"one-hot actor over {spec.action_size} choices, epsilon-greedy ({final})"
    else:
        noise = f"additive noise ({exploration.noise:g})"
        chosen = f"tanh-normal actor over {spec.action_size} actions, {noise}"
    ends = "without" if agent.world_model.discount_head is None else "with"
    reason = f"discount_head {config.model.discount_head}"
    if config.model.discount_head == "auto":
        reason = "episodes can terminate" if spec.terminates else "episodes never terminate"
    return f"{chosen}, {ends} discount head ({reason})"


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


def in_bytes(count):
    """Returns a number of bytes for people: `1.4 GB`."""
    for unit in ("kB", "MB", "GB"):
        count /= 1000
        if count < 1000 or unit == "GB":
            return f"{count:.2g} {unit}" if count < 10 else f"{count:.0f} {unit}"


def _describe_time(say, config, agent):
    flops = cost.update_flops(config, agent.spec, agent.world_model.discount_head is not None)
    seconds = cost.run_seconds(config, flops, cost.matmul_speed())
    if seconds > LONG_RUN:
        advice = "; try --configs cpu" if flops > LARGE_UPDATE else ""
        length = f"about {in_words(seconds)} on this machine"
        say(f"warning: without a GPU this will take {length}{advice}")
