"""Sequences: what is drawn, how often, ahead of time, and after files were damaged."""

import errno
import itertools
import os
import resource
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from episodes_for_tests import (
    RECORD,
    SEED,
    draw,
    make_episodes,
    make_records,
    places,
    prefetched,
    same,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from runs_for_tests import wait_for
from scipy import stats

from dreamer_tf.basics.errors import UserError
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.prefetch import Prefetch
from dreamer_tf.experience.sources import Rollouts, Sequences, Windows, make_source

# What is drawn.


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 12), min_size=1, max_size=5),
    batch_size=st.integers(1, 6),
    length=st.integers(1, 15),
    update=st.integers(0, 10**6),
    balance=st.booleans(),
)
def test_sequences_are_pieces_of_the_files(lengths, batch_size, length, update, balance):
    with tempfile.TemporaryDirectory() as folder:
        batch = draw(make_episodes(folder, lengths), update, batch_size, length, balance=balance)
        stored = {int(path.name[:6]): np.load(path) for path in Path(folder).iterdir()}
    for row in range(batch_size):
        expected_index, expected_position = None, None
        for step in range(length):
            index, position = places(batch)[row, step]
            record = stored[index][position]
            for name in RECORD.names:
                assert np.array_equal(batch[name][row, step], record[name])
            assert batch["is_first"][row, step] == (position == 0)
            if step == 0:
                # Episodes at least as long as the sequence are never left before its end.
                assert position + length <= lengths[index] or position == 0
            elif expected_index is not None:
                assert (index, position) == (expected_index, expected_position)
            else:
                assert position == 0
            ended = position + 1 == lengths[index]
            expected_index, expected_position = (None, None) if ended else (index, position + 1)


def test_fields_keep_their_types_and_are_contiguous(tmp_path):
    batch = draw(make_episodes(tmp_path, [20, 30]), 0, 3, 10)
    assert list(batch) == list(RECORD.names)
    assert batch["image"].shape == (3, 10, 4, 4, 3) and batch["image"].dtype == np.uint8
    assert batch["action"].shape == (3, 10, 2) and batch["action"].dtype == np.float32
    assert batch["reward"].shape == (3, 10) and batch["is_last"].dtype == bool
    assert all(array.flags.c_contiguous and array.flags.aligned for array in batch.values())


def test_episodes_and_starts_are_uniform(tmp_path):
    lengths, length = [10, 13, 30], 10
    episodes = make_episodes(tmp_path, lengths)
    drawn = np.concatenate([places(draw(episodes, u, 20, length))[:, 0] for u in range(300)])
    assert stats.chisquare(np.bincount(drawn[:, 0], minlength=3)).pvalue > 1e-3
    for index, records in enumerate(lengths):
        starts = drawn[drawn[:, 0] == index, 1]
        counts = np.bincount(starts, minlength=records - length + 1)
        # Every possible start, 0 and the one that ends with the last record included.
        assert len(counts) == records - length + 1 and counts.min() > 0
        if len(counts) > 1:
            assert stats.chisquare(counts).pvalue > 1e-3


def test_balanced_sequences_have_ends_as_often_as_their_length_says(tmp_path):
    records, length = 60, 10
    episodes = make_episodes(tmp_path, [records])
    balanced = [draw(episodes, u, 20, length, balance=True) for u in range(300)]
    starts = np.concatenate([places(batch)[:, 0, 1] for batch in balanced])
    expected = np.ones(records - length + 1)
    expected[-1] = length  # What would begin later is moved here.
    counts = np.bincount(starts, minlength=len(expected))
    assert stats.chisquare(counts, expected * len(starts) / records).pvalue > 1e-3


@pytest.mark.parametrize("wanted", [Sequences(3, 4), Windows(3, 1, 2), Rollouts(4)])
def test_every_source_draws_the_same_sequences_to_look_at(tmp_path, wanted):
    episodes = make_episodes(tmp_path, [3, 8, 20])
    source = make_source(wanted, episodes, SEED)
    assert same(source.sample(5, 6, 7), draw(episodes, 5, 6, 7))


def test_an_episode_after_a_short_one_is_uniform_and_begins_at_its_reset(tmp_path):
    episodes = make_episodes(tmp_path, [3, 4, 40])
    batches = np.concatenate([places(draw(episodes, u, 20, 10)) for u in range(200)])
    after = batches[batches[:, 0, 0] == 0][:, 3]
    assert (after[:, 1] == 0).all()
    assert stats.chisquare(np.bincount(after[:, 0], minlength=3)).pvalue > 1e-3


def test_batches_depend_on_seed_update_and_known_episodes_only(tmp_path):
    lengths = [20, 25, 6, 30]
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    episodes = make_episodes(tmp_path / "a", lengths)
    first = draw(episodes, 5, 4, 10)
    draw(episodes, 6, 4, 10)
    assert same(draw(episodes, 5, 4, 10), first)
    assert same(draw(Episodes(tmp_path / "a", RECORD, pytest.fail), 5, 4, 10), first)
    other_order = Episodes(tmp_path / "b", RECORD, pytest.fail)
    for index in (2, 0, 3, 1):
        other_order.add(index, make_records(index, lengths[index]))
    assert other_order.known == ((0, 20), (1, 25), (2, 6), (3, 30))
    assert same(draw(other_order, 5, 4, 10), first)
    assert not same(draw(episodes, 6, 4, 10), first)
    again = Episodes(tmp_path / "a", RECORD, pytest.fail)
    assert not same(draw(again, 5, 4, 10, SEED + 1), first)
    episodes.add(9, make_records(9, 30))
    assert not same(draw(episodes, 5, 4, 10), first)


# Prefetching.


def prefetchers():
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


