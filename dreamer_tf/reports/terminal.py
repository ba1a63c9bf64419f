"""What the project's programs share: errors for people, quiet TensorFlow, environment workers."""

import contextlib
import errno
import os
import sys
import threading
from collections.abc import Callable, Iterator

from dreamer_tf.basics import kernels, stopping, streams
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.nameless import nameless_file
from dreamer_tf.envs.process.remote import WorkerError

_LOADING = threading.RLock()


def guarded(main: Callable[[list[str]], int]) -> Callable[[list[str]], int]:
    """Returns `main` with exceptions that a user can mend turned into one line and a status.

    Args:
        main: function of the command line's words returning an exit status.
    """

    def run(arguments):
        with streams.lasting():
            return attempt(arguments)

    def attempt(arguments):
        # Whatever Keras is set to for other programs of this user.
        os.environ["KERAS_BACKEND"] = "tensorflow"
        stopping.heed_children()
        try:
            return main(arguments)
        except UserError as error:
            message, status = str(error), error.status
        except WorkerError as error:
            what = "keeps failing" if error.started else "does not start"
            message, status = f"the environment {what}: {error}{_gl_hint(error)}", 1
        except KeyboardInterrupt:
            message, status = "interrupted", 130
        except OSError as error:
            message, status = _describe(error, arguments), 1
        print(f"error: {message}", file=sys.stderr)
        return status

    return run


def _describe(error, words):
    """Returns one line for an OSError of a program with these words of its command line."""
    again = f"run this again{', without --fresh' * ('--fresh' in words)}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full ({error.strerror}): free some space, then {again}"
    reason = error.strerror or str(error)
    if error.filename is None:
        return f"the system refuses to read or write ({reason}); mend that, then {again}"
    return f"{error.filename}: {reason}; make it usable, then {again}"


def _gl_hint(error):
    """Returns what to try if a worker failed because of the OpenGL that was chosen by hand."""
    chosen = os.environ.get("MUJOCO_GL") if error.renders else None
    return f" [MUJOCO_GL is {chosen}; if rendering fails, unset it or run doctor]" if chosen else ""


@contextlib.contextmanager
def quiet_start() -> Iterator[None]:
    """Keeps from the terminal what libraries print while they load; shows it if they fail.

    With it TensorFlow is loaded as the project's programs want it, see `kernels`.

    TensorFlow writes notes on its start straight to the file descriptor of stderr.
    """
    # Of two threads at once the second would take the first one's file for the terminal.
    with _LOADING, _unheard():
        yield


@contextlib.contextmanager
def _unheard():
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    kernels.choose()
    sys.stderr.flush()
    kept = os.dup(2)
    with nameless_file() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except KeyboardInterrupt:
            raise
        except BaseException:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)
