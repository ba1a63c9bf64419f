"""Statistics over tasks and runs against values that were worked out by hand and by SciPy."""

import numpy as np
import pytest
from scipy.stats import bootstrap, mannwhitneyu, trim_mean

from dreamer_tf.results import references, statistics

SCORES = {"a": np.array([0.0, 0.2, 0.4, 1.2]), "b": np.array([0.5, 0.6, 0.7, 0.8])}


def test_statistics_are_those_worked_out_by_hand():
    # All eight in order: 0 .2 .4 .5 .6 .7 .8 1.2; the middle four.
    assert statistics.interquartile_mean(SCORES) == pytest.approx((0.4 + 0.5 + 0.6 + 0.7) / 4)
    assert statistics.mean(SCORES) == pytest.approx((0.45 + 0.65) / 2)
    assert statistics.median({**SCORES, "c": np.array([0.9])}) == pytest.approx(0.65)
    # What is above 1 counts as 1.
    assert statistics.optimality_gap(SCORES) == pytest.approx(1 - (0.4 + 0.65) / 2)


@pytest.mark.parametrize(
    "high, value",
    [(105_000, 142.0), (505_000, 560.7), (1_005_000, 699.6), (2_005_000, 788.1), (None, 811.5)],
)
def test_means_over_tasks_of_the_authors_runs_are_the_known_ones(high, value):
    found = {each.task: [each.mean] for each in references.tf2_bins() if each.high == high}
    if high is None:
        found = {task: [mean] for task, (mean, _, _) in references.tf2_last_bins().items()}
    assert len(found) == 20
    assert statistics.mean(found) == pytest.approx(value, abs=0.3)


def test_the_middle_half_weighs_tasks_alike():
    few, many = {"a": [0.0, 0.4]}, {"b": [0.6, 0.8, 1.0]}
    # Of six each, in order 0 0 0 .4 .4 .4 | .6 .6 .8 .8 1 1, the middle six.
    found = statistics.interquartile_mean(few | many)
    assert found == pytest.approx((3 * 0.4 + 2 * 0.6 + 0.8) / 6)


def test_profiles_weigh_tasks_alike():
    scores = {"a": [0.0, 0.5], "b": [0.5] * 10}
    found = statistics.profile(scores, [-1, 0.0, 0.4, 0.5])
    np.testing.assert_allclose(found, [1, 0.75, 0.75, 0])


def test_probability_of_improvement_is_that_of_mann_whitney():
    random = np.random.default_rng(0)
    ours = {task: random.normal(0.1, 1, 6).round(1) for task in "abc"}
    theirs = {task: random.normal(0, 1, 9).round(1) for task in "bcd"}
    expected = [mannwhitneyu(ours[task], theirs[task]).statistic / (6 * 9) for task in ("b", "c")]
    found = statistics.probability_of_improvement(ours, theirs)
    assert found == pytest.approx(np.mean(expected))
    assert statistics.probability_of_improvement(ours, ours) == pytest.approx(0.5)
    with pytest.raises(ValueError):
        statistics.probability_of_improvement(ours, {"z": [1]})


def test_intervals_are_those_of_scipys_stratified_bootstrap():
    random = np.random.default_rng(1)
    scores = {task: random.uniform(size=8) for task in range(20)}

    def pooled(*runs, axis=-1):
        return trim_mean(np.concatenate(runs, axis), 0.25, axis=axis)

    expected = bootstrap(
        tuple(scores.values()),
        pooled,
        paired=False,
        vectorized=True,
        method="percentile",
        n_resamples=4000,
        rng=random,
    ).confidence_interval
    found = statistics.estimate(statistics.interquartile_mean, scores, resamples=4000)
    assert found.low < found.value < found.high
    assert found.low == pytest.approx(expected.low, abs=0.006)
    assert found.high == pytest.approx(expected.high, abs=0.006)


def test_where_a_task_has_one_run_there_is_no_interval():
    scores = {"a": [0.1, 0.2, 0.3], "b": [0.5]}
    found = statistics.estimate(statistics.mean, scores)
    assert found.value == pytest.approx(0.35) and np.isnan(found.low) and np.isnan(found.high)
    found = statistics.estimate(lambda each: statistics.profile(each, [0.15, 0.4]), scores)
    np.testing.assert_allclose(found.value, [5 / 6, 0.5])
    assert np.isnan(found.low).all() and found.low.shape == (2,)


@pytest.mark.parametrize("statistic", statistics.STATISTICS.values())
def test_statistics_of_resamples_are_those_of_one_after_the_other(statistic):
    random = np.random.default_rng(0)
    drawn = {
        task: random.normal(0.7, 0.4, (5, runs))
        for task, runs in zip("abc", (3, 4, 6), strict=True)
    }
    each = [statistic({task: runs[n] for task, runs in drawn.items()}) for n in range(5)]
    np.testing.assert_allclose(statistic(drawn), each)


def test_intervals_of_a_mean_are_as_wide_as_theory_says():
    values = np.random.default_rng(2).normal(0.5, 0.1, 400)
    found = statistics.estimate(statistics.mean, {"a": values})
    error = values.std() / np.sqrt(len(values))
    assert found.low == pytest.approx(values.mean() - 1.96 * error, abs=0.1 * error)
    assert found.high == pytest.approx(values.mean() + 1.96 * error, abs=0.1 * error)


def test_single_runs_have_no_interval_and_a_seed_gives_the_same_one():
    single = statistics.estimate(statistics.mean, {"a": [0.3], "b": [0.5]})
    assert single.value == pytest.approx(0.4) and np.isnan(single.low) and np.isnan(single.high)
    twice = [statistics.estimate(statistics.mean, SCORES, seed=3, resamples=50) for _ in range(2)]
    assert twice[0] == twice[1]