@pytest.mark.parametrize("balance", [False, True])
def test_prefetched_batches_are_the_sampled_ones(tmp_path, balance):
    episodes = make_episodes(tmp_path, [20, 25, 6, 30])
    expected = [draw(episodes, update, 4, 10, balance=balance) for update in range(3, 12)]
    with prefetched(episodes, 3, 9, 4, 10, balance=balance) as batches:
        episodes.add(8, make_records(8, 50))  # Too late for these.
        obtained = list(batches)
        assert next(batches, None) is None
    assert len(obtained) == 9
    assert all(same(*pair) for pair in zip(obtained, expected, strict=True))
    assert not prefetchers()


@pytest.mark.parametrize("taken", [0, 1, 4])
def test_closing_early_leaves_no_thread(tmp_path, taken):
    episodes = make_episodes(tmp_path, [20, 25])
    with prefetched(episodes, 0, 1000, 4, 10) as batches:
        assert prefetchers()
        obtained = list(itertools.islice(batches, taken))
    assert len(obtained) == taken
    assert not prefetchers()
    with pytest.raises(ZeroDivisionError), prefetched(episodes, 0, 1000, 4, 10):
        _ = 1 / 0
    assert not prefetchers()


def test_no_more_than_the_depth_is_made_ahead():
    made = []
    with Prefetch((made.append(i) or i for i in range(100)), 2) as items:
        wait_for(lambda: len(made) == 2)
        time.sleep(0.2)
        assert made == [0, 1]
        assert next(items) == 0
        wait_for(lambda: len(made) == 3)
        time.sleep(0.2)
        assert made == [0, 1, 2]


def test_an_exception_in_the_thread_is_raised_in_its_place(tmp_path):
    def items():
        yield 1
        raise OSError("broken")

    with Prefetch(items(), 2) as prefetch:
        assert next(prefetch) == 1
        with pytest.raises(OSError, match="broken"):
            next(prefetch)
        assert next(prefetch, "ended") == "ended"
    episodes = Episodes(tmp_path, RECORD, pytest.fail)
    with (
        prefetched(episodes, 0, 1, 4, 10) as batches,
        pytest.raises(UserError, match="no episodes"),
    ):
        next(batches)
    assert not prefetchers()


# Damage while a run uses the files.


def spoil_truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def spoil_noise(path):
    size = path.stat().st_size
    path.write_bytes(np.random.default_rng(0).bytes(size))


def spoil_inside(path):
    content = bytearray(path.read_bytes())
    middle = slice(len(content) // 4, 3 * len(content) // 4)
    content[middle] = np.random.default_rng(0).bytes(middle.stop - middle.start)
    path.write_bytes(content)


@pytest.mark.parametrize("spoil", [spoil_truncate, spoil_noise, spoil_inside, os.remove])
def test_episodes_damaged_later_are_replaced_by_others(tmp_path, spoil):
    results = []
    for copy in ("a", "b"):
        folder = tmp_path / copy
        folder.mkdir()
        episodes = make_episodes(folder, [100, 100, 100])
        warnings = []
        episodes._warn = warnings.append
        with prefetched(episodes, 0, 5, 10, 20) as batches:
            list(batches)
        spoil(folder / "000001-100.npy")
        with prefetched(episodes, 5, 5, 10, 20) as batches:
            results.append(list(batches))
        assert len(warnings) == 1 and "000001-100.npy" in warnings[0]
        assert episodes.known == ((0, 100), (2, 100))
    assert all(same(*pair) for pair in zip(*results, strict=True))
    for batch in results[0]:
        for sequence in places(batch):
            assert sequence[0, 0] in (0, 2)
            assert (np.diff(sequence[:, 1]) == 1).all() and len(set(sequence[:, 0])) == 1


def test_a_process_out_of_descriptors_does_not_forget_episodes(tmp_path):
    episodes = make_episodes(tmp_path, [20, 20])
    opened = []
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limit[1]))
    try:
        with pytest.raises(OSError) as caught:
            while True:
                opened.append(os.open(os.devnull, os.O_RDONLY))
        assert "Too many" in caught.value.strerror
        with pytest.raises(OSError, match="Too many"):
            draw(episodes, 0, 4, 10)
    finally:
        for descriptor in opened:
            os.close(descriptor)
        resource.setrlimit(resource.RLIMIT_NOFILE, limit)
    assert len(episodes.known) == 2
    draw(episodes, 0, 4, 10)


@pytest.mark.parametrize("number", [errno.ESTALE, errno.ETIMEDOUT])
def test_a_server_that_is_away_takes_no_episodes(tmp_path, monkeypatch, number):
    episodes = make_episodes(tmp_path, [20, 20])

    def away(*given):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Episodes, "read_into", away)
    with pytest.raises(OSError, match=os.strerror(number)):
        draw(episodes, 0, 4, 10)
    assert len(episodes.known) == 2


def test_an_empty_replay_says_what_to_do(tmp_path):
    warnings = []
    episodes = make_episodes(tmp_path, [20])
    episodes._warn = warnings.append
    os.remove(tmp_path / "000000-20.npy")
    with pytest.raises(UserError, match="prefill") as caught:
        draw(episodes, 0, 4, 10)
    assert caught.value.status == 1 and len(warnings) == 1
    with pytest.raises(KeyError):
        episodes.read(0)


def test_reading_a_damaged_episode_is_an_error_that_names_it(tmp_path):
    warnings = []
    episodes = make_episodes(tmp_path, [20, 20])
    episodes._warn = warnings.append
    spoil_truncate(tmp_path / "000001-20.npy")
    with pytest.raises(UserError, match="000001-20.npy"):
        episodes.read(1)
    assert episodes.known == ((0, 20),) and len(warnings) == 1
