"""The world model and its loss (section 4 of the paper, equation 10)."""

from typing import NamedTuple

import tensorflow as tf

from dreamer_tf.networks import distributions, images, perceptrons
from dreamer_tf.networks.layers import LayerFactory
from dreamer_tf.world_model.rssm import RSSM, Observed, State, scan, swap_time


class Reconstruction(NamedTuple):
    """What the heads say of a filtered batch; log densities and KL are [B, L], in nats.

    Means of what the environment does not observe or the model does not predict are None.
    """

    embed: tf.Tensor
    observed: Observed
    log_probs: dict
    kl: tf.Tensor
    reward_mean: tf.Tensor
    image_mean: tf.Tensor | None = None
    vector_mean: tf.Tensor | None = None
    discount_mean: tf.Tensor | None = None


class WorldModel:
    """Encoders, RSSM, decoders, reward head and, where episodes can end, a discount head.

    Images go through convolutions, all vectors together through a perceptron; the embeddings are
    concatenated. Decoders likewise predict the image and the concatenated vectors.

    Args:
        config: `ModelConfig`.
        spec: `EnvSpec`; its observations and action size are used.
        discount: factor gamma in the labels of the discount head.
        use_discount_head: whether there is one.
        seed: the run's seed.
        dtype: Keras dtype policy.
    """

    def __init__(self, config, spec, discount, use_discount_head, seed, dtype):
        self.config = config
        self.discount = discount
        self.make = lambda scope: LayerFactory(scope, seed, dtype)
        self.features = config.deter + config.stoch
        self.vectors = [name for name in spec.observations if name != "image"]
        self.encoder = self.decoder = self.vector_encoder = self.vector_decoder = None
        self.discount_head = None
        if "image" in spec.observations:
            self.encoder = images.Encoder(self.make("encoder"), config.cnn_depth)
            self.decoder = images.Decoder(self.make("decoder"), config.cnn_depth, self.features)
        if self.vectors:
            size, layers = spec.vector_size, config.vector_layers
            self.vector_encoder = perceptrons.VectorEncoder(
                self.make("vector_encoder"), size, layers, config.units
            )
            self.vector_decoder = self._head(
                "vector_decoder", layers, perceptrons.vector_normal, size
            )
        encoders = [each for each in (self.encoder, self.vector_encoder) if each is not None]
        embed_size = sum(each.embed_size for each in encoders)
        self.rssm = RSSM(self.make("rssm"), config, spec.action_size, embed_size)
        self.reward = self._head("reward", config.reward_layers, perceptrons.scalar_normal)
        if use_discount_head:
            self.discount_head = self._head(
                "discount", config.discount_layers, perceptrons.scalar_bernoulli
            )
        heads = (self.decoder, self.vector_decoder, self.reward, self.discount_head)
        self.models = [*encoders, self.rssm, *(head for head in heads if head is not None)]

    def _head(self, scope, layers, distribution, outputs=1):
        units = self.config.units
        return perceptrons.DenseHead(
            self.make(scope), self.features, layers, units, outputs, distribution
        )

    @property
    def trainable_variables(self):
        """All trainable variables of the world model."""
        return [variable for model in self.models for variable in model.trainable_variables]

    def embed(self, observation):
        """Maps an observation, {name: [..., *shape]}, to embeddings [..., E]."""
        embeds = []
        if self.encoder is not None:
            embeds.append(self.encoder(images.preprocess(observation["image"])))
        if self.vector_encoder is not None:
            embeds.append(self.vector_encoder(self.concatenate_vectors(observation)))
        return tf.concat(embeds, -1)

    def concatenate_vectors(self, observation):
        """Returns all vectors of an observation as one, [..., V]."""
        return tf.concat([observation[name] for name in self.vectors], -1)

    def reconstruct(self, batch, noise):
        """Filters a batch and evaluates every head on it.

        Args:
            batch: fields of a time step as [B, L, ...] tensors.
            noise: [L, B, S] standard normal for the posterior's samples.
        """
        embed = self.embed(batch)
        observed = self.rssm(embed, batch["action"], batch["is_first"], noise)
        features = observed.states.features
        predicted = {"reward": self.reward(features)}
        targets = {"reward": batch["reward"]}
        if self.decoder is not None:
            predicted["image"] = self.decoder(features)
            targets["image"] = images.preprocess(batch["image"])
        if self.vector_decoder is not None:
            predicted["vector"] = self.vector_decoder(features)
            targets["vector"] = self.concatenate_vectors(batch)
        if self.discount_head is not None:
            predicted["discount"] = self.discount_head(features)
            # Soft labels: gamma, or 0 where the episode terminated.
            targets["discount"] = self.discount * (1.0 - tf.cast(batch["is_terminal"], tf.float32))
        log_probs = {name: head.log_prob(targets[name]) for name, head in predicted.items()}
        means = {f"{name}_mean": head.mean() for name, head in predicted.items()}
        kl = distributions.kl_divergence(
            observed.posterior.distribution, observed.prior.distribution
        )
        return Reconstruction(embed, observed, **means, log_probs=log_probs, kl=kl)

    def open_loop(self, batch, context, noise):
        """Sees the first steps of sequences, then predicts from the actions alone (Figure 5).

        Args:
            batch: observations, action and is_first, [B, L, ...].
            context: number of steps that are seen, C.
            noise: [L, B, S] standard normal, for the posterior's and then the prior's samples.

        Returns:
            `State` [B, L, ...]: C filtered states, then L - C predicted ones.
        """
        seen = {name: value[:, :context] for name, value in batch.items()}
        observed = self.rssm(self.embed(seen), seen["action"], seen["is_first"], noise[:context])
        last = State(*(value[:, -1] for value in observed.states))
        actions = swap_time(batch["action"][:, context:])

        def step(state, inputs):
            return self.rssm.prior_step(state, *inputs)

        predicted = swap_time(scan(step, last, (actions, noise[context:])))
        pairs = zip(observed.states, predicted, strict=True)
        return State(*(tf.concat(pair, 1) for pair in pairs))

    def decode_image(self, features):
        """Maps features [..., F] to uint8 images [..., 64, 64, 3]; needs observed images."""
        return images.to_pixels(self.decoder(features).mean())

    def loss(self, reconstruction):
        """Returns (loss, metrics): negative log densities plus the clipped KL (equation 10)."""
        config = self.config
        losses = {name: -tf.reduce_mean(value) for name, value in reconstruction.log_probs.items()}
        divergence = tf.reduce_mean(reconstruction.kl)
        if config.free_nats_per == "step":
            clipped = tf.reduce_mean(tf.maximum(reconstruction.kl, config.free_nats))
        else:
            clipped = tf.maximum(divergence, config.free_nats)
        scales = {"vector": config.vector_scale, "discount": config.discount_scale}
        loss = config.kl_scale * clipped
        loss += tf.add_n([scales.get(name, 1.0) * value for name, value in losses.items()])
        metrics = {f"{name}_loss": value for name, value in losses.items()}
        metrics["div"] = divergence
        for name, gaussian in (
            ("post_ent", reconstruction.observed.posterior),
            ("prior_ent", reconstruction.observed.prior),
        ):
            metrics[name] = tf.reduce_mean(gaussian.distribution.entropy())
        return loss, metrics
