"""How long a run takes where nothing has been measured in its folder: from its configuration.

Operations are counted roughly and without TensorFlow; `dreamer_tf/agents/flops.py` counts all of
them once an agent is there. Speeds are those of docs/performance.md and docs/results.md.
"""

import math

from dreamer_tf.basics import processor
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
ACTIONS = 6  # What an action has numbers, as in walker_walk: known only of an environment.
LONGEST = 10_000  # Environment steps of an evaluation's episode where only the game ends it.


def seconds(config, gpu):
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


def update(config):
    """Returns the seconds of an update without a GPU."""
    work = gigaflops(config)
    if config.precision != "bfloat16":
        factor = 1.0
    elif processor.lacks_bfloat16():
        factor = EMULATED
    else:
        factor = BFLOAT16 if work > LARGE else SMALL_BFLOAT16
    return factor * _between(UPDATES, work)


def actions(config):
    """Returns how many actions a policy takes in a run and in its evaluations."""
    prefill = 0 if config.a3c is not None else config.train.prefill
    limit = config.env.time_limit
    limit = default_limit(config.task) if limit == "auto" else limit
    tested = config.evaluate.episodes * min(limit or PAPERS_LIMIT, LONGEST)
    steps = (config.steps - prefill) * (1 + tested / config.evaluate.every)
    return steps / config.env.repeats(config.task)


def action(config):
    """Returns the seconds of one action and its environment's steps without a GPU."""
    suite = is_suite(config.task)
    step = config.env.repeats(config.task) * (PHYSICS if suite else OTHERS)
    if suite and config.env.observation != "vector":
        step += FRAMES[config.env.render]
    found = POLICY / config.envs + EACH_MORE + step / (BESIDE if config.envs > 1 else 1)
    return found + (_between(SEARCHES, search(config)) if config.planner is not None else 0)


def has_images(config):
    """Returns whether a run observes images, as far as its configuration tells."""
    if config.env.observation != "auto":
        return config.env.observation != "vector"
    # Others observe what they say themselves, mostly vectors.
    return config.task in task_names()


def weights(config):
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
        seen = _stack(features, embed, model.vector_layers) + (model.vector_layers - 1) * embed**2
    posterior = model.hidden * (model.deter + embed + 2 * model.stoch)
    count = seen + posterior + _prior(model) + _rewards(model)
    if config.behavior is not None:
        behavior = config.behavior
        count += _stack(features, behavior.units, behavior.actor_layers)
        if config.agent != "no_value":
            count += _stack(features, behavior.units, behavior.value_layers)
    return count


def gigaflops(config):
    """Returns roughly the GFLOP of matrix products and convolutions in an update."""
    train = config.train
    if config.d4pg is not None:
        # 256 images of 84 x 84, three at a time; 256 vectors.
        image = 0.19 * (config.env.image_size / 84) ** 2 * config.d4pg.stack / 3
        return train.batch_size * (image if has_images(config) else 0.0025)
    model = config.model
    steps, units = train.batch_size * train.batch_length, model.units
    features = model.stoch + model.deter
    if has_images(config):
        embed = 32 * model.cnn_depth
        # The first and the last layer have one side that does not grow.
        width = model.cnn_depth / 32
        seen = 34e6 * width**2 + 4.6e6 * width
    else:
        embed = units
        seen = _stack(features, units, model.vector_layers) + (model.vector_layers - 1) * units**2
    posterior = model.hidden * (model.deter + embed + 2 * model.stoch)
    learned = seen + posterior + _prior(model) + _rewards(model)
    # Backwards, everything that is learned costs twice what it does forwards.
    total = 3 * steps * learned
    if config.behavior is not None:
        total += steps / config.behavior.start_every * _imagined(config)
    return 2 * total / 1e9


def search(config):
    """Returns the same of one of PlaNet's decisions."""
    planner, model = config.planner, config.model
    step = _prior(model) + _rewards(model)
    return 2 * planner.iterations * planner.candidates * planner.horizon * step / 1e9


def _imagined(config):
    """Returns multiply-adds of an imagined trajectory; the model's weights learn nothing in it."""
    model, behavior = config.model, config.behavior
    features = model.stoch + model.deter
    actor = _stack(features, behavior.units, behavior.actor_layers)
    step = 3 * actor + 2 * _prior(model) + 2 * _rewards(model)
    if config.agent != "no_value":
        step += 4 * _stack(features, behavior.units, behavior.value_layers)
    return behavior.horizon * step


def _prior(model):
    recurrent = (model.stoch + ACTIONS) * model.hidden
    gru = 3 * model.deter * (model.hidden + model.deter)
    return recurrent + gru + model.hidden * (model.deter + 2 * model.stoch)


def _rewards(model):
    return _stack(model.stoch + model.deter, model.units, model.reward_layers)


def _stack(inputs, units, layers):
    """Returns the weights of a perceptron's hidden layers."""
    return inputs * units + (layers - 1) * units**2


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
