"""Makes an agent to give away from a run: `tools/run python tools/ship.py RUN --out FOLDER`.

The folder is opened by `evaluate`, `dream` and `dreamer_tf.load` like the run itself.
"""

import argparse
import sys
from pathlib import Path

# Where the package is not installed, it is beside this file.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from dreamer_tf.basics import outputs
from dreamer_tf.reports import summary
from dreamer_tf.reports.terminal import guarded
from dreamer_tf.runs import saved_agent, shipping


@guarded
def main(words: list[str]) -> int:
    """Ships; returns the exit status."""
    parser = argparse.ArgumentParser(description="Makes an agent to give away from a run.")
    parser.add_argument("run", metavar="RUN", help="a run's folder: runs/<task>/<name>/<seed>")
    parser.add_argument("--out", required=True, help="the folder to make, as agents/<task>")
    parser.add_argument(
        "--full", action="store_true", help="keep float32; by default kernels become float16"
    )
    arguments = parser.parse_args(words)
    out = outputs.folder(arguments.out, "--out")
    size = shipping.ship(
        arguments.run,
        out,
        not arguments.full,
        lambda text: print(f"warning: {text}", file=sys.stderr),
    )
    task = saved_agent.load_config(out).task
    print(f"{out}: {size / 1e6:.1f} MB; try {summary.opened(out, task)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
