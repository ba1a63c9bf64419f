"""Windows: what is drawn, how often, with which weights, and that it is the same after a restart.

Expected values come from the records, which tell where they are from, and from plain twins.
"""

import numpy as np
import pytest
from episodes_for_tests import RECORD, SEED, make_records, places, same
from scipy import stats

from dreamer_tf.basics.errors import UserError
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sources import Windows, make_source
from dreamer_tf.experience.windows import LAG


def add(episodes, environment, begin, length):
    """Adds an episode that began at a tick; its records' first action number is its index."""
    index = (begin + length - 1) * episodes.environments + environment
    episodes.add(index, make_records(index, length))
    return index


def make(folder, lengths, environments=1, **keywords):
    """Returns `Episodes` in which environments end episodes one after the other."""
    folder.mkdir(exist_ok=True)
    episodes = Episodes(folder, RECORD, pytest.fail, environments, **keywords)
    begins = [0] * environments
    for number, length in enumerate(lengths):
        i = number % environments
        add(episodes, i, begins[i], length)
        begins[i] += length - 1
    return episodes


def grow(episodes, environment, begin, count, first=0):
    """Has an unfinished episode of recognisable records grow by some."""
    if first == 0:
        episodes.begin(environment, 0, begin)
    records = make_records(10**6, 1000)
    records["is_last"] = False
    for position in range(first, first + count):
        episodes.append(environment, records[position])


def one(source, update):
    with source.batches(update, 1) as batches:
        return next(batches)


def drawn(source, updates):
    """Returns (episode, position) of the drawn steps of some updates, one after the other."""
    before = source._wanted.before
    return np.concatenate([places(one(source, update))[:, before] for update in updates])


def errors_of(batch, before=0):
    """Positive numbers that depend on the drawn steps and on nothing else."""
    index, position = places(batch)[:, before].T
    return (0.1 + (31 * index + 17 * position) % 13).astype(np.float32)


# Windows are pieces of the files.


@pytest.mark.parametrize("before, after", [(0, 0), (2, 5), (0, 1), (3, 0), (20, 20)])
def test_windows_are_the_records_around_a_step_and_say_which_are_there(tmp_path, before, after):
    lengths = [2, 3, 9, 30]
    episodes = make(tmp_path, lengths)
    source = make_source(Windows(64, before, after), episodes, SEED)
    seen = set()
    for update in range(12):
        batch = one(source, update)
        assert set(batch) == {*RECORD.names, "window/valid", "window/weight"}
        assert batch["window/valid"].shape == batch["reward"].shape == (64, before + 1 + after)
        assert (batch["window/weight"] == 1).all() and batch["window/weight"].dtype == np.float32
        for row in range(64):
            index, t = places(batch)[row, before]
            stored = episodes.read(index)
            assert t + 1 < len(stored), "a step that nothing follows was drawn"
            wanted = np.arange(t - before, t + after + 1)
            there = (wanted >= 0) & (wanted < len(stored))
            np.testing.assert_array_equal(batch["window/valid"][row], there)
            expected = stored[np.clip(wanted, 0, len(stored) - 1)]
            for name in RECORD.names:
                np.testing.assert_array_equal(batch[name][row], expected[name])
            seen.add((index, t))
    assert len(seen) == sum(length - 1 for length in lengths), "every one in 768 draws of 40"


def test_an_n_step_target_can_be_made_of_a_window(tmp_path):
    """Against the definition on whole episodes: terminal ones, and those cut by a time limit."""
    steps, discount = 3, 0.9
    episodes = make(tmp_path, [3, 4, 8, 11])
    batch = one(make_source(Windows(200, 0, steps), episodes, SEED), 0)
    for row in range(200):
        index, t = places(batch)[row, 0]
        stored = episodes.read(index)
        end = min(t + steps, len(stored) - 1)
        total = sum(discount ** (k - t - 1) * stored["reward"][k] for k in range(t + 1, end + 1))
        boot = 0 if stored["is_terminal"][end] else discount ** (end - t) * stored["action"][end, 1]
        valid = batch["window/valid"][row]
        last = np.flatnonzero(valid)[-1]
        made = (batch["reward"][row, 1:] * valid[1:] * discount ** np.arange(steps)).sum()
        if not batch["is_terminal"][row, last]:
            made += discount**last * batch["action"][row, last, 1]
        assert made == pytest.approx(total + boot, abs=1e-5)


