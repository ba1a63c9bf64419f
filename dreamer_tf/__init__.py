"""Dreamer (Hafner et al., ICLR 2020) with TensorFlow and Keras.

Importing the package imports nothing heavy: environment workers use it and must stay free of
TensorFlow.
"""

__version__ = "0.1.0"
