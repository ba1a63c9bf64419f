"""dreamer-tf VERB, or python -m dreamer_tf VERB: the programs by one name."""

import importlib
import sys

VERBS = {
    "train": "train an agent:         dreamer-tf train --logdir runs/ (--help shows every key)",
    "evaluate": "evaluate a run:         dreamer-tf evaluate RUN --episodes 10",
    "dream": "play inside its model:  dreamer-tf dream RUN",
    "tensorboard": "curves and videos:      dreamer-tf tensorboard [--logdir runs/]",
    "doctor": "check this machine:     dreamer-tf doctor",
}


def main(words: list[str] | None = None) -> int:
    """Hands the words after a verb to its program; returns the exit status.

    Args:
        words: those after the program's name, by default those it was started with.
    """
    words = sys.argv[1:] if words is None else words
    verb = words[0] if words else ""
    if verb in VERBS:
        return importlib.import_module(f"dreamer_tf.{verb}").main(words[1:])
    usage = ["usage: dreamer-tf VERB [ARGUMENTS]", ""]
    usage = "\n".join([*usage, *(f"  {name:<12} {text}" for name, text in VERBS.items())])
    if verb in ("help", "-h", "--help"):
        print(usage)
        return 0
    if verb == "--version":
        print(importlib.import_module("dreamer_tf").__version__)
        return 0
    message = f"error: unknown verb {verb!r}; give {', '.join(VERBS)}" if verb else usage
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
