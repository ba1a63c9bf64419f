"""python -m dreamer_tf.tensorboard: TensorBoard on the runs, without its warnings."""

import itertools
import os
import sys
from pathlib import Path

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports import terminal


@terminal.guarded
def main(words: list[str]) -> int:
    """Becomes TensorBoard, which knows the options; --logdir is runs unless it is given."""
    if words and not words[0].startswith("-"):
        raise UserError(f"{words[0]}: name the folder with --logdir {words[0]}")
    asked = any(word.startswith(("--logdir", "--help", "-h", "--version")) for word in words)
    if not asked and not Path("runs").is_dir():
        raise UserError("there is no folder runs here: name one with --logdir")
    words = list(words) if asked else ["--logdir", "runs", *words]
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        folder = following if word == "--logdir" else word.partition("--logdir=")[2]
        if folder and "://" not in folder and not Path(os.path.expanduser(folder)).is_dir():
            # It may be made while TensorBoard runs.
            print(f"warning: there is no folder {folder} yet", file=sys.stderr)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.stdout.flush()
    command = [sys.executable, "-W", "ignore", "-m", "tensorboard.main", *words]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
