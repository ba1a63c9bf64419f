"""The distributions of the heads; the only module that knows TensorFlow Probability.

All parameters are cast to float32 first, whatever precision the networks compute in: sums over
12288 pixels, KL and log densities lose their meaning in half precision.

Samples are a deterministic function of a distribution and of noise that the caller draws:
`sample` is the one reparametrisation of the project.
"""

import math
from collections.abc import Sequence

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

# The largest float32 below 1 whose atanh is finite; actions from replay can be exactly -1 or 1.
TANH_LIMIT = 0.99999997


class ClippedTanh(tfp.bijectors.Tanh):
    """Tanh whose inverse stays finite at actions of exactly -1 and 1."""

    def _inverse(self, y):
        return tf.math.atanh(tf.clip_by_value(y, -TANH_LIMIT, TANH_LIMIT))


class UnitNormal(tfd.Independent):
    """Normals of unit variance as one event; a density in few passes over a batch of images."""

    def _log_prob(self, value):
        mean = self.distribution.loc
        dims = int(tf.get_static_value(self.reinterpreted_batch_ndims))
        squares = tf.reduce_sum(tf.math.squared_difference(value, mean), list(range(-dims, 0)))
        return -0.5 * (squares + math.prod(mean.shape[-dims:]) * math.log(2 * math.pi))


def unit_normal(mean: tf.Tensor, event_dims: int) -> UnitNormal:
    """Returns normals of unit variance; the last `event_dims` dimensions form one event."""
    return UnitNormal(tfd.Normal(tf.cast(mean, tf.float32), 1.0), event_dims)


def normal(
    mean: tf.Tensor, std: float | tf.Tensor = 1.0, event_dims: int = 0
) -> tfd.Normal | tfd.Independent:
    """Returns independent normals; the last `event_dims` dimensions form one event."""
    mean = tf.cast(mean, tf.float32)
    std = tf.broadcast_to(tf.cast(std, tf.float32), tf.shape(mean))
    distribution = tfd.Normal(mean, std)
    return tfd.Independent(distribution, event_dims) if event_dims else distribution


def bernoulli(logits: tf.Tensor) -> tfd.Bernoulli:
    """Returns a binary distribution; its log_prob accepts soft labels in [0, 1]."""
    return tfd.Bernoulli(logits=tf.cast(logits, tf.float32), dtype=tf.float32)


def tanh_normal(
    parameters: tf.Tensor, mean_scale: float = 5.0, init_std: float = 5.0, min_std: float = 1e-4
) -> tfd.TransformedDistribution:
    """Returns the squashed Gaussian of actions (equation 3 of the paper).

    Args:
        parameters: [..., 2 * A] raw mean, then raw standard deviation.
        mean_scale: the mean before the tanh is bounded to this many units, so that actions can
            saturate without the gradient vanishing.
        init_std: standard deviation at a raw value of zero.
        min_std: smallest standard deviation.

    Returns:
        Distribution over actions [..., A] in [-1, 1].
    """
    mean, raw_std = tf.split(tf.cast(parameters, tf.float32), 2, axis=-1)
    mean = mean_scale * tf.tanh(mean / mean_scale)
    std = tf.nn.softplus(raw_std + math.log(math.expm1(init_std))) + min_std
    return tfd.TransformedDistribution(normal(mean, std, event_dims=1), ClippedTanh())


def one_hot(parameters: tf.Tensor) -> tfd.OneHotCategorical:
    """Returns a categorical over one-hot vectors for logits [..., A]."""
    return tfd.OneHotCategorical(logits=tf.cast(parameters, tf.float32), dtype=tf.float32)


