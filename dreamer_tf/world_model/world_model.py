"""The world model and its loss (section 4 of the paper, equation 10)."""

from typing import NamedTuple

import tensorflow as tf

from dreamer_tf import distributions
from dreamer_tf.world_model import networks
from dreamer_tf.world_model.layers import LayerFactory
from dreamer_tf.world_model.rssm import RSSM, Observed


class Reconstruction(NamedTuple):
    """What the heads say of a filtered batch; log densities and KL are [B, L], in nats."""

    embed: tf.Tensor
    observed: Observed
    image_mean: tf.Tensor
    reward_mean: tf.Tensor
    discount_mean: tf.Tensor | None
    log_probs: dict
    kl: tf.Tensor


class WorldModel:
    """Encoder, RSSM, image decoder, reward head and, where episodes can end, a discount head.

    Args:
        config: `ModelConfig`.
        action_size: length A of action vectors.
        discount: factor gamma in the labels of the discount head.
        use_discount_head: whether there is one.
        seed: the run's seed.
        dtype: Keras dtype policy.
    """

    def __init__(self, config, action_size, discount, use_discount_head, seed, dtype):
        def make(scope):
            return LayerFactory(scope, seed, dtype)

        features = config.deter + config.stoch
        self.config = config
        self.discount = discount
        self.encoder = networks.Encoder(make("encoder"), config.cnn_depth)
        self.rssm = RSSM(make("rssm"), config, action_size, self.encoder.embed_size)
        self.decoder = networks.Decoder(make("decoder"), config.cnn_depth, features)
        self.reward = networks.DenseHead(
            make("reward"),
            features,
            config.reward_layers,
            config.units,
            outputs=1,
            distribution=networks.scalar_normal,
        )
        self.models = [self.encoder, self.rssm, self.decoder, self.reward]
        self.discount_head = None
        if use_discount_head:
            self.discount_head = networks.DenseHead(
                make("discount"),
                features,
                config.discount_layers,
                config.units,
                outputs=1,
                distribution=networks.scalar_bernoulli,
            )
            self.models.append(self.discount_head)

    @property
    def trainable_variables(self):
        """All trainable variables of the world model."""
        return [variable for model in self.models for variable in model.trainable_variables]

    def embed(self, image):
        """Maps uint8 images [..., 64, 64, 3] to embeddings [..., E]."""
        return self.encoder(networks.preprocess(image))

    def reconstruct(self, batch, noise):
        """Filters a batch and evaluates every head on it.

        Args:
            batch: fields of a time step as [B, L, ...] tensors.
            noise: [L, B, S] standard normal for the posterior's samples.
        """
        embed = self.embed(batch["image"])
        observed = self.rssm(embed, batch["action"], batch["is_first"], noise)
        features = observed.states.features
        image = self.decoder(features)
        reward = self.reward(features)
        log_probs = {
            "image": image.log_prob(networks.preprocess(batch["image"])),
            "reward": reward.log_prob(batch["reward"]),
        }
        discount_mean = None
        if self.discount_head is not None:
            discount = self.discount_head(features)
            # Soft labels: gamma, or 0 where the episode terminated.
            label = self.discount * (1.0 - tf.cast(batch["is_terminal"], tf.float32))
            log_probs["discount"] = discount.log_prob(label)
            discount_mean = discount.mean()
        kl = distributions.kl_divergence(
            observed.posterior.distribution, observed.prior.distribution
        )
        return Reconstruction(
            embed, observed, image.mean(), reward.mean(), discount_mean, log_probs, kl
        )

    def loss(self, reconstruction):
        """Returns (loss, metrics): negative log densities plus the clipped KL (equation 10)."""
        config = self.config
        losses = {name: -tf.reduce_mean(value) for name, value in reconstruction.log_probs.items()}
        divergence = tf.reduce_mean(reconstruction.kl)
        if config.free_nats_per == "step":
            clipped = tf.reduce_mean(tf.maximum(reconstruction.kl, config.free_nats))
        else:
            clipped = tf.maximum(divergence, config.free_nats)
        scales = {"image": 1.0, "reward": 1.0, "discount": config.discount_scale}
        loss = config.kl_scale * clipped
        loss += tf.add_n([scales[name] * value for name, value in losses.items()])
        metrics = {f"{name}_loss": value for name, value in losses.items()}
        metrics["div"] = divergence
        for name, gaussian in (
            ("post_ent", reconstruction.observed.posterior),
            ("prior_ent", reconstruction.observed.prior),
        ):
            metrics[name] = tf.reduce_mean(gaussian.distribution.entropy())
        return loss, metrics
