"""python -m dreamer_tf.tensorboard: TensorBoard on the runs, without its warnings."""

import os
import sys
from pathlib import Path

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports import terminal


@terminal.guarded
def main(words):
    """Becomes TensorBoard, which knows the options; --logdir is runs unless it is given."""
    asked = any(word.startswith(("--logdir", "--help", "-h", "--version")) for word in words)
    if not asked and not Path("runs").is_dir():
        raise UserError("there is no folder runs here: name one with --logdir")
    words = list(words) if asked else ["--logdir", "runs", *words]
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stdout.flush()
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", *words]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
