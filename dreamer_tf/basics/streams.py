"""Standard streams that a program survives: closed, gone, or of a poorer alphabet."""

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def lasting() -> Iterator[None]:
    """Makes the standard streams last for the time of a program.

    Streams that were closed are the null device. Where a reader goes away or a disk is full, what
    is printed is lost, and the program goes on. Letters that a locale lacks are written as escapes.
    """
    _open_closed()
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = _Lasting(sys.stdout, "standard output"), _Lasting(sys.stderr)
    try:
        yield
    finally:
        sys.stdout.close_gently()
        sys.stderr.close_gently()
        sys.stdout, sys.stderr = before


def _open_closed():
    """Opens what is closed of the first three files, before another one gets its number."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, closefd=False))  # noqa: SIM115 - it stays open


class _Lasting:
    """A text stream whose failures to write are not its writer's.

    Args:
        stream: where to write.
        name: what it is called when it fails, None to say nothing.
    """

    def __init__(self, stream, name=None):
        self._stream = stream
        self._name = name
        self._errors = getattr(stream, "errors", None)
        self._set_errors("backslashreplace")

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        try:
            return self._stream.write(text)
        except OSError as error:
            self._give_up(error)
            return len(text)

    def flush(self):
        try:
            self._stream.flush()
        except OSError as error:
            self._give_up(error)

    def close_gently(self):
        """Writes what is left and leaves the stream as it was."""
        self.flush()
        self._set_errors(self._errors)

    def _set_errors(self, errors):
        if hasattr(self._stream, "reconfigure"):
            self._stream.reconfigure(errors=errors)

    def _give_up(self, error):
        # What is still in buffers goes there, too, also at the interpreter's end.
        nothing = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nothing, self._stream.fileno())
        os.close(nothing)
        if self._name is not None:
            print(
                f"warning: {self._name} cannot be written any more ({error.strerror}); "
                "the program goes on without it",
                file=sys.stderr,
            )
