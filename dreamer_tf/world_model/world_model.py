"""The world model and its loss (section 4 of the paper, equations 10 and 12)."""

from typing import NamedTuple

import keras
import tensorflow as tf

from dreamer_tf.config.sections import ModelConfig
from dreamer_tf.envs.spec import EnvSpec
from dreamer_tf.networks import devices, distributions, images, perceptrons
from dreamer_tf.networks.layers import LayerFactory
from dreamer_tf.world_model import contrast
from dreamer_tf.world_model.rssm import RSSM, Observed, State, scan, swap_time

REWARDS = {"none": tf.identity, "tanh": tf.tanh}
"""{`model.reward_transform`: function of the rewards that are learned from}."""

VECTORS = {"none": (tf.identity, tf.identity), "symlog": (perceptrons.symlog, perceptrons.symexp)}
"""{`model.vector_transform`: function of the vectors that are read and predicted, its inverse}."""


class Reconstruction(NamedTuple):
    """What the heads say of a filtered batch; log densities and KL are [B, L], in nats.

    Means of what the environment does not observe or the model does not predict are None; that of
    the vectors is of what `model.vector_transform` makes of them. The accuracy is that of the
    contrastive objective.
    """

    embed: tf.Tensor
    observed: Observed
    log_probs: dict
    kl: tf.Tensor
    reward_mean: tf.Tensor
    image_mean: tf.Tensor | None = None
    vector_mean: tf.Tensor | None = None
    discount_mean: tf.Tensor | None = None
    accuracy: tf.Tensor | None = None


