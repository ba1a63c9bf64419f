"""A program: one of the package's with `Still` in its catalogue.

usage: still_for_tests.py train|evaluate|dream WORDS
"""

import importlib
import sys

from dreamer_tf.config import catalog
from dreamer_tf.config.sections import ExplorationConfig

STILL = catalog.Entry("agents_for_tests:Still", "does nothing", {"exploration": ExplorationConfig})

if __name__ == "__main__":
    catalog.AGENTS["still"] = STILL
    sys.exit(importlib.import_module(f"dreamer_tf.{sys.argv[1]}").main(sys.argv[2:]))
