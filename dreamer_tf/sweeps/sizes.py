"""What a run takes on the disk: its episodes and its checkpoints, from its configuration."""

from dreamer_tf.config.schema import Config
from dreamer_tf.sweeps import costs

# Of a number that is learned, a checkpoint holds the weight and Adam's two moments, in float32.
BYTES = 3 * 4
# Measured checkpoints of the model-free agents: from images of 84 pixels, and from vectors.
D4PG, D4PG_VECTORS, A3C = 83.5e6, 3.8e6, 0.4e6
BESIDE = 100  # Bytes of a step of an episode beside its image.


def record_bytes(config: Config, steps: int | None = None) -> float:
    """Returns a rough size of a run's episodes in bytes, an image for each action if it has any.

    Args:
        config: `Config`.
        steps: environment steps, those of the configuration by default.
    """
    records = (steps or config.steps) / config.env.repeats(config.task)
    if config.replay.capacity != "all":
        records = min(records, config.replay.capacity)
    return records * (3 * config.env.image_size**2 * costs.has_images(config) + BESIDE)


def checkpoint_bytes(config: Config) -> float:
    """Returns a rough size of all checkpoints that a run has at once, in bytes."""
    # The new one is written before the oldest goes.
    return (config.checkpoint.keep + 1) * _checkpoint(config)


def _checkpoint(config):
    if config.d4pg is not None:
        return D4PG if costs.has_images(config) else D4PG_VECTORS
    return A3C if config.a3c is not None else BYTES * costs.weights(config)