def test_all_steps_are_alike_whatever_their_episodes_length(tmp_path):
    lengths = [2, 5, 40, 13]
    episodes = make(tmp_path, lengths, environments=2)
    found = drawn(make_source(Windows(100, 1, 2), episodes, SEED), range(120))
    _, counts = np.unique(found, axis=0, return_counts=True)
    assert len(counts) == sum(lengths) - 4
    assert stats.chisquare(counts).pvalue > 1e-3
    neighbours = np.corrcoef(found[:-1, 1], found[1:, 1])[0, 1]
    assert abs(neighbours) < 0.05, "draws are independent"


# Unfinished episodes.


def test_unfinished_episodes_are_drawn_as_far_as_windows_are_visible(tmp_path):
    episodes = make(tmp_path, [5], environments=2)
    episodes.stretch = 8
    source = make_source(Windows(200, 1, 3), episodes, SEED)
    grow(episodes, 1, 0, 7)
    assert {e for e, _ in drawn(source, range(2))} == {4 * 2}
    grow(episodes, 1, 0, 5, first=7)  # 12 records, 8 of them visible.
    found = drawn(source, range(2, 6))
    unfinished = found[found[:, 0] == 10**6, 1]
    assert set(unfinished) == set(range(5)), "those that three visible ones follow"
    with source.batches(6, 3) as batches:
        grow(episodes, 1, 0, 30, first=12)
        for batch in batches:
            positions = places(batch)[..., 1][places(batch)[..., 0] == 10**6]
            assert positions.max() <= 7, "what comes later belongs to later blocks"
            assert batch["window/valid"][places(batch)[:, 1, 0] == 10**6][:, 1:].all()


@pytest.mark.parametrize("cut", [False, True])
def test_priorities_stay_when_an_episode_ends_or_is_cut(tmp_path, cut):
    episodes = make(tmp_path, [9], environments=2)
    episodes.stretch = 4
    source = make_source(Windows(200, 0, 2, priority=1.0), episodes, SEED)
    grow(episodes, 1, 0, 8)
    favourite = (10**6, 3)
    for update in range(10):
        batch = one(source, update)
        chosen = (places(batch)[:, 0] == favourite).all(1)
        source.feedback(update, np.where(chosen, 1000.0, 0.001))
    if cut:
        episodes.abandon(1)
    else:
        grow(episodes, 1, 0, 2, first=8)
        episodes.append(1, make_records(10**6, 11)[-1])
        episodes.finish(1)
    found = drawn(source, [10 + LAG])
    steps, counts = np.unique(found, axis=0, return_counts=True)
    # Those that came with the end have no priority, so they get the largest: the favourite's.
    new = [6] if cut else [6, 7, 8, 9]
    often = counts > 10
    assert steps[often].tolist() == [list(favourite), *([10**6, t] for t in new)]
    assert counts[often].sum() > 190 and stats.chisquare(counts[often]).pvalue > 1e-3


# Priorities.


class Twin:
    """The definition: a priority for every step, looked up and added up one by one."""

    def __init__(self, steps, exponent):
        self.known, self.largest = dict.fromkeys(steps), None
        self.exponent = exponent

    def feed(self, steps, errors):
        for step, error in zip(map(tuple, steps.tolist()), errors, strict=True):
            value = np.float64(error) ** self.exponent
            self.known[step] = value
            self.largest = max(self.largest or value, value)

    def probabilities(self):
        rest = self.largest or 1.0
        values = {step: rest if v is None else v for step, v in self.known.items()}
        total = sum(values.values())
        return {step: value / total for step, value in values.items()}


