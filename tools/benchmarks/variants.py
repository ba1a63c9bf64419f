"""Ways to compute the same thing, side by side: what the code does, and what it could do.

Every variant is forward and backward at the sizes of an agent. The first of each group is the one
that is used.
"""

import keras
import tensorflow as tf

from benchmarks import agents, compiled, timing
from dreamer_tf.behavior import imagination
from dreamer_tf.networks import distributions
from dreamer_tf.networks.layers import (
    DenseTransposedConvolution,
    LayerFactory,
    NarrowTransposedConvolution,
)
from dreamer_tf.world_model.rssm import State

SEED = (0, 1)


def measure(size: str, precision: str, rounds: int) -> list[dict[str, str | float]]:
    """Returns one row a variant; its ratio is to the first of its group."""
    agent = agents.make(size, precision)
    groups = {
        "scan of the imagination": _scans(agent),
        "image likelihood": _likelihoods(agent),
        "decoder's first layer": _first_layers(agent),
        "decoder's last layer": _last_layers(agent),
        "encoder's first layer": _channels(agent),
        "reward of all states but the last": _slices(agent),
        "value model, both gradients": _values(agent),
        "Adam": _adams(agent),
    }
    rows = []
    for group, variants in groups.items():
        for variant in variants.values():
            variant()
        seconds = timing.alternate(variants, rounds)
        used = min(next(iter(seconds.values())))
        for name, found in seconds.items():
            row = {"size": size, "precision": precision, "what": group, "variant": name}
            rows.append(row | timing.best_and_median(found) | {"ratio": used / min(found)})
    return rows


def _scans(agent):
    train, model = agent.config.train, agent.world_model
    count = train.batch_size * train.batch_length
    noise = agent.noise.update(train.batch_size, train.batch_length, tf.constant(SEED))
    features = tf.random.stateless_normal([count, model.features], SEED)
    start = State(features[:, : agent.config.model.stoch], features[:, agent.config.model.stoch :])

    def step(state, noise):
        policy = agent.actor(tf.stop_gradient(state.features))
        return model.rssm.prior_step(state, distributions.sample(policy, noise[1]), noise[0])

    def unrolled():
        draws = (noise.imagine_state, noise.imagine_action)
        return imagination.imagine(model.rssm, agent.actor, start, *draws).features

    def looped():
        draws = (noise.imagine_state, noise.imagine_action)
        return tf.scan(lambda state, drawn: step(State(*state), drawn), draws, start).features

    targets = agent.actor.trainable_variables
    return {
        "unrolled": compiled.gradient(lambda: tf.reduce_sum(unrolled() ** 2), targets),
        "while loop": compiled.gradient(lambda: tf.reduce_sum(looped() ** 2), targets),
    }


def _images(agent):
    train = agent.config.train
    shape = [train.batch_size * train.batch_length, 64, 64, 3]
    return tf.random.stateless_uniform(shape, SEED, -0.5, 0.5)


def _likelihoods(agent):
    image, mean = _images(agent), _images(agent) * 0.9

    def loss(distribution):
        return lambda: -tf.reduce_mean(distribution(mean, event_dims=3).log_prob(image))

    return {
        "unit variance": compiled.gradient(loss(distributions.unit_normal), [mean]),
        "general normal": compiled.gradient(loss(distributions.normal), [mean]),
    }


def _layer(agent, inputs, make_layer, learned_inputs=True):
    """Returns a compiled forward and backward pass of a layer on inputs [N, H, W, C]."""
    layer = make_layer(LayerFactory("variant", 0, agent.world_model.encoder.dtype_policy))
    layer.build(inputs.shape)
    targets = [*layer.trainable_variables, *([inputs] if learned_inputs else [])]
    return compiled.gradient(lambda: tf.reduce_sum(layer(inputs) ** 2), targets)


def _transposed(agent, size, inputs, variants):
    """Returns transposed convolutions {name: (output channels, kernel, form)} in comparison."""
    count = _images(agent).shape[0]
    inputs = tf.random.stateless_normal([count, size, size, inputs], SEED)
    return {
        name: _layer(
            agent,
            inputs,
            lambda make, channels=channels, kernel=kernel, form=form: make.transposed(
                "layer", channels, kernel, None, form
            ),
        )
        for name, (channels, kernel, form) in variants.items()
    }


def _first_layers(agent):
    depth = agent.config.model.cnn_depth
    variants = {
        "dense": (4 * depth, 5, DenseTransposedConvolution),
        "transposed convolution": (4 * depth, 5, keras.layers.Conv2DTranspose),
    }
    return _transposed(agent, 1, 32 * depth, variants)


