"""python -m dreamer_tf.dream RUN: a local web page to play inside the world model of a run.

The dream starts from a real frame; the real environment steps beside it under the same actions.
"""

import argparse
import base64
import contextlib
import logging
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dreamer_tf import player
from dreamer_tf.agents.protocol import VECTOR
from dreamer_tf.basics.errors import UserError
from dreamer_tf.envs.process.environment import Environment
from dreamer_tf.envs.process.remote import WorkerError
from dreamer_tf.reports import terminal, video
from dreamer_tf.runs import saved_agent

if TYPE_CHECKING:
    import flask

PAGE = Path(__file__).with_name("dream.html")
# Real steps before a dream begins, for the model to see how things move.
CONTEXT = 5
# Actions are cut to [-1, 1]; what is larger than this is no number of anyone's.
MOST = 1e9
# Of vectors so many numbers are drawn.
SHOWN_NUMBERS = 12
HOSTS = ["127.0.0.1", "localhost"]


class Dream:
    """A dream and the real environment beside it, stepped together.

    Whatever fails while the environment is used ends it, since it may be in the midst of a step;
    `restart` makes a new one.

    Args:
        trained: `Player`.
        environment: its `Environment`, which `close` ends.

    Raises:
        WorkerError, UserError: the environment fails, here and in `restart` and `tick`.
    """

    def __init__(self, trained: player.Player, environment: Environment):
        self.player = trained
        self.vectors = [name for name in trained.spec.observations if name != "image"]
        self.environment = environment
        # Requests are answered side by side, since browsers open connections that they do not use
        # yet; there is one dream.
        self.alone = threading.Lock()
        self.restart(0)

    def restart(self, seed: int) -> dict[str, Any]:
        """Begins anew from the episode of a seed; returns the first view."""
        with self._ending():
            return self._restart(seed)

    def _restart(self, seed):
        if self.environment is None:
            self.environment = self.player.environment()
        self.record, state = self.environment.reset(seed), self.player.start()
        action, state = self.player.act(self.record, state)
        for _ in range(CONTEXT - 1):
            if self.record["is_last"]:
                break
            self.record = self.environment.step(action)
            action, state = self.player.act(self.record, state)
        self.state, self.count = state, 0
        return self._imagined(action) | self._real()

    def tick(self, action: np.ndarray | Sequence[float] | None = None) -> dict[str, Any]:
        """Takes one step in both worlds; returns the view after it.

        Args:
            action: [A] numbers, the largest counts where actions are discrete; None leaves it to
                the actor, who sees the dream alone.
        """
        if self.environment is None:
            raise UserError("the simulator has ended: make a new start")
        with self._ending():
            return self._tick(action)

    def close(self) -> None:
        """Ends the environment."""
        if self.environment is not None:
            self.environment.close()
            self.environment = None

    @contextlib.contextmanager
    def _ending(self):
        """Ends the environment where something fails."""
        try:
            yield
        except BaseException:
            self.close()
            raise

    def _tick(self, action):
        if action is None:
            action = self.player.best_action(self.state)
        elif self.player.spec.discrete:
            action = np.eye(len(action), dtype=np.float32)[int(np.argmax(action))]
        action = np.clip(np.asarray(action, np.float32), -1, 1)
        running = not self.record["is_last"]
        if running:  # The environment works while the model imagines.
            self.environment.send_step(action)
        self.state = self.player.dream_step(self.state, action)
        self.count += 1
        view = self._imagined(action)
        if running:
            self.record = self.environment.receive()
        return view | self._real()

    def _imagined(self, action):
        seen = self.player.look(self.state)
        image = seen.pop("image", None)
        vectors = [seen.pop(VECTOR + name)[0] for name in self.vectors if VECTOR + name in seen]
        self.imagined = None if image is None else image[0]
        view = {name: float(value[0]) for name, value in seen.items()}
        view |= {"count": self.count, "action": [float(each) for each in action]}
        view["dream"] = None if image is None else _picture(self.imagined)
        if vectors:
            view["numbers"] = _numbers(vectors)
        return view

    def _real(self):
        record = self.record
        found = {"real_reward": float(record["reward"]), "ended": bool(record["is_last"])}
        if self.vectors:
            found["real_numbers"] = _numbers([record[name] for name in self.vectors])
        if "image" in record.dtype.names:
            found["real"] = _picture(record["image"])
            if self.imagined is not None:
                gap = self.imagined.astype(float) - record["image"]
                found["distance"] = float(np.abs(gap).mean())
        elif self.environment.can_render:
            found["real"] = _picture(video.shrink(self.environment.render()[None], 256)[0])
        return found


def _picture(image):
    return "data:image/png;base64," + base64.b64encode(video.encode_png(image)).decode()


def _numbers(vectors):
    """Returns the numbers of vectors that the page shows."""
    return [float(number) for number in np.concatenate(vectors)[:SHOWN_NUMBERS]]


