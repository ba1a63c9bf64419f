"""Our update and another implementation's, in turn, on the same machine at the same time."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from benchmarks import agents, timing, updates
from dreamer_tf.config.schema import Config

PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed"}
NUMBERS = {
    "train": ("batch_size", "batch_length"),
    "model": ("units", "cnn_depth", "deter", "hidden"),
    "behavior": ("horizon",),
}


class Peer:
    """A process of the other implementation that makes an update whenever it is asked to."""

    def __init__(self, python: str, name: str, size: str, precision: str, config: Config):
        numbers = [
            f"{key}={getattr(getattr(config, section), key)}"
            for section, keys in NUMBERS.items()
            for key in keys
        ]
        script = Path(__file__).with_name(f"peer_{name}.py")
        words = [python, str(script), size, PRECISIONS[precision], *numbers]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self._wait_for("ready")

    def _wait_for(self, beginning):
        """Reads lines, which libraries also print to, until one is what is waited for."""
        for line in self.process.stdout:
            if beginning is None or line.startswith(beginning):
                return line
        sys.exit(f"error: {self.process.args[1]} ended with {self.process.wait()}; see above")

    def update(self) -> str:
        """Makes one update."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        return self._wait_for(None)

    def close(self) -> None:
        """Ends the process."""
        self.process.stdin.close()
        self.process.wait()


def compare(
    name: str, python: str, sizes: Iterable[str], precisions: Sequence[str], rounds: int
) -> list[dict[str, str | float]]:
    """Returns one row for each size, precision and implementation; ratios to the peer."""
    rows = []
    for size in sizes:
        for precision in precisions:
            agent = agents.make(size, precision)
            batch = agents.random_batch(agent)
            updates.update(agent, batch)  # Compiles it.
            other = Peer(python, name, size, precision, agent.config)
            ours = {"dreamer_tf": lambda agent=agent, batch=batch: updates.update(agent, batch)}
            seconds = timing.alternate({name: other.update, **ours}, rounds)
            other.close()
            for who, found in seconds.items():
                row = {"size": size, "precision": precision, "of": who}
                row |= timing.best_and_median(found)
                rows.append(row | {"ratio": min(seconds[name]) / min(found)})
    return rows
