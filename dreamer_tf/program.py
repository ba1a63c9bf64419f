"""What the project's programs share: errors for people, quiet TensorFlow, environment workers."""

import contextlib
import errno
import os
import sys
import tempfile

from dreamer_tf.envs import gl
from dreamer_tf.envs.remote import RemoteEnv, WorkerError
from dreamer_tf.errors import UserError


def guarded(main):
    """Returns `main` with exceptions that a user can mend turned into one line and a status.

    Args:
        main: function of the command line's words returning an exit status.
    """

    def run(arguments):
        try:
            return main(arguments)
        except UserError as error:
            message, status = str(error), error.status
        except WorkerError as error:
            message, status = f"the environment keeps failing: {error}", 1
        except KeyboardInterrupt:  # Before or after training, which handles it itself.
            message, status = "interrupted", 130
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            message = f"the disk is full ({error.strerror}): free some space, then run this again"
            status = 1
        print(f"error: {message}", file=sys.stderr)
        return status

    return run


@contextlib.contextmanager
def quiet_start():
    """Keeps from the terminal what libraries print while they load; shows it if they fail.

    TensorFlow writes notes on its start straight to the file descriptor of stderr.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except BaseException:
            notes.seek(0)
            os.write(kept, notes.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def find_gl(task):
    """Returns the GL back end for rendering a task, None for tasks that need none.

    Raises:
        UserError: the task needs one and none works here.
    """
    if not gl.requires_gl(task):
        return None
    # Whoever set it has tried it; a worker reports in one line if it does not work after all.
    backend = os.environ.get("MUJOCO_GL") or gl.find_backend()
    if backend is None:
        raise UserError(f"no OpenGL to render {task} with: run 'tools/run doctor'", status=1)
    return backend


def worker_starter(config, backend):
    """Returns a function that starts a worker for the run's environment.

    Args:
        config: `Config`.
        backend: what `find_gl` returned.
    """
    description = {
        "task": config.task,
        "action_repeat": config.env.action_repeat,
        "time_limit": config.env.time_limit,
        "render": config.env.render,
    }
    return lambda: RemoteEnv(description, config.env.timeout, backend)