def _names(spec):
    """Returns what these numbers are called."""
    sizes = {name: shape[0] for name, (shape, _) in spec.observations.items() if name != "image"}
    names = [
        name if size == 1 else f"{name} {i + 1}"
        for name, size in sizes.items()
        for i in range(size)
    ]
    return names[:SHOWN_NUMBERS]


def _is_number(value):
    # An integer may be too large for any float.
    return type(value) in (int, float) and -MOST < value < MOST


def make_app(dream: Dream) -> "flask.Flask":
    """Returns the web application of a `Dream`."""
    import flask

    app = flask.Flask("dreamer_tf.dream", static_folder=None)
    app.config["TRUSTED_HOSTS"] = HOSTS
    answer_failures(app)
    spec = dream.player.spec

    @app.get("/")
    def page():
        return flask.Response(PAGE.read_text(encoding="utf-8"), mimetype="text/html")

    @app.get("/info")
    def info():
        task, step = dream.player.config.task, dream.player.step
        size, names = spec.action_size, _names(spec)
        known = {"task": task, "step": step, "size": size, "discrete": spec.discrete}
        return known | {"numbers": names}

    @app.post("/restart")
    def restart():
        seed = content().get("seed", 0)
        if type(seed) is not int or not 0 <= seed < 2**31:
            flask.abort(400, "seed must be a whole number, not negative")
        with dream.alone:
            return dream.restart(seed)

    @app.post("/tick")
    def tick():
        action = content().get("action")
        numbers = isinstance(action, list) and all(map(_is_number, action))
        if action is not None and not (numbers and len(action) == spec.action_size):
            flask.abort(400, f"action must be null or {spec.action_size} finite numbers")
        with dream.alone:
            return dream.tick(action)

    def content():
        try:
            found = flask.request.get_json()
        except RecursionError:
            flask.abort(400, "the content is nested too deeply")
        if not isinstance(found, dict):
            flask.abort(400, "the content must be a JSON object")
        return found

    return app


def answer_failures(app: "flask.Flask") -> None:
    """Has an application answer mistakes and failing simulators with one line, for the page."""
    from werkzeug.exceptions import HTTPException

    def line(text, status):
        return " ".join(text.split()), status, {"Content-Type": "text/plain; charset=utf-8"}

    @app.errorhandler(WorkerError)
    def failed(error):
        return line(f"the simulator has failed: {error}", 503)

    @app.errorhandler(UserError)
    def refused(error):
        return line(str(error), 503)

    @app.errorhandler(HTTPException)
    def wrong(error):
        return line(str(error.description), error.code)


def parse(words: list[str]) -> argparse.Namespace:
    """Returns the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamer_tf.dream",
        usage="%(prog)s RUN [--port N] [--task TASK | --trust]",
        description="Opens a web page, for this machine only, to play inside a run's world model.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder: runs/<task>/<name>/<seed>")
    parser.add_argument("--port", type=int, default=8800, help="of the page (default 8800; 0: any)")
    saved_agent.add_trust(parser)
    arguments = parser.parse_args(words)
    if not 0 <= arguments.port < 2**16:
        raise UserError(f"--port {arguments.port}: give a number from 0 to 65535")
    return arguments


@terminal.guarded
def main(words: list[str]) -> int:
    """Serves until it is interrupted; returns the exit status."""
    arguments = parse(words)
    settings = saved_agent.load_config(arguments.run)  # A wrong folder is answered at once.
    named = arguments.trust or arguments.task
    saved_agent.check_trust(arguments.run, settings, named, "give --task with it, or --trust")
    bound(arguments.port).close()
    with terminal.quiet_start():
        from dreamer_tf.networks import precision

        precision.prepare_devices()
    trained = player.load(arguments.run, trust=True)
    trained.check_dreams()
    with contextlib.closing(Dream(trained, trained.environment())) as dream:
        serve(make_app(dream), arguments.port)
        # What is being answered is waited for, what comes now waits for ever: the environment ends.
        dream.alone.acquire()
    return 0


def bound(port: int) -> socket.socket:
    """Returns a socket at a port of this machine; raises a UserError where the port is taken."""
    place = socket.socket()
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        place.bind(("127.0.0.1", port))
    except OSError as error:
        place.close()
        reason = f"--port {port} cannot be used ({error.strerror})"
        raise UserError(f"{reason}: give another one, or 0", status=1) from None
    return place


def serve(app: "flask.Flask", port: int) -> None:
    """Serves an application on this machine until Ctrl-C.

    Raises:
        UserError: the port is taken.
    """
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    bound(port).close()
    server = make_server("127.0.0.1", port, app, threaded=True)
    # Also where both were ignored when this started, as in the background of a script.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass
    finally:
        server.server_close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