class WorldModel:
    """Encoders, RSSM, decoders, reward head and, where episodes can end, a discount head.

    Images go through convolutions, all vectors together through a perceptron; the embeddings are
    concatenated. Decoders likewise predict the image and the concatenated vectors. With another
    objective than reconstruction they only show what is in the states: they read them without
    gradient and learn from a loss of their own.

    Args:
        config: `ModelConfig`.
        spec: `EnvSpec`; its observations and action size are used.
        discount: factor gamma of the discount head's predictions, None for a model without one.
        seed: the run's seed.
        dtype: Keras dtype policy.
    """

    def __init__(
        self, config: ModelConfig, spec: EnvSpec, discount: float | None, seed: int, dtype: str
    ):
        self.config = config
        soft = config.discount_labels == "discount"
        # Of states that are no end; what a prediction is multiplied by.
        self.discount_label, self.discount_factor = (discount, 1.0) if soft else (1.0, discount)
        self.make = lambda scope: LayerFactory(scope, seed, dtype)
        self.features = config.deter + config.stoch
        self.spec = spec
        self.vectors = [name for name in spec.observations if name != "image"]
        self.transform, self.untransform = VECTORS[config.vector_transform]
        self.discount_head = self.state_model = None
        encoders = self._make_encoders(spec)
        self.embed_size = sum(each.embed_size for each in encoders)
        self.rssm = RSSM(self.make("rssm"), config, spec.action_size, self.embed_size)
        self._make_decoders(spec)
        self.reward = self._head("reward", config.reward_layers, perceptrons.scalar_normal)
        if discount is not None:
            self.discount_head = self._head(
                "discount", config.discount_layers, perceptrons.scalar_bernoulli
            )
        if config.objective == "contrastive":
            self.state_model = self._head(
                "state",
                config.contrast_layers,
                perceptrons.feature_normal,
                outputs=2 * self.features,
                inputs=self.embed_size,
            )
        self.decoders = [each for each in (self.decoder, self.vector_decoder) if each is not None]
        heads = (*self.decoders, self.reward, self.discount_head, self.state_model)
        self.models = [*encoders, self.rssm, *(head for head in heads if head is not None)]

    def _make_encoders(self, spec):
        config = self.config
        self.encoder = self.vector_encoder = None
        if "image" in spec.observations:
            self.encoder = images.Encoder(self.make("encoder"), config.cnn_depth)
        if self.vectors:
            self.vector_encoder = perceptrons.VectorEncoder(
                self.make("vector_encoder"), spec.vector_size, config.vector_layers, config.units
            )
        return [each for each in (self.encoder, self.vector_encoder) if each is not None]

    def _make_decoders(self, spec):
        self.decoder = self.vector_decoder = None
        if not (self.reconstructs or self.config.diagnostic_decoder):
            return
        if "image" in spec.observations:
            depth = self.config.cnn_depth
            self.decoder = images.Decoder(self.make("decoder"), depth, self.features)
        if self.vectors:
            self.vector_decoder = self._head(
                "vector_decoder",
                self.config.vector_layers,
                perceptrons.vector_normal,
                spec.vector_size,
            )

    def _head(self, scope, layers, distribution, outputs=1, inputs=None):
        inputs, units = inputs or self.features, self.config.units
        return perceptrons.DenseHead(self.make(scope), inputs, layers, units, outputs, distribution)

    @property
    def reconstructs(self) -> bool:
        """Whether states are shaped by what the decoders predict."""
        return self.config.objective == "reconstruction"

    @property
    def parts(self) -> dict[str, list[keras.Model]]:
        """{name: models} that learn from a loss of their own, see `losses`."""
        if self.reconstructs or not self.decoders:
            return {"model": self.models}
        others = [model for model in self.models if model not in self.decoders]
        return {"model": others, "decoder": self.decoders}

    def embed(self, observation: dict[str, tf.Tensor]) -> tf.Tensor:
        """Maps an observation, {name: [..., *shape]}, to embeddings [..., E]."""
        embeds = []
        if self.encoder is not None:
            embeds.append(self.encoder(images.preprocess(observation["image"])))
        if self.vector_encoder is not None:
            embeds.append(self.vector_encoder(self.transformed_vectors(observation)))
        return tf.concat(embeds, -1)

    def transformed_vectors(self, observation: dict[str, tf.Tensor]) -> tf.Tensor:
        """Returns all vectors of an observation as one, [..., V], see `model.vector_transform`."""
        return self.transform(tf.concat([observation[name] for name in self.vectors], -1))

    def learned_rewards(self, reward: tf.Tensor) -> tf.Tensor:
        """Returns what is learned of rewards [...], see `model.reward_transform`."""
        return REWARDS[self.config.reward_transform](reward)

    def reconstruct(self, batch: dict[str, tf.Tensor], noise: tf.Tensor) -> Reconstruction:
        """Filters a batch and evaluates every head on it.

        Args:
            batch: fields of a time step as [B, L, ...] tensors.
            noise: [L, B, S] standard normal for the posterior's samples.
        """
        embed = self.embed(batch)
        observed = self.rssm(embed, batch["action"], batch["is_first"], noise)
        features = observed.states.features
        # What only shows the states must not shape them.
        shown = features if self.reconstructs else tf.stop_gradient(features)
        predicted = {"reward": self.reward(features)}
        targets = {"reward": self.learned_rewards(batch["reward"])}
        if self.decoder is not None:
            predicted["image"] = self.decoder(shown)
            targets["image"] = images.preprocess(batch["image"])
        if self.vector_decoder is not None:
            predicted["vector"] = self.vector_decoder(shown)
            targets["vector"] = self.transformed_vectors(batch)
        if self.discount_head is not None:
            predicted["discount"] = self.discount_head(features)
            goes_on = 1.0 - tf.cast(batch["is_terminal"], tf.float32)
            targets["discount"] = self.discount_label * goes_on
        log_probs = {name: head.log_prob(targets[name]) for name, head in predicted.items()}
        means = {f"{name}_mean": head.mean() for name, head in predicted.items()}
        if self.state_model is not None:
            how = self.config.contrast
            term, means["accuracy"] = contrast.contrast(self.state_model(embed), features, how)
            log_probs["contrast"] = term
        kl = distributions.kl_divergence(
            observed.posterior.distribution, observed.prior.distribution
        )
        return Reconstruction(embed, observed, **means, log_probs=log_probs, kl=kl)

    def discounts(self, features: tf.Tensor) -> tf.Tensor:
        """Returns the discounts [...] that the discount head predicts in states [..., F]."""
        return self.discount_factor * self.discount_head(features).mean()

    def open_loop(self, batch: dict[str, tf.Tensor], context: int, noise: tf.Tensor) -> State:
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

    def decode(self, features: tf.Tensor) -> dict[str, tf.Tensor]:
        """Maps features [..., F] to what is expected to be observed, where there are decoders.

        Returns:
            {"image": uint8 [..., 64, 64, 3], vectors float32 [..., V] under their names}.
        """
        found = {}
        if self.decoder is not None:
            found["image"] = images.to_pixels(self.decoder(features).mean())
        if self.vector_decoder is not None:
            joined = self.untransform(self.vector_decoder(features).mean())
            parts = tf.split(
                joined, [self.spec.observations[name][0][0] for name in self.vectors], -1
            )
            found |= dict(zip(self.vectors, parts, strict=True))
        return found

    def losses(
        self, reconstruction: Reconstruction
    ) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        """Returns what each of `parts` learns from, and metrics.

        Returns:
            ({"model": the negative terms of equation 10 or 12 plus the clipped KL, and where
            decoders do not shape the states "decoder": their negative log densities},
            {name: scalar}).
        """
        config = self.config
        terms = {name: -tf.reduce_mean(value) for name, value in reconstruction.log_probs.items()}
        scales = {
            "reward": config.reward_scale,
            "vector": config.vector_scale,
            "discount": config.discount_scale,
        }
        scaled = {name: scales.get(name, 1.0) * value for name, value in terms.items()}
        shown = [name for name in ("image", "vector") if name in terms and not self.reconstructs]
        divergence = tf.reduce_mean(reconstruction.kl)
        found = {"model": config.kl_scale * self._clipped(reconstruction.kl, divergence)}
        found["model"] += tf.add_n([scaled[name] for name in terms if name not in shown])
        if shown:
            found["decoder"] = tf.add_n([scaled[name] for name in shown])
        metrics = {f"{name}_loss": value for name, value in terms.items()}
        return found, metrics | self._state_metrics(reconstruction, divergence)

    def _clipped(self, kl, mean):
        """Returns the KL without what the free nats allow, in nats."""
        if self.config.free_nats_per == "step":
            return tf.reduce_mean(tf.maximum(kl, self.config.free_nats))
        # Free is what the whole batch has, whatever part of it is here.
        free = devices.mean(tf.stop_gradient(mean)) < self.config.free_nats
        return tf.where(free, self.config.free_nats, mean)

    def _state_metrics(self, reconstruction, divergence):
        observed = reconstruction.observed
        metrics = {"div": divergence}
        for name, gaussian in (("post_ent", observed.posterior), ("prior_ent", observed.prior)):
            metrics[name] = tf.reduce_mean(gaussian.distribution.entropy())
        if not self.reconstructs:
            # Where it goes to zero, all observations have the same state.
            features = tf.reshape(observed.states.features, [-1, self.features])
            distance = features - devices.mean(tf.reduce_mean(features, 0))
            variance = devices.mean(tf.reduce_mean(tf.square(distance), 0))
            metrics["feature_std"] = tf.reduce_mean(tf.sqrt(variance))
        if reconstruction.accuracy is not None:
            metrics["contrast_accuracy"] = reconstruction.accuracy
        return metrics
