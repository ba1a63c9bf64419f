"""What a run returned in the end, beside runs that end elsewhere."""

from results_for_tests import write_lines, write_run

from dreamer_tf.results import finals, scores

WALKER = "dmc_walker_walk"


def finals_of(logdir, width=10_000):
    """Returns {seed: (value, step)} of the runs in a folder, and the remarks."""
    found, remarks = finals.finals(scores.find([logdir])[0], width)
    return {each.run.seed: (each.value, each.step) for each in found}, remarks


def test_an_evaluation_behind_the_last_planned_step_counts(tmp_path):
    """Steps go on by as many as environments make at once."""
    rows = [{"step": step, "test/return": value} for step, value in ((15_000, 1), (20_016, 9))]
    write_lines(write_run(tmp_path, WALKER, [0], steps=20_000), rows)
    assert finals_of(tmp_path) == ({"0": (5, 20_000)}, [])
    assert finals_of(tmp_path, 1000) == ({"0": (9, 20_000)}, [])
    # Of others that go on further as well.
    write_lines(
        write_run(tmp_path, WALKER, [0], 1, steps=40_000), [*rows, rows[0] | {"step": 30_000}]
    )
    found, _ = finals_of(tmp_path, 1000)
    assert found == {"0": (9, 20_000), "1": (9, 20_000)}


def test_a_run_of_unknown_length_counts_only_as_far_as_others_end(tmp_path):
    write_run(tmp_path, WALKER, [0, 500], 0, steps=15_000)
    for seed, values in ((1, [10]), (2, [10, 300, 900])):
        write_lines(
            write_run(tmp_path, WALKER, [0], seed),
            [
                {"step": 5000 + 10_000 * number, "test/return": value}
                for number, value in enumerate(values)
            ],
        )
    found, remarks = finals_of(tmp_path)
    assert found == {"0": (500, 15_000), "2": (300, 15_000)}
    assert remarks == [
        f"{WALKER}, ours, seed 1: at 5000 of an unknown number of steps, others are further",
        f"{WALKER}, ours, seed 2: shown as it was at 15000 of an unknown number of steps, where "
        "others end",
    ]


def test_where_none_is_known_to_be_at_its_end_each_counts_as_it_is(tmp_path):
    write_run(tmp_path, WALKER, [5], 0)
    write_run(tmp_path, WALKER, [0, 0, 0, 300], 1, steps=100_000)
    found, remarks = finals_of(tmp_path)
    assert found == {"0": (5, 5000), "1": (300, 35_000)}
    assert remarks == [f"{WALKER}, ours, seed 1: shown as it is at 35000 of 100000 steps"]


def test_a_run_without_an_evaluation_where_others_end_is_said_to_have_none(tmp_path):
    write_run(tmp_path, WALKER, [1], 0, steps=5000)
    rows = [{"step": step, "test/return": 7.0} for step in (10_000, 30_000)]
    write_lines(write_run(tmp_path, WALKER, [0], 1, steps=30_000), rows)
    found, (line,) = finals_of(tmp_path)
    assert found == {"0": (1, 5000)}
    assert line == f"{WALKER}, ours, seed 1: no evaluation up to 5000 steps, where others end"
