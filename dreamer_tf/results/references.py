"""What others measured; `data/README.md` says where each number comes from.

Every function reads its file anew and returns plain records; a number that is not known is NaN.
"""

import csv
import dataclasses
import importlib.resources
import json
import math
from pathlib import Path

from dreamer_tf.basics.errors import UserError

UNKNOWN = float("nan")
POLICIES = {
    "uniform": "random",
    "zero": "no action",
    "plus_one": "always +1",
    "untrained_actor": "untrained",
}


@dataclasses.dataclass(frozen=True)
class Score:
    """An entry of the paper's table: one number after `steps` environment steps."""

    task: str
    method: str
    steps: int
    input: str
    value: float


@dataclasses.dataclass(frozen=True)
class Bin:
    """Mean and population deviation over seeds of the evaluations in steps (low, high]."""

    task: str
    low: int
    high: int
    seeds: int
    mean: float
    deviation: float


@dataclasses.dataclass(frozen=True)
class Point:
    """A point of a curve, at `x` environment steps (figure 4: at horizon `x`)."""

    task: str
    method: str
    x: int
    value: float
    deviation: float = UNKNOWN
    approximate: bool = False


@dataclasses.dataclass(frozen=True)
class Floor:
    """Returns of a policy that has learned nothing.

    Attributes:
        error: standard error of the mean over `episodes`.
    """

    task: str
    policy: str
    episodes: int
    mean: float
    error: float

    @property
    def label(self) -> str:
        """What people are told the policy is."""
        return POLICIES.get(self.policy, self.policy)

    @property
    def deviation(self) -> float:
        """Standard deviation of a single episode."""
        return self.error * math.sqrt(self.episodes)


def paper_table() -> list[Score]:
    """Returns the paper's table of final scores, a list of `Score`."""
    return [
        Score(row["task"], row["method"], int(row["steps"]), row["input"], _number(row["return"]))
        for row in _rows("paper_table.csv")
    ]


def tf2_bins() -> list[Bin]:
    """Returns the author's runs with the TensorFlow 2 code, a list of `Bin`."""
    return [
        Bin(
            row["task"],
            *(int(row[key]) for key in ("low", "high", "seeds")),
            *(_number(row[key]) for key in ("mean", "deviation")),
        )
        for row in _rows("tf2_bins.csv")
    ]


def tf2_last_bins() -> dict[str, tuple[float, float, int]]:
    """Returns {task: (mean, deviation, seeds)} over each seed's last five bins, where it ended."""
    return {
        row["task"]: (_number(row["mean"]), _number(row["deviation"]), int(row["seeds"]))
        for row in _rows("tf2_last_bins.csv")
    }


def figure(number: int) -> list[Point]:
    """Returns what was read off the paper's figure 4, 7 or 8, a list of `Point`."""
    return [
        Point(
            row["task"],
            row["method"],
            int(row.get("step") or row["horizon"]),
            _number(row["return"]),
            approximate=row["approximate"] == "yes",
        )
        for row in _rows(f"figure_{number}.csv")
    ]


def early() -> list[Point]:
    """Returns early points of other methods, a list of `Point`; the input is in the method."""
    return [
        Point(
            row["task"],
            f"{row['method']}, {row['input']}",
            int(row["step"]),
            _number(row["return"]),
            _number(row["deviation"]),
        )
        for row in _rows("early.csv")
    ]


def floors(task: str | None = None) -> list[Floor]:
    """Returns the list of `Floor` of one task, which may be empty, or of all."""
    found = [
        Floor(
            row["task"],
            row["policy"],
            int(row["episodes"]),
            _number(row["mean"]),
            _number(row["standard_error"]),
        )
        for row in _rows("floors.csv")
    ]
    return [each for each in found if task in (None, each.task)]


def read_peers(path: str | Path) -> dict[str, list[dict[int, float]]]:
    """Reads curves of single seeds in the format of the author's `scores/dreamer.json`.

    That is a list of objects with `task`, `xs` (right edges of bins, environment steps) and `ys`
    (mean return in the bin), one object for each seed.

    Returns:
        {task: [{right edge: return}, ...]}.

    Raises:
        UserError: the file cannot be read or has another format.
    """
    try:
        with open(path, encoding="utf-8-sig") as file:
            content = json.load(file)
        peers = {}
        for run in content:
            curve = {int(x): float(y) for x, y in zip(run["xs"], run["ys"], strict=True)}
            # A seed without a number in a bin has no place among those that have one.
            curve = {x: y for x, y in curve.items() if math.isfinite(y)}
            peers.setdefault(run["task"], []).append(curve)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        raise UserError(
            f"{path} is no list of curves with 'task', 'xs' and 'ys', as the author's scores are"
        ) from None
    return peers


def _rows(name):
    file = importlib.resources.files("dreamer_tf.results") / "data" / name
    return list(csv.DictReader(file.read_text(encoding="utf-8").splitlines()))


def _number(text):
    return float(text) if text else UNKNOWN
