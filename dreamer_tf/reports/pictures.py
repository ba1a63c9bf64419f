"""The videos of a run's episodes, and sequences cut out of them."""

import numpy as np

from dreamer_tf.reports import video

SEQUENCES = 6
LENGTH = 50
LONGEST_VIDEO = 250
# Of a film so many frames are kept while it is taken.
MOST_FRAMES = 600
WIDEST_VIDEO = 320
FRAMES_PER_SECOND = 20


def episode(records: np.ndarray) -> np.ndarray:
    """Returns an episode's images as frames, every n-th where there are many."""
    stride = 1 + (len(records) - 1) // LONGEST_VIDEO
    return video.enlarge(records["image"][::stride], 2)


class Film:
    """The rendered frames of an episode of any length; of very long ones every n-th is kept.

    Args:
        first: uint8 [H, W, 3]; the frames to come are of the same size.
    """

    def __init__(self, first: np.ndarray):
        self._frames, self._stride, self._seen = [], 1, 0
        self.add(first)

    def add(self, frame: np.ndarray) -> None:
        """Adds the next frame."""
        if self._seen % self._stride == 0:
            self._frames.append(video.shrink(frame[None], WIDEST_VIDEO)[0])
        self._seen += 1
        if len(self._frames) > MOST_FRAMES:
            self._frames = self._frames[::2]
            self._stride *= 2

    def frames(self) -> np.ndarray:
        """Returns uint8 [T, H, W, 3] of a length to look at."""
        stride = 1 + (len(self._frames) - 1) // LONGEST_VIDEO
        return np.stack(self._frames[::stride])


def windows(
    episodes: list[np.ndarray], count: int = SEQUENCES, length: int = LENGTH
) -> dict[str, np.ndarray]:
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


def unbroken(batch: dict[str, np.ndarray], count: int) -> dict[str, np.ndarray]:
    """Cuts sequences of a batch down to a single episode each.

    Args:
        batch: {field: [N, L, ...]} with `is_first`; more sequences than are wanted leave a choice.
        count: number of sequences wanted, at most N.

    Returns:
        {field: [count, length, ...]}, from the same starts; of a length as great as they allow.
    """
    later = np.asarray(batch["is_first"])[:, 1:]
    # Up to where the next episode begins.
    lengths = np.where(later.any(1), later.argmax(1) + 1, later.shape[1] + 1)
    length = np.sort(lengths)[-count]
    chosen = np.flatnonzero(lengths >= length)[:count]
    return {name: value[chosen, :length] for name, value in batch.items()}
