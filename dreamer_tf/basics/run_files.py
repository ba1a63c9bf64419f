"""What the files and folders of a run are called."""

CONFIG, META, METRICS = "config.yaml", "meta.json", "metrics.jsonl"
CHECKPOINTS, EPISODES = "checkpoints", "episodes"
CURVE = "curve.csv"  # What of METRICS an exported run has.


def is_own(name: str) -> bool:
    """Returns whether a file of this name is one that a run, or its export, consists of."""
    return name in (CONFIG, META, METRICS, CURVE) or name.startswith("events.")
