"""Memory that is freed and taken again does not come from the system page by page."""

import subprocess
import sys

from runs_for_tests import ENVIRONMENT

PROGRAM = """
import resource, sys
import numpy as np
from dreamer_tf.basics import allocation

if sys.argv[1] == "keep":
    allocation.keep_freed_memory()
np.ones(2**23)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(2**23)  # 64 MiB.
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(how):
    """Returns the page faults of taking and freeing 640 MiB."""
    words = [sys.executable, "-c", PROGRAM, how]
    result = subprocess.run(words, env=ENVIRONMENT, check=True, capture_output=True, text=True)
    return int(result.stdout)


def test_freed_memory_is_kept():
    assert faults("keep") < faults("return") / 20
