"""Which runs are one curve: what differs in more than a figure varies is drawn apart, and said."""

from results_for_tests import ours, rows_of, write_lines, write_run

WALKER = "dmc_walker_walk"


def test_settings_that_differ_in_more_are_not_one_curve(tmp_path):
    for name, horizon, deter in (("small-h5", 5, 30), ("large", 15, 200), ("huge-h20", 20, 600)):
        behavior, model = f"{{horizon: {horizon}}}", f"{{deter: {deter}}}"
        write_run(tmp_path, WALKER, [horizon], 0, name, behavior=behavior, model=model, steps=5000)
    found, remarks = rows_of("fig4", tmp_path)
    assert {(row.method, row.x) for row in ours(found)} == {
        ("Dreamer (small)", 5),
        ("Dreamer (large)", 15),
        ("Dreamer (huge)", 20),
    }
    said = f"{WALKER}, Dreamer: not only the horizon differs, but also model.deter"
    assert remarks.count(said) == 1


def test_settings_of_one_name_that_differ_in_more_are_said_to(tmp_path):
    for horizon, deter in ((5, 30), (10, 200)):
        behavior, model = f"{{horizon: {horizon}}}", f"{{deter: {deter}}}"
        name = f"mine-h{horizon}"
        write_run(tmp_path, WALKER, [horizon], 0, name, behavior=behavior, model=model, steps=5000)
    _, remarks = rows_of("fig4", tmp_path)
    assert any("not only the horizon differs, but also model.deter" in line for line in remarks)


def test_a_sweep_of_one_set_up_is_one_curve_without_a_remark(tmp_path):
    for horizon in (5, 10, 15):
        name = "mine" if horizon == 15 else f"mine-h{horizon}"
        behavior = f"{{horizon: {horizon}}}"
        write_run(tmp_path, WALKER, [horizon], 0, name, behavior=behavior, steps=5000)
    found, remarks = rows_of("fig4", tmp_path)
    assert {(row.method, row.x) for row in ours(found)} == {("Dreamer", x) for x in (5, 10, 15)}
    assert not [line for line in remarks if "differ" in line]


def test_a_run_of_which_nothing_is_known_is_no_seed_of_one_with_a_configuration(tmp_path):
    write_run(tmp_path / "ours", WALKER, [100] * 30, 0, "dreamer")
    rows = [{"step": 5000 + 10_000 * number, "test/return": 500.0} for number in range(30)]
    write_lines(tmp_path / "theirs" / WALKER / "dreamer" / "1", rows)
    found, remarks = rows_of("fig7", tmp_path, 100_000)
    values = {(row.method, row.value) for row in ours(found)}
    assert values == {
        ("Dreamer (dreamer, configuration known)", 100),
        ("Dreamer (dreamer, configuration unknown)", 500),
    }
    assert any(line.endswith("they differ in configuration") for line in remarks)
