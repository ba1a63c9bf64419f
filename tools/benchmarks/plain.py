"""Dreamer's update written down as directly as it can be, to compare the project's own with.

What the author's code does, with today's layers: a step at a time for everything, the image's
embedding and the prior inside the scan, noise drawn at every step, transposed convolutions
throughout, the value model run for the actor and again for itself.
"""

import keras
import tensorflow as tf
import tensorflow_probability as tfp

from dreamer_tf.config.schema import Config

tfd = tfp.distributions


class DenseStack(keras.layers.Layer):
    """A perceptron on inputs of any rank, which `keras.Sequential` refuses once it is built."""

    def __init__(self, units: int, layers: int, outputs: int):
        super().__init__()
        self.stack = [keras.layers.Dense(units, "elu") for _ in range(layers)]
        self.stack.append(keras.layers.Dense(outputs))

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        size = input_shape[-1]
        for layer in self.stack:
            layer.build((None, size))
            size = layer.units
        self.built = True

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        for layer in self.stack:
            inputs = layer(inputs)
        return inputs


def _normal(mean, std=1.0, dims=0):
    return tfd.Independent(tfd.Normal(mean, std * tf.ones_like(mean)), dims)


class PlainDreamer:
    """World model, actor and value model of a `Config` for images and continuous actions."""

    def __init__(self, config: Config, action_size: int):
        self.config, model, behavior = config, config.model, config.behavior
        depth, layer = model.cnn_depth, keras.layers
        self.encoder = keras.Sequential(
            [layer.Conv2D(depth * 2**i, 4, 2, activation="relu") for i in range(4)]
            + [layer.Flatten()]
        )
        self.decoder = keras.Sequential(
            [layer.Dense(32 * depth), layer.Reshape((1, 1, 32 * depth))]
            + [layer.Conv2DTranspose(4 * depth, 5, 2, activation="relu")]
            + [layer.Conv2DTranspose(2 * depth, 5, 2, activation="relu")]
            + [layer.Conv2DTranspose(depth, 6, 2, activation="relu")]
            + [layer.Conv2DTranspose(3, 6, 2)]
        )
        self.recurrent_input = layer.Dense(model.hidden, "elu")
        self.gru = layer.GRUCell(model.deter)
        self.prior = DenseStack(model.hidden, 1, 2 * model.stoch)
        self.posterior = DenseStack(model.hidden, 1, 2 * model.stoch)
        self.reward = DenseStack(model.units, model.reward_layers, 1)
        self.actor = DenseStack(behavior.units, behavior.actor_layers, 2 * action_size)
        self.value = DenseStack(behavior.units, behavior.value_layers, 1)
        self._build(action_size)
        self.optimizers = [
            keras.optimizers.Adam(rate, global_clipnorm=config.optimizer.clip)
            for rate in (
                model.learning_rate,
                behavior.actor_learning_rate,
                behavior.value_learning_rate,
            )
        ]
        tf.random.set_seed(0)  # Deterministic operations, as training has them, ask for one.
        self.update = tf.function(self._update, autograph=False)

    def _build(self, action_size):
        model = self.config.model
        features = model.stoch + model.deter
        sizes = {self.recurrent_input: model.stoch + action_size, self.gru: model.hidden}
        sizes |= {self.prior: model.deter, self.posterior: model.deter + 32 * model.cnn_depth}
        sizes |= dict.fromkeys((self.decoder, self.reward, self.actor, self.value), features)
        for each, size in sizes.items():
            each.build((None, size))
        self.encoder.build((None, 64, 64, 3))

    def _gaussian(self, parameters):
        mean, std = tf.split(parameters, 2, -1)
        return _normal(mean, tf.nn.softplus(std) + self.config.model.min_std, 1)

    def _imagine_step(self, state, action):
        stoch, deter = state
        hidden = self.recurrent_input(tf.concat([stoch, action], -1))
        deter, _ = self.gru(hidden, [deter])
        prior = self._gaussian(self.prior(deter))
        return prior, (prior.sample(), deter)

    def _world_model_loss(self, batch):
        image = tf.cast(batch["image"], tf.float32) / 255.0 - 0.5
        count, length = image.shape[:2]
        embed = self.encoder(tf.reshape(image, [-1, 64, 64, 3]))
        embed = tf.reshape(embed, [count, length, -1])
        model = self.config.model
        state = (tf.zeros([count, model.stoch]), tf.zeros([count, model.deter]))
        states, divergence = [], []
        for t in range(length):
            prior, (_, deter) = self._imagine_step(state, batch["action"][:, t])
            parameters = self.posterior(tf.concat([deter, embed[:, t]], -1))
            posterior = self._gaussian(parameters)
            state = (posterior.sample(), deter)
            states.append(state)
            divergence.append(tfd.kl_divergence(posterior, prior))
        stoch, deter = (tf.stack(part, 1) for part in zip(*states, strict=True))
        features = tf.concat([stoch, deter], -1)
        decoded = self.decoder(tf.reshape(features, [-1, features.shape[-1]]))
        decoded = tf.reshape(decoded, image.shape)
        likelihood = tf.reduce_mean(_normal(decoded, dims=3).log_prob(image))
        likelihood += tf.reduce_mean(
            _normal(self.reward(features)[..., 0]).log_prob(batch["reward"])
        )
        divergence = tf.maximum(tf.reduce_mean(tf.stack(divergence)), model.free_nats)
        return model.kl_scale * divergence - likelihood, (stoch, deter)

    def _act(self, features):
        mean, std = tf.split(self.actor(features), 2, -1)
        distribution = _normal(5 * tf.tanh(mean / 5), tf.nn.softplus(std + 5.0) + 1e-4, 1)
        return tf.tanh(distribution.sample())

    def _imagine(self, state):
        trajectory = []
        for _ in range(self.config.behavior.horizon):
            action = self._act(tf.stop_gradient(tf.concat(state, -1)))
            _, state = self._imagine_step(state, action)
            trajectory.append(tf.concat(state, -1))
        return tf.stack(trajectory)

    def _returns(self, features):
        behavior = self.config.behavior
        reward, value = self.reward(features)[..., 0], self.value(features)[..., 0]
        last, returns = value[-1], []
        for t in reversed(range(behavior.horizon - 1)):
            mixed = (1 - behavior.lambda_) * value[t + 1] + behavior.lambda_ * last
            last = reward[t] + behavior.discount * mixed
            returns.insert(0, last)
        weights = behavior.discount ** tf.range(behavior.horizon - 1, dtype=tf.float32)
        return tf.stack(returns), weights[:, None]

    def _update(self, batch):
        with tf.GradientTape() as model_tape:
            model_loss, states = self._world_model_loss(batch)
        start = [tf.stop_gradient(tf.reshape(part, [-1, part.shape[-1]])) for part in states]
        with tf.GradientTape() as actor_tape:
            features = self._imagine(tuple(start))
            returns, weights = self._returns(features)
            actor_loss = -tf.reduce_mean(weights * returns)
        with tf.GradientTape() as value_tape:
            value = _normal(self.value(tf.stop_gradient(features[:-1]))[..., 0])
            value_loss = -tf.reduce_mean(weights * value.log_prob(tf.stop_gradient(returns)))
        world_model = [self.encoder, self.decoder, self.recurrent_input, self.gru, self.prior]
        world_model += [self.posterior, self.reward]
        parts = (world_model, [self.actor], [self.value])
        tapes, losses = (model_tape, actor_tape, value_tape), (model_loss, actor_loss, value_loss)
        for part, tape, loss, optimizer in zip(parts, tapes, losses, self.optimizers, strict=True):
            variables = [weight for each in part for weight in each.trainable_variables]
            optimizer.apply(tape.gradient(loss, variables), variables)
        return model_loss
