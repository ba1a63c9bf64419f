"""The optimiser steps of an agent's parts: all of them or none, but for overflows of float16."""

from collections.abc import Callable

import tensorflow as tf

from dreamer_tf.networks import devices
from dreamer_tf.networks.optimizer import Optimizer


class Steps:
    """Makes the steps of several optimisers as one; stops for good at a non-finite quantity.

    Args:
        optimizers: {name: `Optimizer`}; the loss and the gradient norm of a part are called
            `{name}_loss` and `{name}_grad_norm`.
        updates: int64 variable that counts the steps made.
        afterwards: function without arguments, called in the graph after every step made.
        skip: leave out an update with a non-finite quantity, and go on, instead.
    """

    def __init__(
        self,
        optimizers: dict[str, Optimizer],
        updates: tf.Variable,
        afterwards: Callable[[], None] = lambda: None,
        skip: bool = False,
    ):
        self.optimizers = optimizers
        self.skip = skip
        self.updates = updates
        self.afterwards = afterwards
        self.fault = devices.counter("fault", tf.int32)

    def gradients(
        self, tapes: dict[str, tf.GradientTape], losses: dict[str, tf.Tensor]
    ) -> dict[str, list[tf.Tensor]]:
        """Returns {name: gradients} of the losses, each from its own tape."""
        return {
            name: optimizer.gradients(tapes[name], losses[name])
            for name, optimizer in self.optimizers.items()
        }

    def apply(
        self,
        losses: dict[str, tf.Tensor],
        gradients: dict[str, list[tf.Tensor]],
        norms: dict[str, tf.Tensor],
    ) -> None:
        """Makes all steps, or none of them once anything was not finite.

        In float16 a part whose gradient overflowed makes none by itself, see `Optimizer.faulty`.

        Args:
            losses: {name: scalar}.
            gradients: {name: gradients}.
            norms: {name: scalar}, their global norms.
        """
        fault = self._fault(losses, norms)
        if not self.skip:
            fault = self.fault.assign(tf.where(self.fault > 0, self.fault, fault))

        def count():
            self.updates.assign_add(1)
            self.afterwards()

        def step():
            for name, optimizer in self.optimizers.items():
                optimizer.apply(gradients[name])
            count()

        tf.cond(fault > 0, count if self.skip else lambda: None, step)

    def _fault(self, losses, norms):
        """Returns 0, or the number of the first quantity that is an error, losses before norms."""
        faults = [~tf.math.is_finite(losses[name]) for name in self.optimizers]
        faults += [each.faulty(norms[name]) for name, each in self.optimizers.items()]
        faults = tf.stack(faults)
        return tf.where(tf.reduce_any(faults), 1 + tf.argmax(faults, output_type=tf.int32), 0)

    def metrics(
        self, losses: dict[str, tf.Tensor], norms: dict[str, tf.Tensor]
    ) -> dict[str, tf.Tensor]:
        """Returns {name: scalar} of the losses and norms, and of what `apply` will leave out.

        It comes before `apply`, which changes the loss scales that decide about it.

        With `skip`, `skipped` is 1 where nothing else of the update has a meaning.
        """
        found = {f"{name}_loss": loss for name, loss in losses.items()}
        if self.skip:
            found["skipped"] = tf.cast(self._fault(losses, norms) > 0, tf.float32)
        for name, norm in norms.items():
            optimizer = self.optimizers[name]
            if optimizer.scaler is not None:
                skipped = ~tf.math.is_finite(norm)
                # A skipped step is counted, its infinite norm would spoil the mean.
                norm = tf.where(skipped, 0.0, norm)
                found[f"{name}_skipped"] = tf.cast(skipped, tf.float32)
                found[f"{name}_loss_scale"] = tf.identity(optimizer.scale)
            found[f"{name}_grad_norm"] = norm
        return found

    def check(self) -> None:
        """Raises `FloatingPointError` naming the first loss or gradient that was not finite."""
        fault = int(self.fault.numpy())
        if fault:
            names = [f"{name}_loss" for name in self.optimizers]
            names += [f"{name}_grad_norm" for name in self.optimizers]
            raise FloatingPointError(names[fault - 1])
