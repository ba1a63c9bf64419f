"""One thread for each of several test processes, Ctrl-C, what only `--all` runs, no graphs."""

import os
import signal

import pytest

from dreamer_tf.basics import kernels

# Where tests run in several processes at once, each gets one thread: together they are faster.
if "PYTEST_XDIST_WORKER" in os.environ:
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, "1")

# The suite is of the CPU, where equality bit for bit is promised; what it asks of others is in
# tools/check_reference.py and benchmark.py, which use a GPU where there is one.
os.environ["CUDA_VISIBLE_DEVICES"] = ""

# What listens on this machine is not behind a proxy.
direct = ["127.0.0.1", "localhost", os.environ.get("no_proxy", os.environ.get("NO_PROXY", ""))]
os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, direct))

# As the programs do; tests of single functions load TensorFlow without them.
kernels.choose()

# In the background of a script it is ignored, here and in all that tests start.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    """Adds `--all`."""
    parser.addoption("--all", action="store_true", help="also what takes minutes each (lengthy)")


def pytest_configure(config):
    """Says what the marker means."""
    config.addinivalue_line("markers", "lengthy: takes minutes, runs with --all only")


def pytest_collection_modifyitems(config, items):
    """Skips lengthy tests without `--all`; lets those begin first that may take longest."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
    if config.getoption("--all"):
        return
    skip = pytest.mark.skip(reason="lengthy: run with --all")
    for item in items:
        if item.get_closest_marker("lengthy"):
            item.add_marker(skip)


@pytest.fixture
def eager():
    """Graphs are not made: where a test asks for few updates, most of its time would go there."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