def _last_layers(agent):
    variants = {
        "narrow": (3, 6, NarrowTransposedConvolution),
        "transposed convolution": (3, 6, keras.layers.Conv2DTranspose),
        "the same to 4 channels": (4, 6, keras.layers.Conv2DTranspose),
    }
    return _transposed(agent, 30, agent.config.model.cnn_depth, variants)


def _channels(agent):
    depth, image = agent.config.model.cnn_depth, _images(agent)
    padded = tf.pad(image, [[0, 0], [0, 0], [0, 0], [0, 1]])
    blocks = tf.nn.space_to_depth(image, 2)
    strides = {"3 channels": 2, "4 channels": 2, "2 x 2 pixels as channels": 1}
    variants = {}
    for (name, step), inputs in zip(strides.items(), (image, padded, blocks), strict=True):
        variants[name] = _layer(
            agent,
            inputs,
            lambda make, step=step: keras.layers.Conv2D(
                depth, 2 * step, step, activation="relu", dtype=make.dtype
            ),
            learned_inputs=False,
        )
    return variants


def _slices(agent):
    train, behavior, head = agent.config.train, agent.config.behavior, agent.world_model.reward
    shape = [behavior.horizon, train.batch_size * train.batch_length, agent.world_model.features]
    features = tf.random.stateless_normal(shape, SEED)

    def all_but_last():
        return tf.split(features, [behavior.horizon - 1, 1])[0]

    return {
        "split": compiled.gradient(lambda: tf.reduce_sum(head(all_but_last()).mean()), [features]),
        "slice": compiled.gradient(lambda: tf.reduce_sum(head(features[:-1]).mean()), [features]),
    }


def _values(agent):
    train, behavior = agent.config.train, agent.config.behavior
    shape = [behavior.horizon, train.batch_size * train.batch_length, agent.world_model.features]
    features = tf.random.stateless_normal(shape, SEED)
    targets = [weight.value for weight in agent.value.trainable_variables]

    def gradients(models_run):
        with tf.GradientTape() as actor_tape, tf.GradientTape() as value_tape:
            actor_tape.watch(features)
            value_tape.watch(targets)
            first = agent.value(features).mean()
            second = first if models_run == 1 else agent.value(tf.stop_gradient(features)).mean()
            losses = tf.reduce_sum(first), tf.reduce_sum(second**2)
        found = [actor_tape.gradient(losses[0], features), *value_tape.gradient(losses[1], targets)]
        return tf.add_n([tf.reduce_sum(each) for each in found])

    once = tf.function(lambda: gradients(1), autograph=False)
    twice = tf.function(lambda: gradients(2), autograph=False)
    return {"run once": lambda: float(once()), "run twice": lambda: float(twice())}


def _adams(agent):
    optimizer = agent.optimizers["model"]
    gradients = [tf.ones(target.shape) for target in optimizer.trained]
    flat = tf.Variable(tf.concat([tf.reshape(each, [-1]) for each in gradients], 0))
    moments = [tf.Variable(tf.zeros_like(flat)) for _ in range(2)]

    keras_adam = keras.optimizers.Adam(6e-4, epsilon=1e-7, global_clipnorm=100.0)
    keras_adam.build(optimizer.trained)

    @tf.function(autograph=False)
    def separate():
        optimizer.apply(gradients)
        return tf.constant(0.0)

    @tf.function(autograph=False)
    def unfused():
        keras_adam.apply(gradients, optimizer.trained)
        return tf.constant(0.0)

    @tf.function(autograph=False)
    def flattened():
        gradient = tf.concat([tf.reshape(each, [-1]) for each in gradients], 0)
        gradient = tf.clip_by_norm(gradient, 100.0)
        tf.raw_ops.ResourceApplyAdam(
            **{"var": flat.handle, "m": moments[0].handle, "v": moments[1].handle},
            **{"beta1_power": 0.9, "beta2_power": 0.999, "lr": 6e-4, "beta1": 0.9, "beta2": 0.999},
            **{"epsilon": 1e-7, "grad": gradient},
        )
        # The layers would read their weights from the vector.
        sizes = [target.shape.num_elements() for target in optimizer.trained]
        return tf.add_n([tf.reduce_sum(part) for part in tf.split(flat, sizes)])

    return {
        "fused, a variable at a time": lambda: float(separate()),
        "Keras' own": lambda: float(unfused()),
        "fused, one vector": lambda: float(flattened()),
    }
