"""Weights & Biases as a `RunLogger`; the package wandb is optional."""

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports import video
from dreamer_tf.reports.pictures import FRAMES_PER_SECOND


class WandbLogger:
    """Sends a run's configuration, measurements and videos to Weights & Biases.

    A run that is continued goes on there, too: its id follows from the project and the run's
    folder. Its axis is `step`, in environment steps; what a kill made a run measure twice is there
    twice.

    Args:
        project: the project's name there.
        **settings: what else `wandb.init` is to get, as entity, tags or mode="offline".

    Raises:
        UserError: wandb is not installed.
    """

    def __init__(self, project: str = "dreamer_tf", **settings: Any):
        try:
            import wandb
        except ImportError:
            raise UserError("Weights & Biases needs a package: pip install wandb") from None
        self._wandb = wandb
        self._settings = {"project": project, **settings}
        self._run = None

    def begin(self, run: Path, config: dict[str, Any], step: int) -> None:
        """See `RunLogger`."""
        place = f"{self._settings['project']}:{run.resolve()}"
        defaults = {
            "id": hashlib.sha256(place.encode()).hexdigest()[:16],
            "name": "-".join(run.parts[-3:]),
            "resume": "allow",
            "dir": str(run.parents[2]),  # The logdir.
        }
        self._run = self._wandb.init(**{**defaults, **self._settings}, config=config)
        self._run.define_metric("*", step_metric="step")

    def write(self, group: str, counters: dict[str, float], metrics: dict[str, float]) -> None:
        """See `RunLogger`."""
        named = {f"{group}/{name}": value for name, value in metrics.items()}
        self._run.log({**counters, **named})

    def video(self, tag: str, step: int, frames: np.ndarray) -> None:
        """See `RunLogger`."""
        picture = io.BytesIO(video.encode_gif(frames, FRAMES_PER_SECOND))
        moving = self._wandb.Video(picture, format="gif")  # Its own encoder is one package more.
        self._run.log({"step": step, tag: moving})

    def end(self) -> None:
        """See `RunLogger`."""
        if self._run is not None:
            self._run.finish()
            self._run = None
