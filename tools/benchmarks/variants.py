"""Ways to compute the same thing, side by side: what the code does, and what it could do.

Every variant is forward and backward at the sizes of an agent. The first of each group is the one
that is used.
"""

import keras
import tensorflow as tf

from benchmarks import agents, timing
from dreamer_tf import distributions
from dreamer_tf.behavior import imagination
from dreamer_tf.world_model.layers import LayerFactory
from dreamer_tf.world_model.rssm import State

SEED = (0, 1)


def measure(size, precision, rounds):
    """Returns one row a variant; its ratio is to the first of its group."""
    agent = agents.make(size, precision)
    groups = {
        "scan of the imagination": _scans(agent),
        "image likelihood": _likelihoods(agent),
        "decoder's first layer": _first_layers(agent),
        "decoder's last layer": _last_layers(agent),
        "encoder's first layer": _channels(agent),
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


def compiled(loss, targets):
    """Returns a function of loss and gradient that waits for its one number."""
    values = [getattr(target, "value", target) for target in targets]

    @tf.function(autograph=False)
    def compute():
        with tf.GradientTape() as tape:
            tape.watch(values)
            found = loss()
        return tf.add_n([tf.reduce_sum(each) for each in tape.gradient(found, values)])

    return lambda: float(compute())


def _scans(agent):
    train, model = agent.config.train, agent.world_model
    count = train.batch_size * train.batch_length
    noise = agent.draw_noise(train.batch_size, train.batch_length, tf.constant(SEED))
    features = tf.random.stateless_normal([count, model.features], SEED)
    start = State(features[:, : agent.config.model.stoch], features[:, agent.config.model.stoch :])

    def step(state, noise):
        policy = agent.actor(tf.stop_gradient(state.features))
        return model.rssm.prior_step(state, distributions.sample(policy, noise[1]), noise[0])

    def unrolled():
        draws = (noise.imagine_state, noise.imagine_action)
        return imagination.imagine(model.rssm, agent.actor, start, *draws)[0]

    def looped():
        draws = (noise.imagine_state, noise.imagine_action)
        return tf.scan(lambda state, drawn: step(State(*state), drawn), draws, start).features

    targets = agent.actor.trainable_variables
    return {
        "unrolled": compiled(lambda: tf.reduce_sum(unrolled() ** 2), targets),
        "while loop": compiled(lambda: tf.reduce_sum(looped() ** 2), targets),
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
        "unit variance": compiled(loss(distributions.unit_normal), [mean]),
        "general normal": compiled(loss(distributions.normal), [mean]),
    }


def _factory(agent):
    return LayerFactory("variant", 0, agent.world_model.encoder.dtype_policy)


def _layer(layer, shape, inputs):
    """Returns a compiled forward and backward pass of one layer."""
    layer.build(shape)
    return compiled(lambda: tf.reduce_sum(layer(inputs) ** 2), [*layer.trainable_variables, inputs])


def _first_layers(agent):
    depth, count = agent.config.model.cnn_depth, _images(agent).shape[0]
    inputs = tf.random.stateless_normal([count, 1, 1, 32 * depth], SEED)
    make = _factory(agent)
    return {
        name: _layer(make.transposed(name, 4 * depth, 5, "relu", dense=dense), inputs.shape, inputs)
        for name, dense in (("dense", True), ("transposed_convolution", False))
    }


class DepthToSpace(keras.layers.Layer):
    """A transposed convolution of kernel 6 and stride 2 as a convolution of kernel 3."""

    def __init__(self, channels, dtype):
        super().__init__(dtype=dtype)
        self.convolution = keras.layers.Conv2D(4 * channels, 3, dtype=dtype)

    def build(self, input_shape):
        """Creates the weights."""
        count, height, width, channels = input_shape
        self.convolution.build((count, height + 4, width + 4, channels))
        self.built = True

    def call(self, inputs):
        """Maps [N, H, W, C] to [N, 2 H + 4, 2 W + 4, channels]."""
        padded = tf.pad(inputs, [[0, 0], [2, 2], [2, 2], [0, 0]])
        return tf.nn.depth_to_space(self.convolution(padded), 2)


def _last_layers(agent):
    depth, count = agent.config.model.cnn_depth, _images(agent).shape[0]
    inputs = tf.random.stateless_normal([count, 30, 30, depth], SEED)
    make = _factory(agent)
    layers = {
        "transposed convolution": make.transposed("last", 3, 6, None),
        "4 channels instead of 3": make.transposed("padded", 4, 6, None),
        "depth to space": DepthToSpace(3, make.dtype),
    }
    return {name: _layer(layer, inputs.shape, inputs) for name, layer in layers.items()}


def _channels(agent):
    depth, image = agent.config.model.cnn_depth, _images(agent)
    make = _factory(agent)
    variants = {}
    for name, inputs in (
        ("3 channels", image),
        ("4 channels", tf.pad(image, [[0, 0], [0, 0], [0, 0], [0, 1]])),
    ):
        layer = make.convolution(name.replace(" ", "_"), depth, kernel=4, activation="relu")
        layer.build(inputs.shape)
        loss = lambda layer=layer, inputs=inputs: tf.reduce_sum(layer(inputs) ** 2)  # noqa: E731
        variants[name] = compiled(loss, layer.trainable_variables)
    return variants


def _adams(agent):
    optimizer = agent.optimizers["model"]
    gradients = [tf.ones(target.shape) for target in optimizer.targets]
    flat = tf.Variable(tf.concat([tf.reshape(each, [-1]) for each in gradients], 0))
    moments = [tf.Variable(tf.zeros_like(flat)) for _ in range(2)]

    @tf.function(autograph=False)
    def separate():
        optimizer.apply(gradients)
        return tf.constant(0.0)

    @tf.function(autograph=False)
    def fused():
        gradient = tf.concat([tf.reshape(each, [-1]) for each in gradients], 0)
        gradient = tf.clip_by_norm(gradient, 100.0)
        tf.raw_ops.ResourceApplyAdam(
            **{"var": flat.handle, "m": moments[0].handle, "v": moments[1].handle},
            **{"beta1_power": 0.9, "beta2_power": 0.999, "lr": 6e-4, "beta1": 0.9, "beta2": 0.999},
            **{"epsilon": 1e-7, "grad": gradient},
        )
        # The layers would read their weights from the vector.
        sizes = [target.shape.num_elements() for target in optimizer.targets]
        return tf.add_n([tf.reduce_sum(part) for part in tf.split(flat, sizes)])

    return {"a variable at a time": lambda: float(separate()), "one vector": lambda: float(fused())}
