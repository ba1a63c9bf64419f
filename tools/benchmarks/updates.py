"""Seconds per update, by size, precision and compilation, and of what an update consists."""

import time
from collections.abc import Iterable, Sequence

import tensorflow as tf

from benchmarks import agents, compiled, timing
from benchmarks.plain import PlainDreamer
from dreamer_tf.agents.dreamer import Dreamer
from dreamer_tf.behavior import imagination, losses
from dreamer_tf.networks import images
from dreamer_tf.training import cost
from dreamer_tf.world_model.rssm import State

SEED = (0, 1)


def measure(
    sizes: Iterable[str], precisions: Sequence[str], with_xla: bool, rounds: int
) -> list[dict[str, str | float]]:
    """Times whole updates of all variants in turn, matrix products beside them.

    Returns:
        One row a variant; ratios are to the first of each size, a plain port in float32.
    """
    rows, updates = [], {}
    for size in sizes:
        agent = agents.make(size, "float32")
        batch = agents.random_batch(agent)
        plain = PlainDreamer(agent.config, agent.spec.action_size)
        updates[len(rows)] = lambda plain=plain, batch=batch: float(plain.update(batch))
        rows.append(_first(updates[len(rows)], "plain port", size, "float32", False, agent))
        for precision in precisions:
            for xla in (False, True) if with_xla else (False,):
                agent = agents.make(size, precision, xla=xla)
                batch = agents.random_batch(agent)
                updates[len(rows)] = lambda agent=agent, batch=batch: update(agent, batch)
                rows.append(_first(updates[len(rows)], "dreamer_tf", size, precision, xla, agent))
    speeds = {row["precision"]: 0.0 for row in rows}
    seconds = {number: [] for number in updates}
    for _ in range(rounds):
        for precision in speeds:
            speed = cost.matmul_speed(4096, 1.0, precision)
            speeds[precision] = max(speed, speeds[precision])
        for number, found in timing.alternate(updates, 1).items():
            seconds[number] += found
    first = {}
    for number, row in enumerate(rows):
        row |= timing.best_and_median(seconds[number])
        compared = first.setdefault(row["size"], row)
        row["ratio"] = compared["best"] / row["best"]
        row["matmul"] = speeds[row["precision"]] / 1e9
        row["of peak"] = row["gigaflop"] / row["best"] / row["matmul"]
    return rows


def _first(function, code, size, precision, xla, agent):
    """Returns the beginning of a row, with the seconds of the first call: it compiles."""
    begin = time.perf_counter()
    function()
    return {
        **{"size": size, "code": code, "precision": precision, "xla": "on" if xla else "off"},
        "first": time.perf_counter() - begin,
        "gigaflop": agent.describe().update_flops / 1e9,
    }


def seconds(sizes: Iterable[str], rounds: int) -> dict[str, list[float]]:
    """Returns {size: seconds of each update in float32}."""
    found = {}
    for size in sizes:
        agent = agents.make(size, "float32")
        batch = agents.random_batch(agent)
        update(agent, batch)  # Compiles it.
        step = {"step": lambda agent=agent, batch=batch: update(agent, batch)}
        found[size] = timing.alternate(step, rounds)["step"]
    return found


def update(agent: Dreamer, batch: dict[str, tf.Tensor]) -> float:
    """Makes one update and waits for it."""
    return float(agent.update(batch, tf.constant(SEED))["model_loss"])


def parts(size: str, precision: str, rounds: int) -> list[dict[str, str | float]]:
    """Times the pieces of an update on their own, forward and backward, and the whole.

    The pieces are compiled apart; they add up to the whole roughly only.
    """
    agent = agents.make(size, precision)
    batch = agents.random_batch(agent)
    pieces = _pieces(agent, batch) | {"whole": lambda: update(agent, batch)}
    for piece in pieces.values():
        piece()  # Compiles it.
    seconds = timing.alternate(pieces, rounds)
    whole = min(seconds["whole"])
    return [
        {"part": name, "share": min(found) / whole, **timing.best_and_median(found)}
        for name, found in seconds.items()
    ]


def _pieces(agent, batch):
    model, config = agent.world_model, agent.config
    length, count = config.train.batch_length, config.train.batch_size
    noise = agent.noise.update(count, length, tf.constant(SEED))
    embed = tf.random.stateless_normal([count, length, model.encoder.embed_size], SEED)
    features = tf.random.stateless_normal([count, length, model.features], SEED)
    start = State(features[..., : config.model.stoch], features[..., config.model.stoch :])
    start, weight = imagination.start_states(start, batch["is_terminal"], can_end=False)
    image = images.preprocess(batch["image"])

    def encoder():
        return tf.reduce_sum(model.embed(batch) ** 2)

    def recurrent():
        observed = model.rssm(embed, batch["action"], batch["is_first"], noise.posterior)
        return tf.add_n([tf.reduce_sum(x**2) for x in tf.nest.flatten(observed)])

    def decoder():
        return -tf.reduce_mean(model.decoder(features).log_prob(image))

    def behavior():
        rollout = imagination.imagine(
            model.rssm, agent.actor, start, noise.imagine_state, noise.imagine_action
        )
        behavior = config.behavior
        found = imagination.evaluate(
            model, agent.value, rollout.features, weight, behavior.discount, behavior.lambda_
        )
        entropies, scale = rollout.entropies[1:], behavior.entropy_scale
        actor_loss = losses.actor_loss(found.lambda_returns, found.weights, entropies, scale)
        return actor_loss + losses.value_loss(found)

    trained = {
        "encoder": (encoder, [*model.encoder.trainable_variables]),
        "RSSM": (recurrent, [*model.rssm.trainable_variables, embed]),
        "decoder": (decoder, [*model.decoder.trainable_variables, features]),
        "imagination": (
            behavior,
            [*agent.actor.trainable_variables, *agent.value.trainable_variables],
        ),
    }
    found = {name: compiled.gradient(*piece) for name, piece in trained.items()}
    return {**found, "optimisers": _optimisers(agent)}


def _optimisers(agent):
    gradients = {
        name: [tf.zeros_like(target) for target in optimizer.trained]
        for name, optimizer in agent.optimizers.items()
    }

    @tf.function(autograph=False)
    def step():
        for name, optimizer in agent.optimizers.items():
            optimizer.apply(gradients[name])
        return tf.constant(0.0)

    return lambda: float(step())
