"""The processes that share a run's updates: what the first does, the others do."""

import contextlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from dreamer_tf.agents.compiled import CompiledAgent, compiled
from dreamer_tf.basics.errors import UserError
from dreamer_tf.networks import devices

END, WEIGHTS, UPDATE = range(3)
GONE = (
    *(tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError),
    *(tf.errors.DeadlineExceededError, tf.errors.FailedPreconditionError),
)
"""What TensorFlow raises in one process where another one has ended."""


class Team:
    """One process of several with the same agent, made in the same `devices.scope`.

    Args:
        agent: a `CompiledAgent` that learns from sequences.
        identity: an integer, the same in all processes that learn the same in the same way.
    """

    def __init__(self, agent: CompiledAgent, identity: int):
        self._agent = agent
        self._identity = identity
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

    def _exchange(self, order):
        """Returns what the first process says here, for an order or another number."""
        return int(self._order(tf.constant(order, tf.int64)))

    @contextlib.contextmanager
    def lead(self) -> Iterator[None]:
        """The context of each update in the first process: the others make it, too.

        Before the first one they get the weights.

        Raises:
            UserError: one of the others has ended.
        """
        with all_there("another process of this run has ended: start all of them again"):
            self._waiting = False
            if not self._begun:
                self._exchange(WEIGHTS)
                self._exchange(self._identity)
                self._share()
                self._begun = True
            self._exchange(UPDATE)
            yield
            self._waiting = True

    def dismiss(self) -> None:
        """Ends the others from the first process; those in an update find out themselves."""
        if self._waiting:
            with contextlib.suppress(tf.errors.OpError):
                self._exchange(END)

    def follow(self) -> None:
        """In every other process: does what the first one does, until that ends.

        Raises:
            UserError: the first one, or another one, has ended amid something, or learns
                something else.
        """
        wanted = self._agent.experience
        blank = np.zeros((wanted.batch, wanted.length), self._agent.spec.record_dtype)
        blank = self._agent.to_device({name: blank[name] for name in blank.dtype.names})
        with all_there("the run's first process has ended without a word"):
            while (order := self._exchange(END)) != END:
                if order == UPDATE:
                    self._agent.update(blank, np.zeros(2, np.int32))
                    continue
                if self._exchange(0) != self._identity:
                    raise UserError(
                        "the first process has another configuration, environment or precision: "
                        "start the same command in all of them",
                        status=1,
                    )
                self._share()


@contextlib.contextmanager
def all_there(message: str) -> Iterator[None]:
    """Tells in one line that another process has ended: raises a UserError."""
    try:
        yield
    except GONE:
        raise UserError(f"{message}; the run goes on from where it was", status=1) from None
