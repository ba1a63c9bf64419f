"""An environment in a program of its own: `python -m dreamer_tf.envs.process.worker`.

It never imports TensorFlow, since that and a software OpenGL renderer crash in one process. It
talks frames over stdin and stdout (see `wire`) and ends when stdin does, so that no worker
outlives its trainer.
"""

import atexit
import base64
import faulthandler
import json
import os
import select
import signal
import sys
import threading
import time
import traceback

import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs import make_env
from dreamer_tf.envs.process import wire
from dreamer_tf.envs.recording import RecordingEnv
from dreamer_tf.envs.spec import EnvSpec


def main() -> int:
    """Serves one environment until stdin ends; returns the exit status."""
    _leave_interrupts()
    commands, answers = _take_over_pipes()
    faulthandler.enable()
    atexit.register(_end_group, os.getppid())
    try:
        _serve(commands, answers)
    except BrokenPipeError:
        return 0
    except BaseException as error:  # Even SystemExit of a library has to be reported.
        _send(answers, wire.pack(wire.ERROR, _describe_error(error)))
        return 1
    return 0


def _serve(commands, answers):
    line = commands.readline()
    if not line:
        return
    start = json.loads(line)
    _end_with_trainer(commands.fileno(), start["close_timeout"])
    factory = start["factory"]  # From the process that started this one, never from a file.
    if factory is not None:
        import cloudpickle

        factory = cloudpickle.loads(base64.b64decode(factory))
    env = make_env(**start["env"], factory=factory)
    spec = EnvSpec.from_env(env)
    recording = RecordingEnv(env, spec)
    recording.reset(seed=0)  # An environment that cannot begin is found out at once.
    described = {
        "spec": spec.to_json(),
        "renders": env.render_mode == "rgb_array",
        "limited": env.limited,
        "notes": env.notes,
    }
    _send(answers, wire.pack(wire.SPEC, json.dumps(described).encode()))
    try:
        while (command := _read_command(commands)) is not None:
            for answer in _answers(recording, spec, *command):
                _send(answers, answer)
    finally:
        recording.close()


def _send(answers, data):
    """Writes all of it, also where a signal comes amid an answer larger than the pipe."""
    left = memoryview(data)
    while left:
        left = left[answers.write(left) :]


def _read_command(commands):
    """Returns (kind, payload), or None when the trainer is done or gone."""
    header = commands.read(wire.HEADER.size)
    if len(header) < wire.HEADER.size:
        return None
    kind, size = wire.HEADER.unpack(header)
    payload = commands.read(size)
    if len(payload) < size or kind == wire.CLOSE:
        return None
    return kind, payload


def _answers(recording, spec, kind, payload):
    """Yields the frames that answer one command."""
    if kind == wire.STEP:
        record = recording.step(np.frombuffer(payload, "<f4"))
        yield wire.pack(wire.RECORD, record.tobytes())
        return
    if kind == wire.RENDER:
        image = recording.render()
        yield wire.pack(wire.FRAME, wire.SIZE.pack(*image.shape[:2]) + image.tobytes())
        return
    (seed,) = wire.SEED.unpack_from(payload)
    if kind == wire.RESET:
        yield wire.pack(wire.RECORD, recording.reset(seed).tobytes())
    elif kind == wire.REPLAY:
        actions = np.frombuffer(payload, "<f4", offset=wire.SEED.size)
        # One frame per record: the trainer's patience is per answer, however long the episode.
        for record in recording.replay(seed, actions.reshape(-1, spec.action_size)):
            yield wire.pack(wire.BLIND, record.tobytes())
    else:
        raise ValueError(f"unknown command {kind}")


def _leave_interrupts():
    """Leaves Ctrl-C and SIGTERM to the trainer, which started this process with both blocked.

    Cluster managers send them to all processes of a job; the trainer still needs its workers to
    save an unfinished episode, and ends them by closing their stdin. Programs that an environment
    starts have the usual handlers: ignored signals would be inherited by them.
    """
    for number in wire.LEFT_TO_TRAINER:
        signal.signal(number, _do_nothing)
        signal.siginterrupt(number, False)  # No system call of a library fails for it.
    os.register_at_fork(after_in_child=_take_signals)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, wire.LEFT_TO_TRAINER)


def _do_nothing(number, frame):
    pass


def _take_signals():
    for number in wire.LEFT_TO_TRAINER:
        signal.signal(number, signal.SIG_DFL)


def _end_group(trainer):
    """Ends this process and what its environment has started, where no trainer is left to do so."""
    if os.getppid() != trainer and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


def _take_over_pipes():
    """Returns (stdin, stdout) as private files.

    What libraries read and print afterwards goes to the null device and to stderr.
    """
    commands = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)
    return commands, answers


def _end_with_trainer(descriptor, patience):
    """Ends the process some time after the trainer's end of the pipe closes, even in a long step.

    Args:
        descriptor: of the pipe.
        patience: seconds that an orderly end may take.
    """
    trainer = os.getppid()
    poller = select.poll()
    poller.register(descriptor, 0)

    def wait():
        poller.poll()
        time.sleep(patience)
        _end_group(trainer)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _describe_error(error):
    frame = traceback.extract_tb(error.__traceback__)[-1]
    where = f"{frame.filename}:{frame.lineno} in {frame.name}: {frame.line}"
    content = {
        "user": isinstance(error, UserError),
        "type": type(error).__name__,
        "message": str(error),
        "where": where,
        "status": getattr(error, "status", 1),
    }
    return json.dumps(content, default=str).encode()


if __name__ == "__main__":
    sys.exit(main())
