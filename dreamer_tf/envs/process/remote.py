"""The trainer's side of an environment worker."""

import base64
import fcntl
import json
import os
import select
import signal
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.nameless import nameless_file
from dreamer_tf.envs.gl import requires_gl
from dreamer_tf.envs.process import wire, worker_process
from dreamer_tf.envs.spec import EnvSpec

# What a worker's libraries print is kept for error messages, up to this many bytes.
LOG_BYTES = 1 << 20
# How often a worker that does not answer is looked at.
LOOK_SECONDS = 0.5
# What a worker needs beside the time for its environment's own end.
MARGIN_SECONDS = 2.0
# So many workers are waited for at the same time.
MOST_THREADS = 64


class WorkerError(RuntimeError):
    """A worker died, raised or did not answer. Its process is gone by now.

    Attributes:
        pid: the process id that the worker had.
        renders: whether it had to render with OpenGL.
        started: whether the environment had been made and could begin an episode.
    """

    def __init__(self, message: str, pid: int, renders: bool = False, started: bool = True):
        super().__init__(message)
        self.pid = pid
        self.renders = renders
        self.started = started


class RemoteEnv:
    """An environment in a process of its own, which starts at once and in the background.

    Sending and receiving are separate, so that several workers step at the same time: send to
    all, then receive from all. Every command is answered by one `receive`.

    Args:
        description: the arguments of `make_env`, {"task", "observation", ...}.
        timeout: seconds without an answer after which the worker counts as dead.
        gl: OpenGL back end; by default `MUJOCO_GL`, or else "egl".
        factory: pickled function that makes the environment (see `factories.packed`), None where
            the task names it.
        close_timeout: seconds that an orderly end may take. Then the worker is killed, in any case
            with all that its environment has started, unless that has left its process group.

    Raises:
        UserError: the system starts no further process.

    All methods and `spec` raise WorkerError when the worker fails, or UserError when what the
    worker was asked for is the user's mistake; either way it is dead and reaped afterwards.
    """

    def __init__(
        self,
        description: dict[str, str | int | bool],
        timeout: float = 120.0,
        gl: str | None = None,
        close_timeout: float = 15.0,
        factory: bytes | None = None,
    ):
        self._task = description["task"]
        self._timeout = timeout
        self._close_timeout = close_timeout
        self._spec = None
        self._dtype = None
        self._received = bytearray()
        self._renders = requires_gl(
            self._task, description.get("observation", "auto"), description.get("frames", False)
        )
        try:
            self._log = nameless_file()
            # Appending keeps the log's end where it is when the log is cut.
            fcntl.fcntl(self._log, fcntl.F_SETFL, os.O_APPEND)
            variables = worker_process.variables(self._task, self._renders, gl)
            self._process = worker_process.start(self._log, variables)
        except OSError as error:
            raise UserError(
                f"no process can be started for an environment ({error.strerror}): end other "
                "programs, free memory and the disk, or give fewer --envs",
                status=1,
            ) from None
        self._open = True
        os.set_blocking(self._process.stdin.fileno(), False)
        os.set_blocking(self._process.stdout.fileno(), False)
        start = {"env": description, "close_timeout": close_timeout}
        start["factory"] = None if factory is None else base64.b64encode(factory).decode()
        self._send(json.dumps(start).encode() + b"\n")

    @property
    def pid(self) -> int:
        """The worker's process id."""
        return self._process.pid

    @property
    def spec(self) -> EnvSpec:
        """The environment's EnvSpec. The first use waits until the worker is ready."""
        if self._spec is None:
            described = json.loads(self._answer(wire.SPEC))
            self._spec = EnvSpec.from_json(described["spec"])
            self._described = described
            self._dtype = self._spec.record_dtype
        return self._spec

    @property
    def can_render(self) -> bool:
        """Whether `render` gives frames; the first use waits as `spec` does."""
        return bool(self.spec) and self._described["renders"]

    @property
    def limited(self) -> bool:
        """Whether the time limit is the environment's own or was asked for; waits as `spec`."""
        return bool(self.spec) and self._described["limited"]

    @property
    def notes(self) -> list[str]:
        """Texts about the environment that a person should read; waits as `spec`."""
        return self._described["notes"] if self.spec else []

    def send_reset(self, seed: int) -> None:
        """Asks for the start of the episode of a seed, an integer in [0, 2**32)."""
        self._send(wire.pack(wire.RESET, wire.SEED.pack(seed)))

    def send_step(self, action: np.ndarray | Sequence[float]) -> None:
        """Asks for a step with a float32 action [A]."""
        self._send(wire.pack(wire.STEP, np.asarray(action, "<f4").tobytes()))

    def receive(self) -> np.ndarray:
        """Returns the answer to a reset or step: a 0-d array of `spec.record_dtype`."""
        dtype = self._dtype or self.spec.record_dtype
        return np.frombuffer(self._answer(wire.RECORD), dtype).reshape(())

    def render(self) -> np.ndarray:
        """Returns the present state as uint8 [H, W, 3]; see `make_env`'s `frames`."""
        self._send(wire.pack(wire.RENDER))
        answer = self._answer(wire.FRAME)
        size = wire.SIZE.unpack_from(answer)
        return np.frombuffer(answer, np.uint8, offset=wire.SIZE.size).reshape(*size, 3)

    def replay(self, seed: int, actions: np.ndarray) -> np.ndarray:
        """Replays an episode without drawing; stepping then goes on from its end.

        Args:
            seed: the episode's seed.
            actions: float32 [T, A].

        Returns:
            The T + 1 records without images, of `spec.blind_dtype`; their reward is NaN after an
            unexpected end of the episode.
        """
        actions = np.asarray(actions, "<f4")
        dtype = self.spec.blind_dtype
        self._send(wire.pack(wire.REPLAY, wire.SEED.pack(seed) + actions.tobytes()))
        records = [self._answer(wire.BLIND) for _ in range(len(actions) + 1)]
        return np.frombuffer(b"".join(records), dtype)

    def close(self) -> None:
        """Ends the worker, by force if it does not end itself. Does nothing the second time."""
        if not self._open:
            return
        try:
            os.write(self._process.stdin.fileno(), wire.pack(wire.CLOSE))
        except OSError:  # It is gone or does not listen, and is ended below.
            pass
        self._end(self._close_timeout)

    def __enter__(self) -> "RemoteEnv":
        return self

    def __exit__(self, *_):
        self.close()

    def _send(self, data):
        """Writes all of `data`. A broken pipe is left to `receive`, which can tell why."""
        self._check_open()
        deadline = time.monotonic() + self._timeout
        view = memoryview(data)
        while view:
            if not self._wait(self._process.stdin, select.POLLOUT, deadline):
                return
            try:
                view = view[os.write(self._process.stdin.fileno(), view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError:
                return

    def _answer(self, expected):
        """Returns the payload of the next frame."""
        self._check_open()
        deadline = time.monotonic() + self._timeout
        self._fill(wire.HEADER.size, deadline)
        kind, size = wire.HEADER.unpack_from(self._received)
        self._fill(wire.HEADER.size + size, deadline)
        payload = self._received[wire.HEADER.size : wire.HEADER.size + size]
        del self._received[: wire.HEADER.size + size]
        if kind == wire.ERROR:
            self._raise_reported(json.loads(payload))
        if kind != expected:
            self._fail(f"answered {kind} instead of {expected}")
        self._trim_log()
        return payload

    def _fill(self, count, deadline):
        """Reads until `count` bytes are there."""
        while len(self._received) < count:
            if not self._wait(self._process.stdout, select.POLLIN, deadline):
                # Something that the environment has started still holds the pipe.
                self._fail(self._describe_death())
            try:
                data = os.read(self._process.stdout.fileno(), 1 << 16)
            except BlockingIOError:
                continue
            if not data:
                self._fail(self._describe_death())
            self._received += data

    def _wait(self, stream, event, deadline):
        """Waits until a pipe is ready; returns False if the worker has ended instead."""
        poller = select.poll()
        poller.register(stream, event)
        while True:
            # In this order: what it has written before its end is there by now.
            ended = self._ended() is not None
            left = deadline - time.monotonic()
            if poller.poll(0 if ended else 1000 * min(max(left, 0.0), LOOK_SECONDS)):
                return True
            if ended:
                return False
            if left <= 0:
                doing = "" if self._spec else " while it was starting"
                self._fail(
                    f"gave no answer within {self._timeout:g} seconds{doing} (--env.timeout sets "
                    f"another limit){self._last_words()}"
                )

    def _ended(self):
        """Returns what `os.waitid` says of the worker's end, None before it.

        It is not reaped: its id must remain that of its process group.
        """
        how = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self.pid, how)

    def _has_ended_within(self, seconds):
        deadline = time.monotonic() + seconds
        while self._ended() is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.01)
        return True

    def _check_open(self):
        if not self._open:
            raise WorkerError(f"environment worker {self.pid} ({self._task}) is closed", self.pid)

    def _raise_reported(self, report):
        if report["user"]:
            self._end(self._close_timeout)
            raise UserError(report["message"], report["status"])
        self._fail(f"raised {report['type']}: {report['message']} ({report['where']})")

    def _fail(self, what):
        self._end(patience=0.0)
        message = f"environment worker {self.pid} ({self._task}) {what}"
        raise WorkerError(message, self.pid, self._renders, self._spec is not None)

    def _describe_death(self):
        if not self._has_ended_within(MARGIN_SECONDS):
            return f"closed its pipe{self._last_words()}"
        end = self._ended()
        if end.si_code == os.CLD_EXITED:
            return f"ended with status {end.si_status}{self._last_words()}"
        return f"was ended by {signal.Signals(end.si_status).name}{self._last_words()}"

    def _last_words(self):
        """Returns the end of what the worker printed, or nothing."""
        size = os.fstat(self._log.fileno()).st_size
        text = os.pread(self._log.fileno(), 2000, max(0, size - 2000)).decode(errors="replace")
        return f"; it printed:\n{text.strip()}" if text.strip() else ""

    def _trim_log(self):
        if os.fstat(self._log.fileno()).st_size > LOG_BYTES:
            os.ftruncate(self._log.fileno(), 0)

    def _end(self, patience):
        """Closes the pipes, waits a little more than `patience`, kills the group, reaps."""
        self._open = False
        self._process.stdin.close()
        self._process.stdout.close()
        self._has_ended_within(patience + MARGIN_SECONDS if patience else 0.0)
        # Also where the worker is gone: simulators that it started may not be.
        os.killpg(self.pid, signal.SIGKILL)
        self._process.wait()
        self._log.close()


def close_all(workers: Sequence[RemoteEnv]) -> None:
    """Ends workers, all at the same time."""
    with ThreadPoolExecutor(min(len(workers), MOST_THREADS) or 1) as threads:
        list(threads.map(lambda worker: worker.close(), workers))
