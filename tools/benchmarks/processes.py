"""Programs that are measured in processes of their own."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent.parent


def output(words: Sequence[str], **variables: str) -> str:
    """Returns what a program prints, run in the checkout with these variables besides.

    Raises:
        RuntimeError: it failed; the message is what it had to say.
    """
    paths = {"PYTHONPATH": f"{CHECKOUT}:{CHECKOUT / 'tools'}"}
    variables = {**os.environ, **paths, **variables}
    found = subprocess.run(words, cwd=CHECKOUT, env=variables, capture_output=True, text=True)
    if found.returncode:
        raise RuntimeError(f"{words[1:]} ended with {found.returncode}: {found.stderr}")
    return found.stdout
