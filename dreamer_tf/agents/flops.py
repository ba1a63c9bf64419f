"""Floating point operations of updates: matrix products and convolutions, counted, not measured."""

# A forward pass costs one multiply-add a weight and position; the backward pass twice that.
FORWARD_AND_BACKWARD = 3


def dreamer_update(config, spec, discount_head):
    """Returns the floating point operations of one update of Dreamer.

    Args:
        config: `Config`.
        spec: `EnvSpec`.
        discount_head: whether there is one.
    """
    model, behavior, train = config.model, config.behavior, config.train
    features, steps = model.stoch + model.deter, train.batch_size * train.batch_length
    starts = train.batch_size * (train.batch_length - discount_head)
    reward = dense_stack(features, model.units, model.reward_layers, 1)
    discount = dense_stack(features, model.units, model.discount_layers, 1) * discount_head
    value = dense_stack(features, behavior.units, behavior.value_layers, 1)
    outputs = spec.action_size * (1 if spec.discrete else 2)
    actor = dense_stack(features, behavior.units, behavior.actor_layers, outputs)
    prior = _prior(model, spec.action_size)
    observing, embed = _observing(model, spec, features)
    posterior = model.hidden * (model.deter + embed + 2 * model.stoch)
    learned = observing + prior + posterior + reward + discount
    # The imagined path is differentiated with respect to states, not to the model's weights.
    imagined = behavior.horizon * (3 * actor + 2 * (prior + value))
    # The last state only bootstraps: it has a value, but no reward, discount and target. The value
    # model is differentiated twice, with respect to states and to its weights.
    imagined += (behavior.horizon - 1) * (2 * (reward + discount) + 2 * value)
    return 2 * (FORWARD_AND_BACKWARD * steps * learned + starts * imagined)


def dense_stack(inputs, units, layers, outputs):
    """Returns the weights of a multi-layer perceptron without biases."""
    return inputs * units + (layers - 1) * units * units + units * outputs


def _observing(model, spec, features):
    """Returns multiply-adds per step of encoders and decoders, and the size of the embedding."""
    products, embed = 0, 0
    if "image" in spec.observations:
        products += _convolutions(model.cnn_depth, features)
        embed += 32 * model.cnn_depth
    if spec.vector_size:
        products += dense_stack(spec.vector_size, model.units, model.vector_layers, 0)
        products += dense_stack(features, model.units, model.vector_layers, spec.vector_size)
        embed += model.units
    return products, embed


def _prior(model, action_size):
    recurrent = (model.stoch + action_size) * model.hidden
    gru = 3 * model.deter * (model.hidden + model.deter)
    return recurrent + gru + model.hidden * (model.deter + 2 * model.stoch)


def _convolutions(depth, features):
    """Returns multiply-adds per image of encoder and decoder."""
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
    return encoder + decoder + features * 32 * depth
