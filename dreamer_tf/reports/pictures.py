"""The videos of a run: its evaluation episodes, and what the model predicts of sequences."""

import numpy as np

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports import video

SEQUENCES = 6
LENGTH = 50
CONTEXT = 5
LONGEST_VIDEO = 250
# Of a film so many frames are kept while it is taken.
MOST_FRAMES = 600
WIDEST_VIDEO = 320
FRAMES_PER_SECOND = 20
# The columns of figure 5: the context, then every fifth step.
STRIP_STEPS = (*range(CONTEXT), 6, *range(10, 51, 5))


def episode(records):
    """Returns an episode's images as frames, every n-th where there are many."""
    stride = 1 + (len(records) - 1) // LONGEST_VIDEO
    return video.enlarge(records["image"][::stride], 2)


class Film:
    """The rendered frames of an episode of any length; of very long ones every n-th is kept.

    Args:
        first: uint8 [H, W, 3]; the frames to come are of the same size.
    """

    def __init__(self, first):
        self._frames, self._stride, self._seen = [], 1, 0
        self.add(first)

    def add(self, frame):
        """Adds the next frame."""
        if self._seen % self._stride == 0:
            self._frames.append(video.shrink(frame[None], WIDEST_VIDEO)[0])
        self._seen += 1
        if len(self._frames) > MOST_FRAMES:
            self._frames = self._frames[::2]
            self._stride *= 2

    def encode(self):
        """Returns the bytes of a GIF."""
        stride = 1 + (len(self._frames) - 1) // LONGEST_VIDEO
        return video.encode_gif(np.stack(self._frames[::stride]), FRAMES_PER_SECOND)


def predictions(dreams, batch, seed):
    """Returns the bytes of a GIF of all sequences, of a PNG strip of the first, and `errors`.

    Args:
        dreams: `Dreams` of an agent that observes images.
        batch: {field: [N, L, ...]}.
        seed: int32 [2].

    Raises:
        UserError: the sequences are too short for a prediction.
    """
    length = batch["reward"].shape[1]
    if length <= CONTEXT:
        raise UserError(f"the episode has {length} steps, a prediction needs {CONTEXT + 1}")
    model = dreams.predict(batch, CONTEXT, seed)
    grid = video.prediction_grid(batch["image"], model, CONTEXT)
    steps = [step for step in STRIP_STEPS if step < length]
    strip = video.prediction_strip(batch["image"][0], model[0], CONTEXT, steps)
    moving = video.encode_gif(video.enlarge(grid, 2), FRAMES_PER_SECOND)
    numbers = errors(batch["image"], model, CONTEXT)
    return moving, video.encode_png(video.enlarge(strip, 2)), numbers


def errors(truth, model, context):
    """Returns the bytes of a CSV file that says for each step how far off the images are.

    Its errors are means of absolute differences of pixels, of 255: of the first sequence, which
    the strip shows, and of all.

    Args:
        truth, model: uint8 [N, T, H, W, 3].
        context: number of steps that the model has seen.
    """
    distance = np.abs(truth.astype(np.int16) - model).mean((2, 3, 4))
    lines = ["step,seen,error,error of all sequences"]
    for step, each in enumerate(distance.T):
        seen = "yes" if step < context else "no"
        lines.append(f"{step},{seen},{each[0]:.3f},{each.mean():.3f}")
    return "\n".join([*lines, ""]).encode()


def windows(episodes, count=SEQUENCES, length=LENGTH):
    """Cuts sequences evenly out of episodes.

    Args:
        episodes: list of records [T].
        count: number of sequences.
        length: records in each; less where an episode is shorter.

    Returns:
        {field: [count, length, ...]}.
    """
    length = min(length, *(len(records) for records in episodes))
    sequences = []
    for i, records in enumerate(episodes):
        share = len(range(i, count, len(episodes)))
        starts = np.linspace(0, len(records) - length, share).astype(int)
        sequences += [records[start : start + length] for start in starts]
    joined = np.stack(sequences)
    return {name: np.ascontiguousarray(joined[name]) for name in joined.dtype.names}


def prediction(dreams, batch, seed):
    """Returns frames with rows truth, model and error; None where there is nothing to show.

    Args:
        dreams: an agent's `Dreams` or None.
        batch: {field: [N, L, ...]} with images.
        seed: int32 [2].
    """
    if dreams is None or batch["reward"].shape[1] <= CONTEXT:
        return None
    model = dreams.predict(batch, CONTEXT, seed)
    return None if model is None else video.prediction_grid(batch["image"], model, CONTEXT)
