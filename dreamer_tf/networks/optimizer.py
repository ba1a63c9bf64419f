"""The methods that follow gradients and, in float16, loss scaling."""

from collections.abc import Sequence

import keras
import tensorflow as tf

from dreamer_tf.config.sections import OptimizerConfig

# Below this scale the gradient itself, not its range in float16, is at fault.
SMALLEST_LOSS_SCALE = 1.0
# Keras doubles it without end where gradients are zero, and from infinity is no return.
LARGEST_LOSS_SCALE = 2.0**30


class FusedAdam(keras.optimizers.Adam):
    """Keras' Adam by TensorFlow's kernel for it: one pass over a variable instead of a dozen.

    With several devices each of them makes the same step on its own copy, from gradients that are
    the same everywhere. Keras would add them up once more, and clip before that.
    """

    def apply(
        self, grads: Sequence[tf.Tensor], trainable_variables: Sequence[keras.Variable]
    ) -> None:
        """Clips the gradients by their global norm and makes one step."""
        step = tf.cast(self.iterations + 1, tf.float32)
        # Made once for all variables: in a graph each would be a handful of operations again.
        scalars = {
            "beta1_power": tf.pow(self.beta_1, step),
            "beta2_power": tf.pow(self.beta_2, step),
            "lr": tf.convert_to_tensor(self.learning_rate),
            "beta1": tf.constant(self.beta_1),
            "beta2": tf.constant(self.beta_2),
            "epsilon": tf.constant(self.epsilon),
        }
        for gradient, variable in zip(
            self._clip_gradients(grads), trainable_variables, strict=True
        ):
            index = self._get_variable_index(variable)
            tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=self._momentums[index].value.handle,
                v=self._velocities[index].value.handle,
                grad=gradient,
                **scalars,
            )
        count = self.iterations
        tf.raw_ops.AssignAddVariableOp(resource=count.value.handle, value=tf.ones((), count.dtype))


def adam(learning_rate: float, clip: float, epsilon: float) -> FusedAdam:
    """Returns Adam for an `Optimizer`.

    Args:
        learning_rate: its step size.
        clip: largest global norm of the gradient.
        epsilon: Adam's epsilon.
    """
    return FusedAdam(learning_rate, epsilon=epsilon, global_clipnorm=clip)


def rmsprop(
    learning_rate: float, decay: float, damping: float, updates: int
) -> keras.optimizers.RMSprop:
    """Returns RMSProp, without momentum and clipping, for an `Optimizer`.

    A step is rate * g / sqrt(v + damping), v being the running mean of g^2.

    Args:
        learning_rate: step size of the first update; it falls linearly to 0.
        decay: share of the running mean that is kept in an update.
        damping: see above.
        updates: after so many the step size is 0.
    """
    rate = keras.optimizers.schedules.PolynomialDecay(learning_rate, updates, 0.0)
    return keras.optimizers.RMSprop(rate, rho=decay, epsilon=damping)


def optimizers(
    parts: dict[str, tuple[list[keras.Model], float]], settings: OptimizerConfig, scale_loss: bool
) -> "dict[str, Optimizer]":
    """Returns {name: `Optimizer`} of parts that learn by Adam.

    Args:
        parts: {name: (models, learning rate)}.
        settings: section `optimizer` of the configuration.
        scale_loss: as for `Optimizer`.
    """
    return {
        name: Optimizer(
            name,
            [variable for model in models for variable in model.trainable_variables],
            adam(rate, settings.clip, settings.epsilon),
            scale_loss,
        )
        for name, (models, rate) in parts.items()
    }


class Optimizer:
    """Updates one set of variables by the gradient of one loss.

    Args:
        name: name of the loss, used in metrics.
        variables: the trainable variables.
        method: what `adam` or `rmsprop` returned.
        scale_loss: scale losses dynamically, for float16.
    """

    def __init__(
        self,
        name: str,
        variables: list[keras.Variable],
        method: keras.optimizers.Optimizer,
        scale_loss: bool,
    ):
        self.name = name
        self.trained = variables
        self.method = method
        self.scaler = keras.optimizers.LossScaleOptimizer(method) if scale_loss else None
        (self.scaler or method).build(variables)

    @property
    def variables(self) -> dict[str, keras.Variable]:
        """Returns {path: variable} of counters, moments and the loss scale."""
        variables = (self.scaler or self.method).variables
        return {
            f"optimizer/{self.name}/{index:03d}_{variable.name}": variable
            for index, variable in enumerate(variables)
        }

    @property
    def scale(self) -> tf.Tensor | tf.Variable:
        """The factor that gradients are multiplied by to stay within float16."""
        return tf.constant(1.0) if self.scaler is None else self.scaler.dynamic_scale.value

    def gradients(self, tape: tf.GradientTape, loss: tf.Tensor) -> list[tf.Tensor]:
        """Returns the gradients of `loss` for the variables, unscaled, before clipping.

        They are zero where the loss does not depend on a variable.
        """
        scale = self.scale
        gradients = tape.gradient(loss, self.trained, output_gradients=scale)
        # TensorFlow's own zeros for them are not made for Keras' variables.
        return [
            tf.zeros(target.shape) if gradient is None else gradient / scale
            for target, gradient in zip(self.trained, gradients, strict=True)
        ]

    def faulty(self, norm: tf.Tensor) -> tf.Tensor:
        """Returns whether a gradient of this global norm is an error, a bool tensor.

        In float16 a non-finite gradient first lowers the loss scale and skips the step.
        """
        faulty = ~tf.math.is_finite(norm)
        if self.scaler is None:
            return faulty
        return faulty & (self.scale < SMALLEST_LOSS_SCALE)

    def apply(self, gradients: list[tf.Tensor]) -> None:
        """Clips the gradients and makes one step, or skips it where float16 overflowed."""
        if self.scaler is None:
            self.method.apply(gradients, self.trained)
        else:
            scale = self.scale
            self.scaler.apply([gradient * scale for gradient in gradients], self.trained)
            highest = tf.minimum(self.scale, LARGEST_LOSS_SCALE)
            self.scaler.dynamic_scale.assign(highest)
