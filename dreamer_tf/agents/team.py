"""The processes that share a run's updates: what the first does, the others do."""

import contextlib

import numpy as np
import tensorflow as tf

from dreamer_tf.agents.compiled import compiled
from dreamer_tf.basics.errors import UserError
from dreamer_tf.networks import devices

END, WEIGHTS, UPDATE = range(3)


class Team:
    """One process of several with the same agent, made in the same `devices.scope`.

    Args:
        agent: a `CompiledAgent` that learns from sequences.
    """

    def __init__(self, agent):
        self._agent = agent
        self._order = compiled(devices.shared(tf.identity))
        self._share = compiled(devices.shared(self._share_graph))
        self._begun = False
        self._waiting = True  # Whether the others wait for an order.

    def _share_graph(self):
        variables = list(self._agent.variables.values())
        values = devices.from_first([tf.convert_to_tensor(each) for each in variables])
        for variable, value in zip(variables, values, strict=True):
            # Each device its own: to assign to all of them together takes another way.
            tf.raw_ops.AssignVariableOp(resource=variable.handle, value=value)

    @contextlib.contextmanager
    def lead(self):
        """The context of each update in the first process: the others make it, too.

        Before the first one they get the weights.

        Raises:
            UserError: one of the others has ended.
        """
        with _all_there("another process of this run has ended: start all of them again"):
            self._waiting = False
            if not self._begun:
                self._order(tf.constant(WEIGHTS))
                self._share()
                self._begun = True
            self._order(tf.constant(UPDATE))
            yield
            self._waiting = True

    def dismiss(self):
        """Ends the others from the first process; those in an update find out themselves."""
        if self._waiting:
            with contextlib.suppress(tf.errors.OpError):
                self._order(tf.constant(END))

    def follow(self):
        """In every other process: does what the first one does, until that ends.

        Raises:
            UserError: the first one, or another one, has ended amid something.
        """
        wanted = self._agent.experience
        blank = np.zeros((wanted.batch, wanted.length), self._agent.spec.record_dtype)
        blank = self._agent.to_device({name: blank[name] for name in blank.dtype.names})
        with _all_there("the run's first process has ended without a word"):
            while (order := int(self._order(tf.constant(END)))) != END:
                if order == WEIGHTS:
                    self._share()
                else:
                    self._agent.update(blank, np.zeros(2, np.int32))


@contextlib.contextmanager
def _all_there(message):
    try:
        yield
    except tf.errors.UnavailableError:
        raise UserError(f"{message}; the run goes on from where it was", status=1) from None
