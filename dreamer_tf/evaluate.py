"""python -m dreamer_tf.evaluate RUN: episodes with the agent's best actions, and their returns."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dreamer_tf.agents.protocol import without_dreams
from dreamer_tf.basics import atomic, outputs, seeding
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.schema import Config
from dreamer_tf.envs import gl
from dreamer_tf.envs.process import starting
from dreamer_tf.reports import pictures, predictions, terminal, video
from dreamer_tf.runs import resume, saved_agent
from dreamer_tf.runs.checkpoint import Checkpoint
from dreamer_tf.training import evaluator

if TYPE_CHECKING:
    from dreamer_tf.agents.dreams import Dreams

WINDOWS = 3
# Its images are small and few: more colours are not seen.
PREDICTION_COLOURS = 64


def parse(words: list[str]) -> argparse.Namespace:
    """Returns the parsed command line."""
    parser = argparse.ArgumentParser(
        prog="python -m dreamer_tf.evaluate",
        usage="%(prog)s RUN [--episodes N] [--seed N] "
        "[--action mode|mean] [--task TASK | --trust] [--json FILE] [--video FILM] "
        "[--predict FILM]",
        description="Runs episodes with a run's newest checkpoint, without exploration.",
    )
    parser.add_argument("run", metavar="RUN", help="a run's folder: runs/<task>/<name>/<seed>")
    parser.add_argument("--episodes", type=int, default=10, help="how many (default 10)")
    parser.add_argument(
        "--seed", type=int, default=100, help="of environments and policy (default 100)"
    )
    parser.add_argument(
        "--action",
        choices=("mode", "mean"),
        help="which action of the policy counts as its best (default: the run's evaluate.action)",
    )
    saved_agent.add_trust(parser)
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    parser.add_argument(
        "--video", type=Path, help="film the first episode in this .gif or .mp4 file"
    )
    parser.add_argument(
        "--predict",
        type=Path,
        help="show what the model predicts of the first episode in this .gif or .mp4 file, and "
        "beside it in a .png like figure 5 of the paper and a .csv of the errors; vectors as lines",
    )
    arguments = parser.parse_args(words)
    if arguments.episodes < 1:
        raise UserError(f"--episodes {arguments.episodes}: give a number of at least 1")
    if arguments.seed < 0:
        raise UserError(f"--seed {arguments.seed}: give a number of at least 0")
    for option in ("json", "video", "predict"):
        path = getattr(arguments, option)
        if path is None:
            continue
        found = outputs.file(path, f"--{option}")
        # Of a link the file that it leads to is written.
        setattr(arguments, option, found.resolve() if found.is_symlink() else found)
        if option != "json":
            video.check_suffix(path, f"--{option} ")
    _check_apart(arguments)
    return arguments


def beside_prediction(path: Path) -> tuple[Path, Path, Path]:
    """Returns (strip of frames, curves of vectors, errors): what --predict writes beside a film."""
    curves = path.with_name(f"{path.stem}_vectors.png")
    return path.with_suffix(".png"), curves, path.with_suffix(".csv")


def _check_apart(arguments):
    """Raises a UserError where two of the options would write one file."""
    written = {}
    for option in ("json", "video", "predict"):
        path = getattr(arguments, option)
        if path is None:
            continue
        beside = beside_prediction(path) if option == "predict" else ()
        for each in (path, *beside):
            other = written.setdefault(each.resolve(), option)
            if other != option:
                raise UserError(f"--{option} {path} would write over --{other}: name another file")


def results(
    episodes: list[evaluator.Evaluated],
    arguments: argparse.Namespace,
    settings: Config,
    saved: Checkpoint,
) -> dict[str, Any]:
    """Returns what `--json` writes."""
    mean, error = evaluator.summarize(episodes)
    return {
        "run": str(arguments.run),
        "task": settings.task,
        "checkpoint": saved.path.name,
        "step": saved.state["counters"]["step"],
        "seed": arguments.seed,
        "action": arguments.action or settings.evaluate.action,
        "mean": mean,
        "standard_error": error,
        "returns": [episode.total for episode in episodes],
        "lengths": [episode.length for episode in episodes],
    }


@terminal.guarded
def main(words: list[str]) -> int:
    """Evaluates; returns the exit status."""
    arguments = parse(words)
    settings = saved_agent.load_config(arguments.run)
    saved_agent.check_trust(
        arguments.run,
        settings,
        arguments.trust or arguments.task,
        "give --task with it, or --trust",
    )
    saved = saved_agent.load_checkpoint(
        arguments.run, lambda text: print(f"warning: {text}", file=sys.stderr)
    )
    filming = arguments.video is not None
    # A run that saw without OpenGL can be evaluated without, but not filmed.
    blind = not gl.requires_gl(settings.task, settings.env.observation)
    backend = starting.find_gl(settings, filming, "leave --video out" if blind else "")
    start_worker = starting.worker_starter(settings, backend, filming)
    with terminal.quiet_start():
        from dreamer_tf.networks import precision

        precision.prepare_devices()
    agent = saved_agent.restore_agent(settings, saved)
    if arguments.predict is not None and agent.dreams is None:
        raise UserError(f"--predict {arguments.predict}: {without_dreams(settings.agent)}")
    if arguments.predict is not None and not agent.dreams.can_predict:
        raise UserError(f"--predict {arguments.predict}: this agent's model has no decoder")
    action = arguments.action or settings.evaluate.action
    runner = evaluator.Evaluator(
        start_worker, agent, arguments.seed, print, action, filmed=int(filming)
    )
    try:
        resume.check_environment(saved, runner.spec)
        if filming and not runner.can_render:
            named = f"--video {arguments.video}"
            raise UserError(f"{named}: this environment renders no frames; leave it out")
        recorded = int(arguments.predict is not None)
        episodes = runner.run(arguments.episodes, recorded=recorded, tell=tell_episode)
    finally:
        runner.close()
    for path in filter(None, (arguments.json, arguments.video, arguments.predict)):
        path.parent.mkdir(parents=True, exist_ok=True)
    tell(episodes, results(episodes, arguments, settings, saved), arguments)
    if arguments.predict is not None:
        show_prediction(agent.dreams, episodes[0].records, arguments)
    return 0


def tell_episode(number: int, episode: evaluator.Evaluated) -> None:
    """Prints what an episode returned, at once: the next one may take minutes."""
    line = f"episode {number}: return {episode.total:.2f}, {episode.length} agent steps"
    print(line, flush=True)


def tell(
    episodes: list[evaluator.Evaluated], summary: dict[str, Any], arguments: argparse.Namespace
) -> None:
    """Prints the mean return and writes what `--json` and `--video` ask for.

    Args:
        episodes: `Evaluated` episodes.
        summary: their `results`.
        arguments: the command line's.
    """
    spread = "" if len(episodes) < 2 else f" +- {summary['standard_error']:.2f} (standard error)"
    print(
        f"{summary['task']}, step {summary['step']}: mean return {summary['mean']:.2f}{spread}, "
        f"actions: the policy's {summary['action']}"
    )
    if arguments.json is not None:
        text = json.dumps(summary, indent=2) + "\n"
        atomic.write(arguments.json, text.encode())
    if arguments.video is not None:
        write_video(arguments.video, episodes[0].film.frames())
        print(f"{arguments.video}: episode 0, return {episodes[0].total:.2f}")


def show_prediction(
    dreams: "Dreams", records: np.ndarray | None, arguments: argparse.Namespace
) -> None:
    """Writes the video of `--predict`, the strip, the vectors' lines, and the errors.

    Windows are from the episode's beginning, middle and end.

    Raises:
        UserError: there was no room for the records.
    """
    if records is None:
        text = "the episode found no room in the folder of temporary files"
        raise UserError(f"--predict {arguments.predict}: {text}; free some, or set TMPDIR", 1)
    batch = pictures.windows([records], WINDOWS, predictions.LENGTH)
    seed = seeding.pair(arguments.seed, "evaluation/prediction", 0)
    path, written = arguments.predict, []
    beside, lines, errors = beside_prediction(path)
    found = predictions.files(dreams, batch, seed)
    if "images" in found:
        frames, strip = found["images"]
        write_video(path, frames, PREDICTION_COLOURS)
        atomic.write(beside, video.encode_png(strip))
        written += [path, beside]
    if "vectors" in found:
        atomic.write(lines, video.encode_png(found["vectors"]))
        written.append(lines)
    atomic.write(errors, found["csv"])
    if "images" not in found:
        print(f"{path}: not made, the agent sees no images")
    names = ", ".join(map(str, [*written, errors]))
    print(f"{names}: {predictions.CONTEXT} steps seen, the others predicted")


def write_video(path: Path, frames: np.ndarray, colours: int = video.COLOURS) -> None:
    """Writes frames in the format of the file's name."""
    data = video.encode(frames, pictures.FRAMES_PER_SECOND, path.suffix, colours)
    atomic.write(path, data)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
