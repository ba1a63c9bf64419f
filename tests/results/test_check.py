"""Good curves pass, bad ones do not, and what cannot be judged is not."""

import math

import pytest
from results_for_tests import write_lines, write_run

from dreamer_tf.results import check, references, scores

WALK = "dmc_walker_walk"  # 137 +- 58 in the first bin, 886 +- 28 at 5e5; floors up to 74.


def curve(*bins):
    """Evaluations at 5000, then ten for each bin, all with the bin's value."""
    return [bins[0]] + [value for value in bins for _ in range(10)]


def judge(folder, peers=None):
    verdicts, remarks = check.judge(scores.find([folder])[0], peers)
    return {each.high // 1000: each for each in verdicts}, remarks


def test_a_run_like_the_authors_is_within(tmp_path):
    write_run(tmp_path, WALK, curve(137, 508, 700, 800, 886))
    verdicts, remarks = judge(tmp_path)
    assert remarks == []
    assert list(verdicts) == [105, 205, 505]
    first, second, third = verdicts.values()
    assert (first.word, third.word) == ("within", "within")
    assert (first.ours, first.seeds, first.evaluations) == (137, 1, 10)
    assert first.distance == 0 and first.floor is None and first.rank is None
    # One seed beside five: the error is sqrt(1 + 1/5) of the deviation of a sample.
    width = 2 * 58 * math.sqrt(5 / 4) * math.sqrt(1 + 1 / 5)
    assert first.limits == pytest.approx((137 - width, 137 + width))
    # Its deviation is not known.
    assert second.word == "not judged" and math.isnan(second.limits[0])


def test_limits_narrow_with_our_seeds_and_never_vanish(tmp_path):
    for seed in range(4):
        write_run(tmp_path, "dmc_hopper_hop", curve(seed / 2), seed)
    verdict = judge(tmp_path)[0][105]  # 0 +- 1 there.
    assert verdict.seeds == 4 and verdict.ours == 0.75
    assert verdict.limits[1] == pytest.approx(2 * 25 * math.sqrt(1 / 4 + 1 / 5))
    assert verdict.word == "within" and verdict.at_floors == 1


@pytest.mark.parametrize("value, word", [(799, "below"), (886, "within"), (980, "above")])
def test_below_and_above(tmp_path, value, word):
    write_run(tmp_path, WALK, curve(137, 508, 700, 800, value))
    verdict = judge(tmp_path)[0][505]
    assert verdict.word == word and verdict.failed == (word == "below")


def test_a_curve_that_falls_to_a_floor_is_below_where_no_bin_is_known(tmp_path):
    write_run(tmp_path, WALK, curve(137, 508, 40))
    verdict = judge(tmp_path)[0][305]
    assert verdict.theirs is None
    assert verdict.word == "below" and verdict.floor.policy == "untrained_actor"


def test_a_run_at_a_floor_is_below_where_the_authors_runs_have_left_it(tmp_path):
    """One seed beside a wide spread is within the limits, but not above doing nothing."""
    write_run(tmp_path, "dmc_pendulum_swingup", curve(25))  # 365 +- 145; a floor at 26.
    verdict = judge(tmp_path)[0][105]
    assert verdict.limits[0] < 25 < 365
    assert verdict.word == "below" and verdict.floor.policy == "plus_one"


def test_a_run_at_a_floor_is_not_below_while_the_authors_are_there_too(tmp_path):
    write_run(tmp_path, "dmc_finger_spin", curve(2))  # 8 +- 8 there.
    verdict = judge(tmp_path)[0][105]
    assert verdict.word == "within" and verdict.floor.policy == "untrained_actor"


def test_doing_nothing_is_the_floor_of_balancing(tmp_path):
    write_run(tmp_path, "dmc_cartpole_balance", curve(500, 745))
    verdicts = judge(tmp_path)[0]
    assert verdicts[105].word == "within" and verdicts[105].floor.policy == "zero"
    # 827 there, 87 above it: not known to have left it.
    assert verdicts[205].word == "not judged" and verdicts[205].floor.policy == "zero"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_fails(tmp_path, value):
    write_run(tmp_path, WALK, [137] * 5 + [value] + [137] * 5)
    verdict = judge(tmp_path)[0][105]
    assert verdict.word == "not finite" and verdict.failed
    assert "nan" in check.table([verdict])[1]


def test_an_incomplete_bin_is_not_judged(tmp_path):
    write_run(tmp_path, WALK, curve(137)[:-1], end=104_900)
    verdicts, remarks = judge(tmp_path)
    assert verdicts == {}
    assert remarks == [f"{WALK}, ours: no complete bin, at 104900 of 105000 steps"]


def test_names_are_judged_apart(tmp_path):
    write_run(tmp_path, WALK, curve(137))
    write_run(tmp_path, WALK, curve(900), name="other")
    verdicts, remarks = check.judge(scores.find([tmp_path])[0])
    assert [(each.name, each.word) for each in verdicts] == [("other", "above"), ("ours", "within")]
    assert remarks == []


def test_configurations_of_one_name_are_judged_apart(tmp_path):
    for seed, limit, value in ((0, -1.0, 137), (1, -1.0, 150), (2, -3.0, 900)):
        behavior = f"{{entropy_limit: {limit}}}"
        write_run(tmp_path, WALK, curve(value), seed, behavior=behavior)
    verdicts, remarks = check.judge(scores.find([tmp_path])[0])
    assert [(each.name, each.seeds, each.ours, each.word) for each in verdicts] == [
        ("ours, entropy_limit -1", 2, 143.5, "within"),
        ("ours, entropy_limit -3", 1, 900, "above"),
    ]
    (line,) = remarks
    assert line.startswith(f"{WALK}, ours: ") and "behavior.entropy_limit" in line


OTHERS = {
    "A3C from vectors": {"agent": "a3c", "env": "{observation: vector}"},
    "D4PG": {"agent": "d4pg", "env": "{observation: image}"},
    "PlaNet": {"agent": "planet"},
    "Contrastive": {"model": "{objective: contrastive}"},
    "Dreamer from vectors": {"env": "{observation: vector}"},
    "Dreamer from pixels and vectors": {"env": "{observation: both}"},
    "another method": {"agent": "rainbow"},
}


@pytest.mark.parametrize("what", OTHERS)
def test_what_is_not_dreamer_from_pixels_is_judged_by_the_floors_alone(tmp_path, what):
    write_run(tmp_path, WALK, curve(137, 508, 700, 800, 300), **OTHERS[what])
    peers = {WALK: [{505_000: 880.0}, {505_000: 200.0}]}
    verdicts, remarks = judge(tmp_path, peers)
    last = verdicts[505]  # 886 +- 28 there, of which 300 is far below.
    assert not any(each.failed for each in verdicts.values()) and remarks == []
    assert last.word == "above the floors" and math.isnan(last.limits[0])
    assert (last.theirs.mean, last.rank) == (886, (2, 3))
    assert check.table([last])[1].endswith(f"above the floors; not comparable: {what}")


def test_what_is_not_comparable_and_ends_at_a_floor_is_below(tmp_path):
    write_run(tmp_path, WALK, curve(60, 60, 60), agent="a3c")
    first, *_, last = judge(tmp_path)[0].values()
    # How long it may take is not known: before its end nothing has failed.
    assert first.word == "not judged" and first.floor is not None
    assert last.word == "below" and last.floor.policy == "untrained_actor"
    write_run(tmp_path, WALK, curve(60, 60, 300, 60), name="forgets", agent="a3c")
    write_run(tmp_path, WALK, curve(60, 60, math.nan), name="broken", agent="a3c")
    verdicts, _ = check.judge(scores.find([tmp_path])[0])
    words = {each.name: each.word for each in verdicts}
    assert words == {"ours": "below", "forgets": "below", "broken": "not finite"}


@pytest.mark.parametrize("name, word", [("mine", "below"), ("planet", "above the floors")])
def test_a_log_of_other_code_is_taken_for_dreamer_unless_its_folder_says_more(tmp_path, name, word):
    values = enumerate(curve(137, 508, 700, 800, 300))
    rows = [{"step": 5000 + 10_000 * number, "test/return": value} for number, value in values]
    write_lines(tmp_path / WALK / name / "1", rows)
    assert judge(tmp_path)[0][505].word == word


@pytest.mark.parametrize(
    "error, floor", [(18.6, None), (50.0, "untrained_actor"), (None, "plus_one")]
)
def test_a_single_evaluation_has_the_error_of_its_own_episodes(tmp_path, error, floor):
    """65 above the highest floor; an episode of another floor's policy varies by 118."""
    row = {"step": 100_000, "test/return": 253.0}
    row |= {} if error is None else {"test/return_error": error}
    write_lines(tmp_path / "dmc_walker_stand" / "dreamer" / "0", [row, {"step": 105_000}])
    verdict = judge(tmp_path)[0][105]
    assert verdict.evaluations == 1
    assert (verdict.floor and verdict.floor.policy) == floor


def test_the_errors_of_several_evaluations_are_those_between_them(tmp_path):
    values = enumerate([190.0, 310.0] * 5)
    rows = [
        {"step": 10_000 * (number + 1), "test/return": value, "test/return_error": 0.1}
        for number, value in values
    ]
    write_lines(tmp_path / "dmc_walker_stand" / "dreamer" / "0", [*rows, {"step": 105_000}])
    # 250 +- 20 of the ten, 62 above the floor of 188 +- 7.
    assert judge(tmp_path)[0][105].floor is None
    rows = [row | {"test/return": value} for row, value in zip(rows, [0, 500] * 5, strict=True)]
    write_lines(tmp_path / "dmc_walker_stand" / "dreamer" / "0", [*rows, {"step": 105_000}])
    assert judge(tmp_path)[0][105].floor.policy == "untrained_actor"


def test_unknown_tasks_have_nothing_to_compare_with(tmp_path):
    write_run(tmp_path, "gym_Acrobot-v1", curve(500))
    assert judge(tmp_path) == ({}, ["gym_Acrobot-v1, ours: nothing to compare with"])


def test_rank_among_their_seeds(tmp_path):
    write_run(tmp_path, WALK, curve(137))
    peers = {WALK: [{105_000: value} for value in (50.0, 120.0, 137.0, 180.0, 200.0)]}
    verdict = judge(tmp_path, peers)[0][105]
    assert verdict.rank == (3, 6)
    assert "3 of 6" in check.table([verdict])[1]
    assert "seeds unknown" in check.table([judge(tmp_path)[0][105]])[1]


@pytest.mark.parametrize(
    "mean, error, expected",
    [
        (300.0, 1.0, "b"),  # Above a by 200, at b.
        (340.0, 1.0, "b"),  # Above b by 40, of which the floor's own error of 20 is the half.
        (342.0, 1.0, None),
        (360.0, 40.0, "b"),
        (110.0, math.nan, "b"),
        (460.0, math.nan, "b"),  # An episode at b varies by 20 * sqrt(16).
        (470.0, math.nan, None),
    ],
)
def test_clearly_above_a_floor(mean, error, expected):
    floors = [references.Floor("t", "a", 16, 100.0, 1.0), references.Floor("t", "b", 16, 300, 20)]
    found = check.floor_below(floors, mean, error)
    assert (found and found.policy) == expected


@pytest.mark.parametrize(
    "values, word, at_floors",
    [
        ((300, 950), "above", 0),  # Their mean's error is 325: by that alone, at the floor of 74.
        ((300, 320, 310, 1000), "above", 0),
        ((60, 950), "above", 1),
        (
            (60, 60, 950),
            "below",
            2,
        ),  # At a floor by most of its seeds: one good one changes nothing.
        ((60, 60, 200), "below", 2),
        ((60, 60, 60), "below", 3),
    ],
)
def test_seeds_that_lie_far_apart_are_held_against_the_floors_one_by_one(
    tmp_path, values, word, at_floors
):
    for seed, value in enumerate(values):
        write_run(tmp_path, WALK, curve(value), seed)
    verdict = judge(tmp_path)[0][105]
    assert (verdict.word, verdict.at_floors) == (word, at_floors)
    some = 0 < at_floors < len(values)
    text = f"{at_floors} of {len(values)} seeds by themselves at a floor"
    assert (text in check.table([verdict])[1]) == some


def test_many_seeds_that_are_a_little_above_a_floor_are_clearly_above_it_together(tmp_path):
    for seed in range(5):
        folder = tmp_path / "dmc_walker_stand" / "dreamer" / str(seed)
        row = {"step": 100_000, "test/return": 230.0 + seed, "test/return_error": 30.0}
        write_lines(folder, [row, {"step": 105_000}])
    verdict = judge(tmp_path)[0][105]
    assert verdict.at_floors == 5 and verdict.floor is None  # 42 above 188 +- 7.


def test_seeds_that_end_at_a_floor_are_below_whatever_a_longer_one_does(tmp_path):
    for seed in range(2):
        write_run(tmp_path, WALK, curve(60), seed, agent="planet")
    write_run(tmp_path, WALK, curve(60, 300, 500), 2, agent="planet")
    verdicts = judge(tmp_path)[0]
    assert verdicts[105].word == "below" and verdicts[105].at_floors == 3
    assert verdicts[305].word == "above the floors"


def test_runs_of_a_sweep_are_held_against_the_floors_alone(tmp_path):
    write_run(
        tmp_path, WALK, curve(137, 508, 700, 800, 300), name="dreamer-h5", behavior="{horizon: 5}"
    )
    write_run(
        tmp_path, WALK, curve(137, 508, 700, 800, 300), name="mine-h5", behavior="{horizon: 15}"
    )
    verdicts, _ = check.judge(scores.find([tmp_path])[0])
    last = {each.name: each for each in verdicts if each.high == 505_000}
    assert last["mine-h5"].word == "below"
    assert last["dreamer-h5"].word == "above the floors"
    assert last["dreamer-h5"].other == "Dreamer with another horizon"
    # The paper's own value, as earlier versions named it, is what the author's runs have.
    folder = write_run(tmp_path, WALK, curve(137), name="dreamer-h15", behavior="{horizon: 15}")
    assert check.other_than_theirs(scores.read(folder)) == ""


def test_methods_of_one_name_are_judged_apart(tmp_path):
    write_run(tmp_path, WALK, curve(20), 0, name="try", agent="planet")
    (write_run(tmp_path, WALK, curve(900), 1, name="try") / "config.yaml").write_text("task: [\n")
    verdicts, _ = check.judge(scores.find([tmp_path])[0])
    assert {each.name: each.ours for each in verdicts} == {
        "try, PlaNet": 20,
        "try, unknown method": 900,
    }


def test_a_bin_in_which_one_seed_ended_is_of_all_seeds(tmp_path):
    write_run(tmp_path, WALK, curve(137, 508, 600), 0)
    write_run(tmp_path, WALK, curve(137, 508, 700, 800, 886), 1)
    verdicts, remarks = judge(tmp_path)
    assert verdicts[305].seeds == 2 and verdicts[305].ours == 650
    assert verdicts[505].seeds == 1
    (said,) = [line for line in remarks if "505000" in line]
    assert said.startswith(f"{WALK}, ours: in the bin up to 505000 steps are 1 of 2 seeds; the oth")
    assert not any("305000" in line for line in remarks)


def test_a_bin_that_a_run_at_its_end_has_nearly_made_is_judged(tmp_path):
    write_run(tmp_path, WALK, curve(137)[:-1], end=100_000, steps=100_000)
    write_run(tmp_path, WALK, curve(137)[:-1], end=100_000, steps=150_000, name="stopped")
    write_run(tmp_path, WALK, curve(137)[:-3], end=90_000, steps=90_000, name="short")
    verdicts, remarks = check.judge(scores.find([tmp_path])[0])
    assert [(each.name, each.high, each.word) for each in verdicts] == [("ours", 105_000, "within")]
    assert len(remarks) == 2


def test_early_points_stand_beside_our_evaluations_before_them(tmp_path):
    write_run(tmp_path, WALK, [100, 200, 300, 400, 500, 600])
    lines = check.beside_early(scores.find([tmp_path])[0])
    wanted = f"{WALK}, ours, 50000 steps: ours 450 (1 seeds), DreamerV3, pixels 390"
    assert wanted in lines and len(lines) == 3  # Two inputs of DreamerV3, and D4PG.
