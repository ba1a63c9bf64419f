"""How long a run takes where nothing has been measured in its folder: from its configuration.

Operations are those of an environment like walker_walk, since none is there to be asked. Speeds are
those of docs/performance.md and docs/results.md.
"""

import math

from dreamer_tf.agents import flops
from dreamer_tf.basics import processor
from dreamer_tf.config.schema import Config
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.envs.tasks import (
    PAPERS_LIMIT,
    default_limit,
    is_suite,
    task_names,
)

# What assumed speeds rest on, for people.
CORES = (
    "speeds measured on two quiet cores without a GPU, vectors on one; loaded ones took half as "
    "long again and more"
)
GPU = (
    "the paper's V100, 3 hours for a million steps of Dreamer and 11 of PlaNet; nothing here was "
    "measured on a GPU"
)

# GFLOP and seconds of an update in float32, without a GPU: D4PG from vectors, the presets `debug`,
# `control` (one core) and `cpu`, the paper's size.
UPDATES = ((0.6, 0.02), (2.8, 0.055), (11.7, 0.21), (97.0, 0.9), (925.0, 5.7))
# Of these seconds bfloat16 takes so much, where the processor has it: at full size, in small ones;
# and where it has not.
LARGE, BFLOAT16, SMALL_BFLOAT16, EMULATED = 50.0, 0.6, 0.8, 5.0
# GFLOP and seconds of one of PlaNet's decisions: with `debug` (what a whole run leaves for them),
# with `cpu`, with the paper's search and networks.
SEARCHES = ((0.16, 0.006), (13.9, 0.12), (132.0, 0.88))
# Seconds of an action beside its search: of the policy with no other environment and with each
# more, of a step of the control suite's physics and of others, of a frame in `env.render` paper
# and fast.
POLICY, EACH_MORE, PHYSICS, OTHERS = 1.5e-3, 0.17e-3, 0.6e-3, 0.2e-3
FRAMES = {"paper": 14e-3, "fast": 4e-3}
BESIDE = 1.4  # Several environments on two cores make so many times the steps of one.
ROLLOUT = 0.01  # Seconds of an update of A3C.

# On a GPU, chosen so that the paper's runs take its hours: seconds of an update, of an action with
# its environment, and of a search. Smaller networks launch as many kernels one after the
# other, so that only shorter sequences are faster.
GPU_UPDATE, GPU_ACTION, GPU_SEARCH = 0.08, 4.4e-3, 47e-3
# The paper's GFLOP of an update, steps of its filter and imagination, and of a search.
PAPERS_GFLOP, PAPERS_SCAN, PAPERS_SEARCH = 925.0, 65, 120

START = 25.0  # Seconds until the first step: loading and compiling.
# Numbers of an action and of what is observed without images, as in walker_walk.
ACTIONS, VECTOR = 6, 24
LONGEST = 10_000  # Environment steps of an evaluation's episode where only the game ends it.


def seconds(config: Config, gpu: bool) -> tuple[float, str]:
    """Returns the seconds of a whole run after its start, and what they rest on: `CORES`, `GPU`.

    Args:
        config: `Config`.
        gpu: whether the run has a GPU.
    """
    world_model = config.model is not None
    # Of the agents without one no speed on a GPU is known, and they are quick without.
    gpu = gpu and world_model
    if config.a3c is not None:
        actions_each = config.env.repeats(config.task) * config.envs
        learning = ROLLOUT * config.steps / (actions_each * config.a3c.rollout)
    else:
        train = config.train
        updates = train.pretrain + train.updates * (config.steps - train.prefill) / train.every
        learning = updates * (_gpu_update(config) if gpu else update(config))
    acting = actions(config) * (_gpu_action(config) if gpu else action(config))
    return learning + acting, GPU if gpu else CORES


def update(config: Config) -> float:
    """Returns the seconds of an update without a GPU."""
    work = gigaflops(config)
    if config.precision != "bfloat16":
        factor = 1.0
    elif processor.lacks_bfloat16():
        factor = EMULATED
    else:
        factor = BFLOAT16 if work > LARGE else SMALL_BFLOAT16
    return factor * _between(UPDATES, work)


