"""TensorFlow computes with oneDNN also on processors where it would not by itself."""

import platform

import pytest
from programs_for_tests import run_python

from dreamer_tf.basics import kernels

PROGRAM = """
import os, sys
wanted = sys.argv[1]
os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
if wanted != "unset":
    os.environ["TF_ENABLE_ONEDNN_OPTS"] = wanted

from dreamer_tf.reports import terminal

with terminal.quiet_start():
    from dreamer_tf.networks import precision
print(precision.uses_onednn())
"""


@pytest.mark.skipif(platform.machine().lower() not in kernels.X86, reason="not an x86 processor")
@pytest.mark.parametrize(("wanted", "expected"), [("unset", "True"), ("1", "True"), ("0", "False")])
def test_on_x86_unless_someone_says_no(wanted, expected):
    assert run_python(PROGRAM, wanted).strip() == expected


def test_elsewhere_it_is_left_to_tensorflow(monkeypatch):
    monkeypatch.delenv(kernels.VARIABLE, raising=False)
    monkeypatch.setattr(kernels.platform, "machine", lambda: "arm64")
    kernels.choose()
    assert kernels.VARIABLE not in kernels.os.environ
