"""N-step returns against their definition, a loop over rewards, in windows and in rollouts."""

import numpy as np
import pytest

from dreamer_tf.behavior.n_step import rollout_return, window_return
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sources import Windows, make_source

GAMMA = 0.9
DTYPE = np.dtype(
    [
        ("action", "<f4", (1,)),
        ("reward", "<f4"),
        ("is_first", "?"),
        ("is_last", "?"),
        ("is_terminal", "?"),
    ]
)


def episode(length, number, terminal):
    """Records whose actions say (episode, position) in one number."""
    records = np.zeros(length, DTYPE)
    records["action"][:, 0] = 100 * number + np.arange(length)
    records["reward"] = np.random.default_rng(number).normal(size=length)
    records["is_first"][0] = records["is_last"][-1] = True
    records["is_terminal"][-1] = terminal
    return records


@pytest.mark.parametrize("n", [1, 3, 5])
def test_the_windows_that_a_source_serves_give_the_targets_of_whole_episodes(tmp_path, n):
    """At ends by the task and by the time limit, in episodes shorter than the window, too."""
    lengths = (2, 3, 9, 4, 12)
    made = [episode(length, i, terminal=i % 2 == 0) for i, length in enumerate(lengths)]
    episodes = Episodes(tmp_path, DTYPE, pytest.fail)
    for i, records in enumerate(made):
        episodes.add(i, records)
    source = make_source(Windows(64, before=2, after=n), episodes, seed=0)
    with source.batches(0, 1) as batches:
        batch = next(batches)
    at = 2
    total, bootstrap, steps = window_return(
        batch["reward"][:, at + 1 :],
        batch["window/valid"][:, at + 1 :],
        batch["is_terminal"][:, -1],
        GAMMA,
    )
    seen = set()
    for row in range(64):
        number, t = divmod(int(batch["action"][row, at, 0]), 100)
        records = made[number]
        m = min(n, len(records) - 1 - t)
        expected = sum(GAMMA**i * records["reward"][t + 1 + i] for i in range(m))
        ended = t + m == len(records) - 1 and records["is_terminal"][-1]
        assert steps[row] == m
        np.testing.assert_allclose(total[row], expected, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(bootstrap[row], 0.0 if ended else GAMMA**m, rtol=1e-6)
        assert batch["action"][row, at + m, 0] == 100 * number + t + m
        seen.add((m, bool(ended)))
    assert len(seen) > 1 + (n > 1), "no end was drawn"


def test_rollouts_reach_to_the_end_of_an_episode_and_no_further():
    """One row goes on, one terminates, one meets its time limit, one has two ends."""
    length = 6
    random = np.random.default_rng(3)
    batch = {name: np.zeros((4, length + 1), bool) for name in DTYPE.names[2:]}
    batch["reward"] = random.normal(size=(4, length + 1)).astype(np.float32)
    value = random.normal(size=(4, length + 1)).astype(np.float32)
    for row, end, terminal in ((1, 3, True), (2, 3, False), (3, 1, False), (3, 6, True)):
        batch["is_last"][row, end], batch["is_terminal"][row, end] = True, terminal
        if end < length:
            batch["is_first"][row, end + 1] = True
    found, mask = rollout_return(batch, value, GAMMA)
    for row in range(4):
        for t in range(length):
            assert mask[row, t] == (not batch["is_first"][row, t + 1])
            if not mask[row, t]:
                continue
            expected, factor, k = 0.0, 1.0, t
            while True:
                k += 1
                expected += factor * batch["reward"][row, k]
                factor *= GAMMA
                if batch["is_last"][row, k] or k == length:
                    break
            if not batch["is_terminal"][row, k]:
                expected += factor * value[row, k]
            np.testing.assert_allclose(found[row, t], expected, rtol=1e-5, atol=1e-6)
    assert mask.numpy().sum() == 4 * length - 3
