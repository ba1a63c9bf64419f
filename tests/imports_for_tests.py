"""What programs spend seconds on importing, for the fork server of `programs_for_tests`."""

import os

from dreamer_tf.basics import kernels

# As `dreamer_tf.reports.terminal` sets them before TensorFlow is imported.
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
kernels.choose()

import tensorflow_probability  # noqa: E402, F401

import dreamer_tf.agents.d4pg  # noqa: E402
import dreamer_tf.agents.dreamer  # noqa: E402
import dreamer_tf.reports.logger  # noqa: E402
import dreamer_tf.training.session  # noqa: E402
import dreamer_tf.training.startup  # noqa: E402
import dreamer_tf.training.trainer  # noqa: E402, F401