@pytest.mark.parametrize("exponent, correction", [(1.0, 1.0), (0.6, 0.4)])
def test_draws_are_in_proportion_and_weights_make_up_for_it(tmp_path, exponent, correction):
    lengths = [4, 30, 9, 2]
    episodes = make(tmp_path, lengths, environments=2)
    steps = [(index, t) for index, length in episodes.known for t in range(length - 1)]
    wanted = Windows(40, 0, 2, exponent, correction)
    source, twin = make_source(wanted, episodes, SEED), Twin(steps, exponent)
    for update in range(3):  # Some steps stay without a priority.
        batch = one(source, update)
        source.feedback(update, errors_of(batch))
        twin.feed(places(batch)[:, 0], errors_of(batch))
    assert None in twin.known.values()
    source.feedback(2 + LAG, None)
    expected = twin.probabilities()
    counts = dict.fromkeys(steps, 0)
    for update in range(3 + LAG, 300):
        batch = one(source, update)
        for step in places(batch)[:, 0].tolist():
            counts[tuple(step)] += 1
        own = np.array([expected[tuple(step)] for step in places(batch)[:, 0].tolist()])
        np.testing.assert_allclose(
            batch["window/weight"], (own.min() / own) ** correction, rtol=1e-5
        )
    total = sum(counts.values())
    frequencies = [total * expected[step] for step in steps]
    assert stats.chisquare(list(counts.values()), frequencies).pvalue > 1e-3


def test_an_update_is_drawn_with_what_was_fed_back_lag_updates_before(tmp_path):
    episodes = make(tmp_path, [30, 20])
    runs = {}
    for name, odd in (("same", None), ("odd", 4)):
        source = make_source(Windows(20, 1, 2, priority=1.0), episodes, SEED)
        runs[name] = []
        with source.batches(0, 12) as batches:
            for update, batch in enumerate(batches):
                runs[name].append(batch)
                errors = errors_of(batch, 1) * (1 if update != odd else np.linspace(1, 999, 20))
                source.feedback(update, errors)
    equal = [same(*pair) for pair in zip(*runs.values(), strict=True)]
    assert equal == [True] * (4 + LAG) + [False] * (12 - 4 - LAG)


def test_batches_do_not_depend_on_blocks_or_on_being_given_up(tmp_path):
    episodes = make(tmp_path, [30, 20, 5], environments=2)

    def learn(sizes):
        source, made = make_source(Windows(20, 1, 2, priority=0.7), episodes, SEED), []
        update = 0
        for size, taken in sizes:
            with source.batches(update, size) as batches:
                for _, batch in zip(range(taken), batches, strict=False):
                    made.append(batch)
                    source.feedback(update, errors_of(batch, 1))
                    update += 1
        return made, source.state()

    expected, state = learn([(24, 24)])
    assert len(expected) == 24
    for sizes in ([(1, 1)] * 24, [(5, 5), (10, 2), (10, 10), (10, 3), (10, 4)]):
        found, other = learn(sizes)
        assert all(same(*pair) for pair in zip(found, expected, strict=True))
        assert same(other, state)


@pytest.mark.parametrize("taken", [0, 1, 2, 5, 9])
def test_a_state_in_the_middle_of_a_block_goes_on_exactly(tmp_path, taken):
    wanted = Windows(20, 1, 2, priority=0.7, correction=0.5)
    episodes = make(tmp_path, [30, 20, 5, 9])
    source = make_source(wanted, episodes, SEED)
    for update in range(5):
        batch = one(source, update)
        source.feedback(update, errors_of(batch, 1) if update != 3 else None)
    with source.batches(5, 9) as batches:
        for update in range(5, 5 + taken):
            source.feedback(update, errors_of(next(batches), 1))
        saved = {name: array.copy() for name, array in source.state().items()}
        after = []
        for update in range(5 + taken, 14):
            after.append(next(batches))
            source.feedback(update, errors_of(after[-1], 1))
    restored = make_source(wanted, Episodes(tmp_path, RECORD, pytest.fail), SEED)
    restored.restore(saved)
    assert same(restored.state(), saved)
    assert len(saved["pending_updates"]) <= LAG
    assert saved["priorities"].nbytes < 5 * episodes.steps, "no images"
    with restored.batches(5 + taken, 9 - taken) as batches:
        for update, expected in enumerate(after, start=5 + taken):
            batch = next(batches)
            assert same(batch, expected)
            restored.feedback(update, errors_of(batch, 1))
    assert same(restored.state(), source.state())


