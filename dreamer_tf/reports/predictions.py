"""What a world model predicts: videos and a strip of images, lines of vectors, errors."""

from typing import TYPE_CHECKING

import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports import pictures, plots, video
from dreamer_tf.reports.loggers import Loggers

if TYPE_CHECKING:
    from dreamer_tf.agents.dreams import Dreams
    from dreamer_tf.reports.logger import Logger

CONTEXT = 5
# The columns of figure 5: the context, then every fifth step.
STRIP_STEPS = (*range(CONTEXT), 6, *range(10, 51, 5))
# What TensorBoard calls predicted images and vectors.
SHOWN = ("open_loop", "open_loop_vectors")
LENGTH = STRIP_STEPS[-1] + 1


def shown(
    dreams: "Dreams | None", batch: dict[str, np.ndarray], seed: np.ndarray
) -> dict[str, np.ndarray]:
    """Returns frames by the names of `SHOWN`: what there is to show of a batch.

    Images: rows truth, model and error. Vectors: one frame, truth and model as lines.

    Args:
        dreams: an agent's `Dreams` or None.
        batch: {field: [N, L, ...]}.
        seed: int32 [2].
    """
    if dreams is None or batch["reward"].shape[1] <= CONTEXT:
        return {}
    model = dreams.predict(batch, CONTEXT, seed)
    found = {}
    if "image" in model:
        found[SHOWN[0]] = video.prediction_grid(batch["image"], model.pop("image"), CONTEXT)
    if model:
        truth = {name: batch[name] for name in model}
        found[SHOWN[1]] = plots.prediction_lines(truth, model, CONTEXT)[None]
    return found


def write(
    logger: "Logger | Loggers",
    step: int,
    dreams: "Dreams | None",
    episodes: list[np.ndarray],
    training: dict[str, np.ndarray] | None,
    seed: np.ndarray,
) -> None:
    """Writes the images of a run that TensorBoard shows.

    Args:
        logger: `Logger`.
        step: environment steps made.
        dreams: an agent's `Dreams` or None.
        episodes: records [T] of held-out episodes; the first is shown, from all is predicted.
        training: {field: [N, L, ...]} from training episodes, one in each row; or None.
        seed: int32 [2].
    """
    if "image" in episodes[0].dtype.names:
        logger.video("sim/test/episode", step, pictures.episode(episodes[0]))
    batches = {"test": pictures.windows(episodes), "train": training}
    for group, batch in batches.items():
        for kind, frames in shown(dreams, batch, seed).items() if batch is not None else ():
            logger.video(f"agent/{group}/{kind}", step, frames)


def files(
    dreams: "Dreams", batch: dict[str, np.ndarray], seed: np.ndarray
) -> dict[str, bytes | np.ndarray | tuple[np.ndarray, np.ndarray]]:
    """Returns what `--predict` writes, {"images": (frames, strip), "vectors": lines, "csv": bytes}.

    Frames are uint8 [T, H, W, 3] of all sequences, the strip [H, W, 3] of the first one, the lines
    [H, W, 3].

    Args:
        dreams: `Dreams` of an agent whose model has decoders.
        batch: {field: [N, L, ...]}.
        seed: int32 [2].

    Raises:
        UserError: the sequences are too short for a prediction.
    """
    length = batch["reward"].shape[1]
    if length <= CONTEXT:
        raise UserError(f"the episode has {length} steps, a prediction needs {CONTEXT + 1}")
    model = dreams.predict(batch, CONTEXT, seed)
    truth = {name: batch[name] for name in model}
    found = {"csv": errors(truth, model, CONTEXT)}
    if "image" in model:
        image, predicted = truth.pop("image"), model.pop("image")
        grid = video.enlarge(video.prediction_grid(image, predicted, CONTEXT), 2)
        steps = [step for step in STRIP_STEPS if step < length]
        strip = video.prediction_strip(image[0], predicted[0], CONTEXT, steps)
        found["images"] = video.numbered(grid), video.enlarge(strip, 2)
    if model:
        found["vectors"] = plots.prediction_lines(truth, model, CONTEXT)
    return found


def errors(truth: dict[str, np.ndarray], model: dict[str, np.ndarray], context: int) -> bytes:
    """Returns the bytes of a CSV file that says for each step how far off the model is.

    Its errors are means of absolute differences, of images of 255: of the first sequence, which
    the strip shows, and of all.

    Args:
        truth, model: {name: [N, T, ...]}.
        context: number of steps that the model has seen.
    """
    columns = {}
    for name in model:
        distance = np.abs(np.subtract(truth[name], model[name], dtype=np.float64))
        distance = distance.mean(tuple(range(2, distance.ndim)))
        title = "error" if name == "image" else f"error of {name}"
        columns |= {title: distance[0], f"{title}, all sequences": distance.mean(0)}
    lines = [
        ",".join(["step", "seen", *(f'"{title}"' if "," in title else title for title in columns)])
    ]
    for step, values in enumerate(zip(*columns.values(), strict=True)):
        seen = "yes" if step < context else "no"
        lines.append(",".join([str(step), seen, *(f"{value:.6g}" for value in values)]))
    return "\n".join([*lines, ""]).encode()
