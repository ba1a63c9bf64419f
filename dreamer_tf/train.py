"""python -m dreamer_tf.train --logdir runs/: starts or continues a run."""

import sys

from dreamer_tf.config import command_line
from dreamer_tf.reports import terminal
from dreamer_tf.reports.wandb_logger import WandbLogger
from dreamer_tf.training import outlook, session


@terminal.guarded
def main(words: list[str]) -> int:
    """Trains; returns the exit status."""
    arguments = command_line.parse(words)
    loggers = () if arguments.wandb is None else (WandbLogger(arguments.wandb),)
    if arguments.dry_run:
        print(outlook.plan(arguments))
        return 0
    session.run_to_end(arguments, session.Extras(loggers))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