def actions(config: Config) -> float:
    """Returns how many actions a policy takes in a run and in its evaluations."""
    prefill = 0 if config.a3c is not None else config.train.prefill
    limit = config.env.time_limit
    limit = default_limit(config.task) if limit == "auto" else limit
    tested = config.evaluate.episodes * min(limit or PAPERS_LIMIT, LONGEST)
    steps = (config.steps - prefill) * (1 + tested / config.evaluate.every)
    return steps / config.env.repeats(config.task)


def action(config: Config) -> float:
    """Returns the seconds of one action and its environment's steps without a GPU."""
    suite = is_suite(config.task)
    step = config.env.repeats(config.task) * (PHYSICS if suite else OTHERS)
    if suite and config.env.observation != "vector":
        step += FRAMES[config.env.render]
    found = POLICY / config.envs + EACH_MORE + step / (BESIDE if config.envs > 1 else 1)
    return found + (_between(SEARCHES, search(config)) if config.planner is not None else 0)


def has_images(config: Config) -> bool:
    """Returns whether a run observes images, as far as its configuration tells."""
    if config.env.observation != "auto":
        return config.env.observation != "vector"
    # Others observe what they say themselves, mostly vectors.
    return config.task in task_names()


def weights(config: Config) -> float:
    """Returns roughly how many numbers an agent with a world model learns."""
    model, depth = config.model, config.model.cnn_depth
    features = model.stoch + model.deter
    if has_images(config):
        embed = 32 * depth
        # Kernels of 4x4 to 2, 4 and 8 times the depth; of 5x5 and 6x6 on the way back.
        seen = 16 * (3 * depth + 42 * depth**2)
        seen += embed * features + 25 * 136 * depth**2 + 36 * (2 * depth**2 + 3 * depth)
    else:
        embed = model.units
        seen = flops.dense_stack(VECTOR, embed, model.vector_layers, 0)
        seen += flops.dense_stack(features, embed, model.vector_layers, VECTOR)
    posterior = model.hidden * (model.deter + embed + 2 * model.stoch)
    count = seen + posterior + flops.prior(model, ACTIONS) + flops.rewards(model, features, False)
    if config.behavior is not None:
        behavior = config.behavior
        count += flops.dense_stack(features, behavior.units, behavior.actor_layers, 2 * ACTIONS)
        if config.agent != "no_value":
            count += flops.dense_stack(features, behavior.units, behavior.value_layers, 1)
    return count


def gigaflops(config: Config) -> float:
    """Returns the GFLOP of matrix products and convolutions in an update."""
    spec = _assumed(config)
    if config.d4pg is not None:
        return flops.d4pg_update(config, spec) / 1e9
    found = flops.model_update(config, spec, False)
    if config.behavior is not None:
        found += flops.imagination(config, spec, False, config.agent != "no_value")
    return found / 1e9


def search(config: Config) -> float:
    """Returns the same of one of PlaNet's decisions."""
    return flops.plan(config, _assumed(config)) / 1e9


def _assumed(config):
    """Returns the `EnvSpec` of an environment of which only the configuration is known."""
    size = config.env.image_size
    observations = {"vector": ((VECTOR,), "<f4")}
    if has_images(config):
        observations = {"image": ((size, size, 3), "|u1")}
    repeat = config.env.repeats(config.task)
    return EnvSpec(observations, ACTIONS, False, repeat, PAPERS_LIMIT, False)


def _gpu_update(config):
    scan = config.train.batch_length + (config.behavior.horizon if config.behavior else 0)
    return GPU_UPDATE * max(scan / PAPERS_SCAN, gigaflops(config) / PAPERS_GFLOP)


def _gpu_action(config):
    if config.planner is None:
        return GPU_ACTION
    scan = config.planner.iterations * config.planner.horizon
    return GPU_ACTION + GPU_SEARCH * scan / PAPERS_SEARCH


def _between(points, work):
    """Returns the seconds of some work between measured (work, seconds), on a line of logarithms.

    Less than the least takes as long as that, more than the most is in proportion.
    """
    if work <= points[0][0]:
        return points[0][1]
    for (less, fast), (more, slow) in zip(points, points[1:], strict=False):
        if work <= more:
            share = math.log(work / less) / math.log(more / less)
            return fast * (slow / fast) ** share
    return points[-1][1] * work / points[-1][0]