def sample(
    distribution: tfd.Distribution, noise: tf.Tensor, onehot_gradient: str = "straight_through"
) -> tf.Tensor:
    """Returns a differentiable sample as a function of the given noise.

    Args:
        distribution: one of this module's distributions.
        noise: standard normal for Gaussians (squashed or not), Gumbel for `one_hot`; same shape
            as the sample.
        onehot_gradient: what stands for the gradient of a choice: `"straight_through"`, that of
            all probabilities, or `"score"`, that of the log probability of what was chosen, in the
            chosen entry alone (TF1).

    Raises:
        TypeError: the distribution has no reparametrisation here.
    """
    if isinstance(distribution, tfd.Normal):
        return distribution.loc + distribution.scale * noise
    if isinstance(distribution, tfd.Independent):
        return sample(distribution.distribution, noise)
    if isinstance(distribution, tfd.TransformedDistribution):
        return distribution.bijector.forward(sample(distribution.distribution, noise))
    if isinstance(distribution, tfd.OneHotCategorical):
        logits = distribution.logits
        choice = tf.one_hot(tf.argmax(logits + noise, axis=-1), logits.shape[-1])
        if onehot_gradient == "score":
            log_prob = distribution.log_prob(choice)[..., None]
            return choice * tf.exp(log_prob - tf.stop_gradient(log_prob))
        probabilities = tf.nn.softmax(logits)
        return choice + (probabilities - tf.stop_gradient(probabilities))
    raise TypeError(f"no reparametrisation for {type(distribution).__name__}")


def mode(distribution: tfd.Distribution, noise: tf.Tensor | None) -> tf.Tensor:
    """Returns the most likely action [..., A].

    The mode of a squashed Gaussian has no closed form: it is the sample of highest density among
    those that `noise` [samples, ..., A] makes. For one-hot actions the noise is not used.
    """
    if isinstance(distribution, tfd.OneHotCategorical):
        return distribution.mode()
    samples = sample(distribution, noise)
    best = tf.argmax(distribution.log_prob(samples), axis=0)
    chosen = tf.one_hot(best, tf.shape(samples)[0], axis=0)
    return tf.reduce_sum(chosen[..., None] * samples, axis=0)


def best_action(
    distribution: tfd.Distribution, how: str, noise: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns the action [..., A] that a policy without exploration takes.

    Args:
        distribution: one of this module's action distributions.
        how: `"mode"`, see `mode`, or `"mean"`: the tanh of the mean of a squashed Gaussian. For
            one-hot actions both are the likeliest choice.
        noise: see `mode`; not used for the mean.

    Raises:
        ValueError: `how` is neither.
    """
    if how == "mode":
        return mode(distribution, noise)
    if how != "mean":
        raise ValueError(f"no action is called {how!r}")
    if isinstance(distribution, tfd.OneHotCategorical):
        return distribution.mode()
    return distribution.bijector.forward(distribution.distribution.mean())


def entropy(distribution: tfd.Distribution, noise: tf.Tensor) -> tf.Tensor:
    """Returns the entropy [...]: exact where there is a closed form, else estimated from `noise`.

    Args:
        distribution: one of this module's action distributions.
        noise: [samples, ..., A] standard normal; not used for one-hot actions.
    """
    if isinstance(distribution, tfd.OneHotCategorical):
        return distribution.entropy()
    return -tf.reduce_mean(distribution.log_prob(sample(distribution, noise)), axis=0)


def kl_divergence(posterior: tfd.Distribution, prior: tfd.Distribution) -> tf.Tensor:
    """Returns the analytic KL divergence from `posterior` to `prior` in nats."""
    return tfd.kl_divergence(posterior, prior)


def standard_normal(shape: Sequence[int] | tf.TensorShape, seed: tf.Tensor) -> tf.Tensor:
    """Draws standard normal noise that depends on nothing but `seed` (int32 [2])."""
    return tf.random.stateless_normal(shape, seed)


def gumbel(shape: Sequence[int] | tf.TensorShape, seed: tf.Tensor) -> tf.Tensor:
    """Draws Gumbel noise that depends on nothing but `seed` (int32 [2])."""
    uniform = tf.random.stateless_uniform(shape, seed, minval=1e-20, maxval=1.0)
    return -tf.math.log(-tf.math.log(uniform))
