"""What the files and folders of a run are called."""

from pathlib import Path

CONFIG, META, METRICS = "config.yaml", "meta.json", "metrics.jsonl"
CHECKPOINTS, EPISODES = "checkpoints", "episodes"
CURVE = "curve.csv"  # What of METRICS an exported run has.


def is_own(name: str) -> bool:
    """Returns whether a file of this name is one that a run, or its export, consists of."""
    return name in (CONFIG, META, METRICS, CURVE) or name.startswith("events.")


def is_curve(folder: Path) -> bool:
    """Returns whether a folder is what `tools/reproduce.py export` makes of a run."""
    return (folder / CURVE).is_file() and not any(
        (folder / each).exists() for each in (METRICS, CHECKPOINTS)
    )
