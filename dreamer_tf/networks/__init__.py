"""Building blocks: the one place that knows the quirks of Keras and TensorFlow Probability."""
