"""The recurrent state space model (section 4 of the paper, equations 1 and 9).

A model state is (deter, stoch): deter is the GRU's state h_t, stoch the Gaussian z_t. The
features that every head reads are [stoch; deter].
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from dreamer_tf.config.sections import ModelConfig
from dreamer_tf.networks import distributions
from dreamer_tf.networks.layers import LayerFactory


class State(NamedTuple):
    """A model state: stoch [..., S] and deter [..., D], float32."""

    stoch: tf.Tensor
    deter: tf.Tensor

    @property
    def features(self) -> tf.Tensor:
        """[..., S + D], what the heads read."""
        return tf.concat([self.stoch, self.deter], -1)


class Gaussian(NamedTuple):
    """Mean and standard deviation of stoch, [..., S] each, float32."""

    mean: tf.Tensor
    std: tf.Tensor

    @property
    def distribution(self) -> distributions.tfd.Independent:
        """The diagonal normal with these parameters."""
        return distributions.normal(self.mean, self.std, event_dims=1)


class Observed(NamedTuple):
    """What filtering a batch of sequences gives, all [B, L, ...]."""

    states: State
    posterior: Gaussian
    prior: Gaussian


def scan(step: Callable[[Any, Any], Any], initial: Any, inputs: Any) -> Any:
    """Runs `state = step(state, input)` over time and stacks the states.

    Args:
        step: function of (state, inputs of one time step) returning the next state.
        initial: what the first call gets as its state.
        inputs: structure of tensors with a static leading time dimension.

    Returns:
        The states after each step, stacked on a leading time dimension.
    """
    # Unrolled: gradients that nobody uses are pruned from the graph, which a loop would keep.
    unstacked = [tf.unstack(tensor) for tensor in tf.nest.flatten(inputs)]
    states, state = [], initial
    for current in zip(*unstacked, strict=True):
        state = step(state, tf.nest.pack_sequence_as(inputs, current))
        states.append(state)
    return tf.nest.map_structure(lambda *values: tf.stack(values), *states)


def swap_time(structure: Any) -> Any:
    """Swaps the first two dimensions: [B, L, ...] to [L, B, ...] and back."""

    def swap(tensor):
        return tf.transpose(tensor, [1, 0, *range(2, len(tensor.shape))])

    return tf.nest.map_structure(swap, structure)


class RSSM(keras.Model):
    """Deterministic and stochastic latent dynamics.

    Args:
        make: `LayerFactory` of this model.
        config: `ModelConfig`.
        action_size: length A of action vectors.
        embed_size: length E of what an observation is encoded as.
    """

    def __init__(self, make: LayerFactory, config: ModelConfig, action_size: int, embed_size: int):
        # Tensors enter and leave in float32; the layers inside have the precision of `make`.
        super().__init__(name=make.scope, dtype="float32")
        self.sizes = State(config.stoch, config.deter)
        self.min_std = config.min_std
        hidden = config.hidden
        joint = config.deter + embed_size
        self.recurrent_input = make.dense("recurrent_input", hidden, "elu")
        self.gru = make.gru_cell("gru", config.deter)
        self.prior_hidden = make.dense("prior_hidden", hidden, "elu")
        # Parameters of distributions are computed in float32 in every precision.
        self.prior_parameters = make.dense("prior_parameters", 2 * config.stoch, dtype="float32")
        # One dense layer on [deter; embed], split so that the embedding's part runs once for all
        # time steps instead of inside the scan.
        self.posterior_deter = make.dense(
            "posterior_deter", hidden, joint_inputs=joint, use_bias=False
        )
        self.posterior_embed = make.dense("posterior_embed", hidden, joint_inputs=joint)
        self.posterior_parameters = make.dense(
            "posterior_parameters", 2 * config.stoch, dtype="float32"
        )
        self.build(config.stoch + action_size, hidden, config.deter, embed_size)

    def build(self, recurrent_inputs: int, hidden: int, deter: int, embed_size: int) -> None:
        """Creates the weights."""
        self.recurrent_input.build((None, recurrent_inputs))
        self.gru.build((None, hidden))
        self.prior_hidden.build((None, deter))
        self.prior_parameters.build((None, hidden))
        self.posterior_deter.build((None, deter))
        self.posterior_embed.build((None, embed_size))
        self.posterior_parameters.build((None, hidden))
        self.built = True

    def initial(self, batch_size: int | tf.Tensor) -> State:
        """Returns the zero state of a sequence's beginning."""
        return State(*(tf.zeros([batch_size, size]) for size in self.sizes))

    def call(
        self, embed: tf.Tensor, action: tf.Tensor, is_first: tf.Tensor, noise: tf.Tensor
    ) -> Observed:
        """Filters sequences of observations: posterior and prior of every step.

        Args:
            embed: [B, L, E], the encoded observations.
            action: [B, L, A] float32, the action that led to the observation at the same index.
            is_first: [B, L] bool, where an episode begins: state and action are zeroed there.
            noise: [L, B, S] standard normal.

        Returns:
            `Observed` with tensors [B, L, ...].
        """
        projected = self.posterior_embed(embed)
        keep = 1.0 - tf.cast(is_first, tf.float32)[..., None]
        inputs = (*swap_time((action * keep, keep, projected)), noise)

        def step(carry, inputs):
            action, keep, projected, noise = inputs
            previous = tf.nest.map_structure(lambda x: x * keep, carry[0])
            return self.posterior_step(previous, action, projected, noise)

        initial = (self.initial(tf.shape(embed)[0]), None)
        states, posterior = swap_time(scan(step, initial, inputs))
        return Observed(states, posterior, self.prior(states.deter))

    def posterior_step(
        self, previous: State, action: tf.Tensor, projected: tf.Tensor, noise: tf.Tensor
    ) -> tuple[State, Gaussian]:
        """Advances by one step and takes in the image.

        Args:
            previous: `State` [N, ...].
            action: [N, A] action taken in it.
            projected: [N, hidden] embedding after `posterior_embed`.
            noise: [N, S] standard normal.

        Returns:
            (`State`, `Gaussian` posterior that stoch was drawn from).
        """
        deter = self.advance(previous, action)
        hidden = tf.nn.elu(self.posterior_deter(deter) + projected)
        posterior = self.gaussian(self.posterior_parameters(hidden))
        stoch = distributions.sample(posterior.distribution, noise)
        return State(stoch, deter), posterior

    def prior_step(self, previous: State, action: tf.Tensor, noise: tf.Tensor) -> State:
        """Advances by one step without an image; returns the next `State` [N, ...]."""
        deter = self.advance(previous, action)
        stoch = distributions.sample(self.prior(deter).distribution, noise)
        return State(stoch, deter)

    def advance(self, previous: State, action: tf.Tensor) -> tf.Tensor:
        """Returns the next deter [N, D] (the GRU step)."""
        hidden = self.recurrent_input(tf.concat([previous.stoch, action], -1))
        return self.gru(hidden, previous.deter)

    def prior(self, deter: tf.Tensor) -> Gaussian:
        """Returns the `Gaussian` of stoch given deter [..., D] alone."""
        return self.gaussian(self.prior_parameters(self.prior_hidden(deter)))

    def gaussian(self, parameters: tf.Tensor) -> Gaussian:
        """Returns the `Gaussian` for raw parameters [..., 2 S]: mean, then raw std."""
        mean, raw_std = tf.split(tf.cast(parameters, tf.float32), 2, -1)
        return Gaussian(mean, tf.nn.softplus(raw_std) + self.min_std)