def test_dropped_episodes_take_their_priorities_along(tmp_path):
    episodes = make(tmp_path, [20, 20, 20], capacity=60)
    source = make_source(Windows(50, 0, 1, priority=1.0), episodes, SEED)
    for update in range(10):
        batch = one(source, update)
        index = places(batch)[:, 0, 0]
        source.feedback(update, np.where(index == 19, 1e6, 1.0))
    assert (drawn(source, [12])[:, 0] == 19).mean() > 0.9
    add(episodes, 0, 57, 20)
    found = drawn(source, [13])
    assert set(found[:, 0]) <= {38, 57, 76} and 76 in found[:, 0]
    state = source.state()
    assert len(state["priorities"]) == 57 and int(state["first"]) == 20
    for name, array in state.items():
        assert array.nbytes <= 60 * 8 * LAG, name
    restored = make_source(Windows(50, 0, 1, priority=1.0), episodes, SEED)
    restored.restore(state)
    assert same(one(restored, 14), one(source, 14))


def test_what_tells_nothing_new_changes_nothing(tmp_path):
    """Known priorities stay, unknown ones stay the largest; neither becomes part of the largest."""
    source = make_source(Windows(5, 0, 1, priority=1.0), make(tmp_path, [20]), SEED)
    one(source, 0)
    source.feedback(0, np.array([0.02, 0.05, -1, -1, 0.03]))
    for update in range(1, LAG + 1):
        one(source, update)
        source.feedback(update, np.full(5, -1))
    state = source.state()
    assert float(state["largest"]) == pytest.approx(0.05)
    told = set(np.round(state["priorities"].astype(float), 4)) - {-1.0}
    assert told and told <= {0.02, 0.03, 0.05}


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -2.0])
def test_priorities_that_are_no_priorities_end_the_run(tmp_path, wrong):
    source = make_source(Windows(5, 0, 1, priority=1.0), make(tmp_path, [20]), SEED)
    one(source, 0)
    source.feedback(0, np.full(5, wrong))
    with pytest.raises(FloatingPointError, match="priorities"):
        one(source, LAG)


def test_an_error_of_zero_is_drawn_again_some_day(tmp_path):
    source = make_source(Windows(5, 0, 1, priority=1.0), make(tmp_path, [3]), SEED)
    for update in range(10):
        one(source, update)
        source.feedback(update, np.zeros(5))
    assert len(drawn(source, range(10, 30))) == 100


# Damage, emptiness.


def test_an_unreadable_episode_is_left_out_with_a_warning(tmp_path):
    results = []
    for copy in ("a", "b"):
        episodes = make(tmp_path / copy, [50, 50, 50])
        warnings = []
        episodes._warn = warnings.append
        source = make_source(Windows(30, 1, 2, priority=1.0), episodes, SEED)
        (tmp_path / copy / "000098-50.npy").unlink()
        results.append([])
        with source.batches(0, 6) as batches:
            for update, batch in enumerate(batches):
                results[-1].append(batch)
                source.feedback(update, errors_of(batch, 1))
                assert set(places(batch)[:, 1, 0]) == {49, 147}
        assert len(warnings) == 1 and "000098-50.npy" in warnings[0]
    assert len(results[0]) == 6
    assert all(same(*pair) for pair in zip(*results, strict=True))


def test_nothing_to_learn_from_is_said(tmp_path):
    episodes = make(tmp_path, [])
    source = make_source(Windows(5, 0, 1), episodes, SEED)
    assert not source.ready()
    with pytest.raises(UserError, match="no steps to learn from"):
        one(source, 0)
    grow(episodes, 0, 0, 30)
    assert not source.ready(), "nothing is visible yet"
    add(episodes, 0, 0, 1)
    assert not source.ready(), "a reset alone is no transition"
    add(episodes, 0, 5, 2)
    assert source.ready()
