"""Answers of a worker that are larger than the pipe, where a signal comes amid one."""

import os
import signal
import time

import numpy as np
import pytest

from dreamer_tf.envs.process.remote import RemoteEnv
from dreamer_tf.envs.process.worker import _send


def test_a_signal_amid_a_large_answer_costs_nothing_of_it():
    task = {"task": "toy_reach", "image_size": 512}
    with RemoteEnv(task, timeout=20) as worker:
        worker.send_reset(0)
        first = worker.receive()
        worker.send_step([0.5, 0.0])
        # It has filled the pipe by now, and waits for somebody to read.
        time.sleep(1)
        os.kill(worker.pid, signal.SIGTERM)
        time.sleep(0.2)
        record = worker.receive()
    assert record["image"].shape == (512, 512, 3) and record["image"].any()
    assert not np.array_equal(record["image"], first["image"])


@pytest.mark.parametrize("most", [1, 3, 100])
def test_short_writes_are_gone_on_with(most):
    class Short:
        written = b""

        def write(self, data):
            self.written += bytes(data[:most])
            return min(most, len(data))

    file = Short()
    _send(file, b"0123456789")
    assert file.written == b"0123456789"
