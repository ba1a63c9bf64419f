"""A run that is to be made: its command, its folder, and how far it is."""

import dataclasses
import functools
import json
from pathlib import Path

from dreamer_tf.basics import child
from dreamer_tf.basics.run_files import CHECKPOINTS
from dreamer_tf.config.command_line import check_name
from dreamer_tf.config.files import from_yaml, load_config
from dreamer_tf.config.schema import Config, flatten
from dreamer_tf.envs import check_task
from dreamer_tf.runs import checkpoint, versions
from dreamer_tf.runs.counters import Counters
from dreamer_tf.runs.going_on import differences
from dreamer_tf.runs.run_directory import CONFIG, METRICS, run_path
from dreamer_tf.training.schedule import Schedule

ROOT = Path(__file__).resolve().parents[2]
TAIL_BYTES = 65536
ACTION = "evaluate.action"
MOST = 1e300  # Whole numbers of a damaged line can be larger than any float.


@dataclasses.dataclass(frozen=True)
class Plan:
    """One run of a sweep.

    Attributes:
        task: the environment's name.
        presets: names of presets, the later one wins.
        name: of the run's folder; runs of one name are one method or setting.
        seed: the run's seed.
        overrides: pairs (key, text) as on the command line.
    """

    task: str
    presets: tuple[str, ...]
    name: str
    seed: int
    overrides: tuple[tuple[str, str], ...] = ()

    def config(self) -> Config:
        """Returns the resolved `Config`.

        Raises:
            UserError: a preset, key, value or task that does not exist, or an impossible name.
        """
        return self._config

    @functools.cached_property
    def _config(self):
        # Asked for every two seconds: read once.
        check_task(self.task)
        check_name(self.name)
        own = (("task", self.task), ("seed", str(self.seed)))
        return load_config(self.presets, [*self.overrides, *own])

    def folder(self, logdir: str | Path) -> Path:
        """Returns the run's folder."""
        return run_path(logdir, self.task, self.name, self.seed)

    def command(self, logdir: str | Path) -> list[str]:
        """Returns the words that start, continue or prolong the run."""
        words = [*child.python("dreamer_tf.train", [str(ROOT)]), "--logdir", str(logdir)]
        words += ["--name", self.name, "--task", self.task, "--seed", str(self.seed)]
        if self.presets:
            words += ["--configs", *self.presets]
        for key, value in self.overrides:
            words += [f"--{key}", value]
        # Another sweep may have begun a run of the same name: one that is longer goes on to its
        # own end, one that is shorter is prolonged.
        planned, steps = _planned(self.folder(logdir)) or 0, self.config().steps
        if planned > steps:
            return [*words, "--steps", str(planned)]
        return words + (["--extend"] if 0 < planned < steps else [])

    def clashes(self, logdir: str | Path) -> list[str]:
        """Returns the keys, without steps, that the run in the folder has other values of.

        They matter for what is learned or, as `evaluate.action`, for what is measured of a policy.
        """
        path = self.folder(logdir) / CONFIG
        if not path.is_file():
            return []
        there, here = flatten(from_yaml(path, versions.KEYS)), flatten(self.config())
        keys = [key for key in differences(there, here) if key != "steps"]
        if self.config().behavior is not None and there.get(ACTION) != here.get(ACTION):
            keys.append(ACTION)
        return keys

    def progress(self, logdir: str | Path) -> "Progress":
        """Returns the run's `Progress`, from what its folder holds.

        Raises:
            UserError: its checkpoints are of a newer version.
        """
        folder, config = self.folder(logdir), self.config()
        state = checkpoint.read_state(folder / CHECKPOINTS)
        tail = _last_lines(folder / METRICS)
        returns = _numbers(tail, "test/return")
        # Each is of equally many steps: their times are averaged, not their speeds.
        times = [1 / speed for speed in _numbers(tail, "fps") if speed > 0]
        planned, done, saved = _planned(folder) or 0, False, 0
        if state is not None:
            versions.check_format(state)
            counters = Counters(**state["counters"])
            saved = counters.step
            # Of a run that is to be longer all that counts here is there with an evaluation of it.
            beyond = planned > config.steps and counters.evaluated_at >= config.steps
            done = beyond or Schedule(config, state.get("at_once", False)).finished(counters)
        return Progress(
            step=int(max(_numbers(tail, "step"), default=0)),
            saved=saved,
            steps=config.steps if done else max(config.steps, planned),
            last_return=returns[-1] if returns else None,
            speed=len(times) / sum(times) if times else None,
            done=done,
            written=_written(folder / METRICS),
        )


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        step: environment steps made.
        saved: those of the newest checkpoint.
        steps: those that are wanted; of a longer run that is not done, its own.
        last_return: of the newest evaluation, None before the first.
        speed: environment steps a second of late, None where nothing has been measured.
        done: whether there is nothing left to do.
        written: when its log was last written, seconds of the epoch, None without one.
    """

    step: int
    saved: int
    steps: int
    last_return: float | None
    speed: float | None
    done: bool
    written: float | None = None


def _numbers(lines, name):
    """Returns the numbers of a name in measurements; what is no number is left out."""
    values = [line.get(name) for line in lines]
    return [each for each in values if type(each) in (int, float) and abs(each) < MOST]


def _written(path):
    try:
        return path.stat().st_mtime
    except OSError:
        return None


def _planned(folder):
    """Returns the steps that a run's own configuration asks for, None without one."""
    path = Path(folder) / "config.yaml"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    found = [line.partition(":")[2].strip() for line in lines if line.startswith("steps:")]
    return int(found[0]) if found and found[0].isdigit() else None


def _last_lines(path):
    """Returns the last measurements of a metrics.jsonl; what is cut or damaged is left out."""
    try:
        with open(path, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            lines = file.read().split(b"\n")
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            found.append(value)
    return found
