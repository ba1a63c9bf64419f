"""Running means of metrics over a block of updates."""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf

# Of metrics whose names begin so, the largest of the block is kept instead of the mean.
LARGEST = "largest_"


class Means:
    """Means that survive an interruption bit for bit.

    Args:
        state: what `state()` returned before, None to begin anew.
    """

    def __init__(self, state: dict[str, Any] | None = None):
        self.sums = dict((state or {}).get("sums", {}))
        self.count = (state or {}).get("count", 0)
        self.skipped = (state or {}).get("skipped", 0)
        self.pending = []

    def add(self, metrics: "dict[str, tf.Tensor]") -> None:
        """Takes in {name: scalar tensor} without waiting for its values."""
        self.pending.append(metrics)

    def fold(self) -> None:
        """Waits for the pending values and adds them up, one by one in their order."""
        for metrics in fetched(self.pending):
            if float(metrics.get("skipped", 0.0)):  # Whatever else it says is not finite.
                self.skipped += 1
                continue
            for name in sorted(metrics):
                before, value = self.sums.get(name, 0.0), float(metrics[name])
                largest = name.startswith(LARGEST)
                self.sums[name] = max(before, value) if largest else before + value
            self.count += 1
        self.pending = []

    def result(self) -> dict[str, float]:
        """Returns {name: mean} of what was folded; `skipped` is the share of what was left out."""
        found = {
            name: total if name.startswith(LARGEST) else total / self.count
            for name, total in self.sums.items()
        }
        if self.skipped:
            found["skipped"] = self.skipped / (self.count + self.skipped)
        return found

    def clear(self) -> None:
        """Forgets everything."""
        self.sums, self.count, self.skipped, self.pending = {}, 0, 0, []

    def state(self) -> dict[str, Any]:
        """Returns what a checkpoint must hold; call `fold` first."""
        found = {"sums": self.sums, "count": self.count}
        return found | ({"skipped": self.skipped} if self.skipped else {})


def fetched(updates: "list[dict[str, tf.Tensor]]") -> list[dict[str, np.float32]]:
    """Returns [{name: float32}] of [{name: scalar tensor}], brought from the device in one go."""
    import tensorflow as tf  # Late: who only reads a configuration does not wait for it.

    names = [sorted(metrics) for metrics in updates]
    scalars = [metrics[name] for metrics in updates for name in sorted(metrics)]
    if not scalars:
        return []
    values = iter(tf.stack([tf.cast(each, tf.float32) for each in scalars]).numpy())
    return [{name: next(values) for name in each} for each in names]
