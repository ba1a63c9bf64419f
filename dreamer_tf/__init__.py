"""Dreamer (Hafner et al., ICLR 2020) with TensorFlow and Keras.

Importing the package imports nothing heavy: environment workers use it and must stay free of
TensorFlow.
"""

__version__ = "0.1.0"


def load(run, trust=False):
    """Returns the `dreamer_tf.player.Player` of a run's folder, with its newest weights.

    Args:
        run: `runs/<task>/<name>/<seed>`.
        trust: whether the module of a task `module:factory` may be imported.
    """
    from dreamer_tf import player

    return player.load(run, trust)
