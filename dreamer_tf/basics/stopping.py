"""The signals that ask a run to save and end."""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

# Ctrl-C, whoever started it, a closed terminal, and what cluster managers send before a limit.
SIGNALS = frozenset(
    {
        *(signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
        *(signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU),
    }
)
# The status of a program that Ctrl-C has ended.
INTERRUPTED = 130


def handle(handler: Callable[[int, FrameType | None], object]) -> None:
    """Has a handler called for these signals, but for SIGHUP where `nohup` has it ignored.

    Elsewhere than in the main thread it does nothing: only that one may set handlers, and signals
    go to it.
    """
    if not _in_main_thread():
        return
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, handler)


class Interrupts:
    """A handler that ends what a program does, and knows afterwards which signal came.

    Libraries do not always pass a KeyboardInterrupt on: what arrives may be another exception, so
    that whoever catches one looks here.

    Attributes:
        number: of the last signal, None before the first.
    """

    def __init__(self):
        self.number = None

    def __call__(self, number: int, frame: FrameType | None) -> NoReturn:
        self.number = number
        raise KeyboardInterrupt


def heed_children() -> None:
    """Has the system say how programs that are started from now on end.

    It does not where SIGCHLD is ignored, which a program inherits from what starts it. Elsewhere
    than in the main thread this does nothing.
    """
    if _in_main_thread() and signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Has these signals wait until the end of the block, so that it is done whole or not at all.

    Elsewhere than in the main thread it does nothing: signals interrupt only that.
    """
    if not _in_main_thread():
        yield
        return
    came = []
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    # What is ignored stays so for programs started meanwhile; None was not set from Python.
    handlers = {n: each for n, each in earlier.items() if each not in (signal.SIG_IGN, None)}
    try:
        for number in handlers:
            signal.signal(number, lambda number, _: came.append(number))
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        _raise(came)


def _raise(numbers):
    """Raises signals in their order, also those after one whose handler raises an exception."""
    if numbers:
        try:
            signal.raise_signal(numbers[0])
        finally:
            _raise(numbers[1:])


def _in_main_thread():
    return threading.current_thread() is threading.main_thread()
