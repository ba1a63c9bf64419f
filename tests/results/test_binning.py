"""Bins beside a twin that takes one value after the other."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results_for_tests import write_run

from dreamer_tf.results import binning, scores

POINTS = st.lists(
    st.tuples(st.integers(0, 700_000), st.floats(-1000, 1000)), min_size=0, max_size=40
)


def twin(points, reached, width, offset):
    """{(low, high): (mean, error, count, complete)} of one value after the other."""
    values = {}
    for step, value in points:
        if step > offset:
            number = -((offset - step) // width) - 1  # Rounded up, since edges belong to the left.
            values.setdefault(number, []).append(value)
    result = {}
    for number, those in values.items():
        low, high = offset + number * width, offset + (number + 1) * width
        mean = sum(those) / len(those)
        error = math.nan
        if len(those) > 1:
            variance = sum((each - mean) ** 2 for each in those) / (len(those) - 1)
            error = math.sqrt(variance / len(those))
        result[low, high] = mean, error, len(those), reached >= high
    return result


@given(POINTS, st.integers(0, 700_000), st.sampled_from([7, 10_000, 100_000]), st.integers(0, 9000))
def test_bins_are_those_of_the_twin(points, reached, width, offset):
    if width == 7:
        points = [(step // 1000, value) for step, value in points]
    steps, values = [each[0] for each in points], [each[1] for each in points]
    found = binning.binned(steps, values, reached, width, offset)
    wanted = twin(points, reached, width, offset)
    assert [(each.low, each.high) for each in found] == sorted(wanted)
    for each in found:
        mean, error, count, complete = wanted[each.low, each.high]
        assert (each.count, each.complete) == (count, complete)
        assert each.mean == pytest.approx(mean, abs=1e-9)
        assert each.error == pytest.approx(error, abs=1e-6, nan_ok=True)


def test_the_left_edge_belongs_to_the_bin_before_and_the_right_one_to_the_bin():
    steps, values = [5000, 5001, 105_000, 105_001], [1000.0, 1.0, 3.0, 500.0]
    first, second = binning.binned(steps, values, reached=105_001)
    assert (first.low, first.high, first.mean, first.count) == (5000, 105_000, 2.0, 2)
    assert (second.mean, second.complete) == (500.0, False)
    assert first.complete


def test_a_bin_is_complete_only_if_the_run_reached_its_end():
    steps, values = [15_000, 95_000], [1.0, 2.0]
    assert not binning.binned(steps, values, reached=104_999)[0].complete
    assert binning.binned(steps, values, reached=105_000)[0].complete


@pytest.mark.parametrize(
    "reached, ended, complete",
    [(94_999, True, False), (95_000, True, True), (95_000, False, False)],
)
def test_of_the_bin_in_which_a_run_ends_nine_tenths_are_enough(reached, ended, complete):
    (found,) = binning.binned([15_000, 90_000], [1.0, 2.0], reached, ended=ended)
    assert found.complete == complete and found.mean == 1.5


def test_an_absurd_step_costs_no_time():
    steps = [10_000, 20_000, 2**53 - 1]
    found = binning.binned(steps, [1.0, 2.0, 3.0], reached=2**53, width=1)
    assert [(each.high, each.mean) for each in found] == list(
        zip(steps, [1.0, 2.0, 3.0], strict=True)
    )


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_spoils_its_bin_alone(value):
    first, second = binning.binned([10_000, 20_000, 110_000], [5.0, value, 6.0], 205_000)
    assert np.isnan(first.mean) and np.isnan(first.error) and first.count == 2
    assert second.mean == 6.0 and np.isnan(second.error)


def test_nothing_has_no_bins():
    assert binning.binned([], [], 0) == []
    assert binning.mean_within([3], [1.0], 5, 10, 20) is None


@pytest.mark.parametrize(
    "width, prefills, offset",
    [
        (100_000, [1000], 5000),  # The author's bins.
        (10_000, [1000], 1000),
        (10_000, [5000, 1000], 1000),
        (10_000, [None], 5000),  # The author's runs do not say, and had his steps.
        (10_000, [-1], 5000),
        (10_000, [300_000], 0),
    ],
)
def test_bins_begin_where_training_does(tmp_path, width, prefills, offset):
    for seed, prefill in enumerate(prefills):
        known = {} if prefill is None else {"train": f"{{prefill: {prefill}}}"}
        write_run(tmp_path, "toy_reach", [1.0] * 20, seed, **known)
    assert binning.fitting_offset(scores.find([tmp_path])[0], width) == offset


def test_what_learns_at_once_has_no_steps_before_training(tmp_path):
    """Older configurations of A3C have a prefill that means nothing to it."""
    write_run(tmp_path, "toy_reach", [1.0] * 20, agent="a3c", train="{prefill: 5000}")
    runs = scores.find([tmp_path])[0]
    assert binning.fitting_offset(runs, 10_000) == 0
    assert binning.fitting_offset(runs, 100_000) == 5000
