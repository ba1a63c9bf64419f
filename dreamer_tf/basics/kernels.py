"""Which of its kernels TensorFlow computes with."""

import os
import platform

VARIABLE = "TF_ENABLE_ONEDNN_OPTS"
X86 = {"x86_64", "amd64"}


def choose() -> None:
    """Has TensorFlow use oneDNN on every x86 processor; call it before TensorFlow is loaded.

    By itself it does so only where there are instructions for neural networks (AVX512-VNNI); on
    others convolutions take up to twice as long. What the variable already says is left as it is.
    """
    if platform.machine().lower() in X86:
        os.environ.setdefault(VARIABLE, "1")
