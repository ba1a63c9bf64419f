"""What the files and folders of a run are called."""

CONFIG, META, METRICS = "config.yaml", "meta.json", "metrics.jsonl"
CHECKPOINTS, EPISODES = "checkpoints", "episodes"


def is_own(name: str) -> bool:
    """Returns whether a file of this name is one that a run writes into its own folder."""
    return name in (CONFIG, META, METRICS) or name.startswith("events.")
