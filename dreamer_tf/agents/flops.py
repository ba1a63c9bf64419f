"""Floating point operations of updates: matrix products and convolutions, counted, not measured.

Free of TensorFlow, so that a run can be estimated before it is loaded.
"""

import itertools

from dreamer_tf.config.baseline_sections import CHANNELS
from dreamer_tf.config.fields import numbers
from dreamer_tf.config.schema import Config
from dreamer_tf.config.sections import ModelConfig
from dreamer_tf.envs.spec import EnvSpec

# A forward pass costs one multiply-add a weight and position; the backward pass twice that.
FORWARD_AND_BACKWARD = 3


def model_update(config: Config, spec: EnvSpec, discount_head: bool) -> int:
    """Returns the floating point operations of one update of the world model.

    Args:
        config: `Config`.
        spec: `EnvSpec`.
        discount_head: whether there is one.
    """
    model, train = config.model, config.train
    features, steps = model.stoch + model.deter, train.batch_size * train.batch_length
    encoders, decoders, embed = _observing(model, spec, features)
    posterior = model.hidden * (model.deter + embed + 2 * model.stoch)
    learned = encoders + prior(model, spec.action_size) + posterior
    learned += rewards(model, features, discount_head)
    if model.objective == "reconstruction" or model.diagnostic_decoder:
        learned += decoders
    if model.objective == "contrastive":
        learned += dense_stack(embed, model.units, model.contrast_layers, 2 * features)
        learned += steps * 2 * features  # Every observation with every state.
    return 2 * FORWARD_AND_BACKWARD * steps * learned


def imagination(config: Config, spec: EnvSpec, discount_head: bool, value: bool) -> int:
    """Returns the floating point operations of one update of behaviour in imagination.

    Args:
        config, spec, discount_head: as for `model_update`.
        value: whether there is a value function.
    """
    model, behavior, train = config.model, config.behavior, config.train
    features = model.stoch + model.deter
    starts = train.batch_size * ((train.batch_length - discount_head) // behavior.start_every)
    outputs = spec.action_size * (1 if spec.discrete else 2)
    actor = dense_stack(features, behavior.units, behavior.actor_layers, outputs)
    rewarding = rewards(model, features, discount_head)
    # The imagined path is differentiated with respect to states, not to the model's weights.
    imagined = behavior.horizon * (3 * actor + 2 * prior(model, spec.action_size))
    if not value:
        return 2 * starts * (imagined + behavior.horizon * 2 * rewarding)
    # The last state only bootstraps: it has a value, but no reward, discount and target. The value
    # model is differentiated twice, with respect to states and to its weights.
    head = dense_stack(features, behavior.units, behavior.value_layers, 1)
    imagined += behavior.horizon * 2 * head + (behavior.horizon - 1) * 2 * (rewarding + head)
    return 2 * starts * imagined


def plan(config: Config, spec: EnvSpec) -> int:
    """Returns the floating point operations of one decision by planning."""
    model, planner = config.model, config.planner
    step = prior(model, spec.action_size) + rewards(model, model.stoch + model.deter, False)
    return 2 * planner.iterations * planner.candidates * planner.horizon * step


def d4pg_update(config: Config, spec: EnvSpec) -> int:
    """Returns the floating point operations of one update of D4PG; the arguments as above."""
    settings = config.d4pg
    trunk, inputs = 0, spec.vector_size
    embed = 0
    if "image" in spec.observations:
        trunk, features = _trunk(spec.observations["image"][0], settings.stack)
        embed, inputs = features * settings.embed, inputs + settings.embed
    actor = embed + _layers(inputs, settings.actor_units, spec.action_size)
    critic = _layers(inputs + spec.action_size, settings.critic_units, settings.atoms)
    # Of the embedding, nothing is differentiated with respect to actions. The trunk's and the
    # actor's inputs get no gradient.
    learned = FORWARD_AND_BACKWARD * (trunk + embed + critic + actor)
    targets = trunk + actor + embed + critic
    value = embed + 2 * critic
    return 2 * config.train.batch_size * (learned + targets + value)


def a3c_update(config: Config, spec: EnvSpec) -> int:
    """Returns the floating point operations of one update of A3C; the arguments as above."""
    outputs = 1 + spec.action_size * (1 if spec.discrete else 2)
    network = _layers(spec.vector_size, config.a3c.units, outputs)
    records = config.envs * (config.a3c.rollout + 1)
    return 2 * records * FORWARD_AND_BACKWARD * network


def _layers(inputs, units, outputs):
    """Returns the weights of a perceptron whose hidden layers have the units in a text."""
    sizes = [inputs, *numbers(units), outputs]
    return sum(before * after for before, after in itertools.pairwise(sizes))


def _trunk(shape, stack):
    """Returns the multiply-adds per image of D4PG's convolutions, and the size of the result."""
    height, width, channels = shape
    first = ((height - 1) // 2) * ((width - 1) // 2)
    second = ((height - 1) // 2 - 2) * ((width - 1) // 2 - 2)
    products = 9 * CHANNELS * (first * channels * stack + second * CHANNELS)
    return products, second * CHANNELS


def dense_stack(inputs: int, units: int, layers: int, outputs: int) -> int:
    """Returns the weights of a multi-layer perceptron without biases."""
    return inputs * units + (layers - 1) * units * units + units * outputs


def _observing(model, spec, features):
    """Returns multiply-adds per step of encoders and of decoders, and the embedding's size."""
    encoders, decoders, embed = 0, 0, 0
    if "image" in spec.observations:
        encoders, decoders = _convolutions(model.cnn_depth, features)
        embed += 32 * model.cnn_depth
    if spec.vector_size:
        encoders += dense_stack(spec.vector_size, model.units, model.vector_layers, 0)
        decoders += dense_stack(features, model.units, model.vector_layers, spec.vector_size)
        embed += model.units
    return encoders, decoders, embed


def rewards(model: ModelConfig, features: int, discount_head: bool) -> int:
    """Returns multiply-adds per step of the reward head and the discount head."""
    products = dense_stack(features, model.units, model.reward_layers, 1)
    if discount_head:
        products += dense_stack(features, model.units, model.discount_layers, 1)
    return products


def prior(model: ModelConfig, action_size: int) -> int:
    """Returns multiply-adds of a step of the RSSM without an observation."""
    recurrent = (model.stoch + action_size) * model.hidden
    gru = 3 * model.deter * (model.hidden + model.deter)
    return recurrent + gru + model.hidden * (model.deter + 2 * model.stoch)


def _convolutions(depth, features):
    """Returns multiply-adds per image of (encoder, decoder)."""
    channels = [3, depth, 2 * depth, 4 * depth, 8 * depth]
    encoder = sum(
        16 * channels[i] * channels[i + 1] * size**2 for i, size in enumerate((31, 14, 6, 2))
    )
    channels = [32 * depth, 4 * depth, 2 * depth, depth, 3]
    # A transposed convolution costs its kernel at every position of its input.
    decoder = sum(
        kernel**2 * channels[i] * channels[i + 1] * size**2
        for i, (kernel, size) in enumerate(((5, 1), (5, 5), (6, 13), (6, 30)))
    )
    return encoder, decoder + features * 32 * depth
