"""Adam with gradient clipping and, in float16, loss scaling."""

import keras
import tensorflow as tf

# Below this scale the gradient itself, not its range in float16, is at fault.
SMALLEST_LOSS_SCALE = 1.0


class Optimizer:
    """Updates one set of variables by the gradient of one loss.

    Args:
        name: name of the loss, used in metrics.
        variables: the trainable variables.
        learning_rate: Adam's step size.
        clip: largest global norm of the gradient.
        epsilon: Adam's epsilon.
        scale_loss: scale losses dynamically, for float16.
    """

    def __init__(self, name, variables, learning_rate, clip, epsilon, scale_loss):
        self.name = name
        self.targets = variables
        self.adam = keras.optimizers.Adam(learning_rate, epsilon=epsilon, global_clipnorm=clip)
        self.scaler = keras.optimizers.LossScaleOptimizer(self.adam) if scale_loss else None
        (self.scaler or self.adam).build(variables)

    @property
    def variables(self):
        """Returns {path: variable} of counters, moments and the loss scale."""
        variables = (self.scaler or self.adam).variables
        return {
            f"optimizer/{self.name}/{index:03d}_{variable.name}": variable
            for index, variable in enumerate(variables)
        }

    @property
    def scale(self):
        """The factor that gradients are multiplied by to stay within float16."""
        return tf.constant(1.0) if self.scaler is None else self.scaler.dynamic_scale.value

    def gradients(self, tape, loss):
        """Returns the gradients of `loss` for the variables, unscaled, before clipping."""
        scale = self.scale
        gradients = tape.gradient(loss, self.targets, output_gradients=scale)
        return [gradient / scale for gradient in gradients]

    def faulty(self, norm):
        """Returns whether a gradient of this global norm is an error, a bool tensor.

        In float16 a non-finite gradient first lowers the loss scale and skips the step.
        """
        faulty = ~tf.math.is_finite(norm)
        if self.scaler is None:
            return faulty
        return faulty & (self.scale < SMALLEST_LOSS_SCALE)

    def apply(self, gradients):
        """Clips the gradients and makes one step, or skips it where float16 overflowed."""
        if self.scaler is None:
            self.adam.apply(gradients, self.targets)
        else:
            scale = self.scale
            self.scaler.apply([gradient * scale for gradient in gradients], self.targets)
