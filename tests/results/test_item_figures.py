"""The paper's figures from runs whose returns a test chose."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from results_for_tests import program, write_run

from dreamer_tf.basics.errors import UserError
from dreamer_tf.results import item_figures, item_rows, references, scores
from dreamer_tf.sweeps import items

WALKER = "dmc_walker_walk"
NO_VALUE = {"agent": "no_value"}
PLANET = {"agent": "planet"}


def rows_of(item, logdir, width=10_000):
    runs, _ = scores.find([logdir])
    return item_rows.rows(item, runs, width)


def ours(found):
    return [row for row in found if row.source == item_rows.OURS]


def test_curves_are_means_over_seeds_with_the_deviation_of_the_seeds(tmp_path):
    write_run(tmp_path, WALKER, [0, 100, 200], seed=0, name="dreamer")
    write_run(tmp_path, WALKER, [0, 300, 600], seed=1, name="dreamer")
    write_run(tmp_path, WALKER, [0, 50], name="no_value", **NO_VALUE)
    found, remarks = rows_of("fig7", tmp_path)
    assert not remarks
    points = {(row.method, row.x): row for row in ours(found)}
    assert set(points) == {("Dreamer", 15_000), ("Dreamer", 25_000), ("No value", 15_000)}
    row = points["Dreamer", 25_000]
    assert (row.value, row.low, row.high, row.seeds) == (400, 200, 600, 2)
    assert points["No value", 15_000].low is None
    table = {row.method: row.value for row in found if row.source == item_rows.TABLE}
    assert table == {"D4PG": 968.3, "A3C": 311.0}
    theirs = [row for row in found if row.source == item_rows.CURVE]
    assert {row.method for row in theirs} == {"Dreamer", "No value", "PlaNet"}
    (floor,) = [row for row in found if row.source == item_rows.FLOOR]
    assert floor.value == max(each.mean for each in references.floors(WALKER))


def test_bins_that_a_run_has_not_finished_do_not_count(tmp_path):
    write_run(tmp_path, WALKER, [0, 100, 200, 300], name="dreamer", end=44_000)
    found, _ = rows_of("fig7", tmp_path, width=20_000)
    assert [(row.x, row.value) for row in ours(found)] == [(25_000, 150)]
    found, _ = rows_of("fig7", tmp_path, width=50_000)
    assert not ours(found)


def test_horizons_are_read_from_the_section_of_the_method(tmp_path):
    write_run(tmp_path, WALKER, [1, 10], name="a", behavior="{horizon: 5}")
    write_run(tmp_path, WALKER, [1, 20], name="b", behavior="{horizon: 15}")
    write_run(tmp_path, WALKER, [1, 30], name="c", planner="{horizon: 7}", **PLANET)
    found, _ = rows_of("fig4", tmp_path)
    values = {(row.method, row.x): row.value for row in ours(found)}
    assert values == {("Dreamer", 5): 10, ("Dreamer", 15): 20, ("PlaNet", 7): 30}


def test_runs_that_differ_in_more_than_the_seed_are_not_averaged(tmp_path):
    write_run(tmp_path, WALKER, [0, 100], name="dreamer")
    write_run(tmp_path, WALKER, [0, 300], name="mine")
    found, _ = rows_of("table", tmp_path)
    values = {row.method: row.value for row in ours(found)}
    assert values == {"Dreamer (dreamer)": 100, "Dreamer (mine)": 300}


def test_what_is_left_out_is_said(tmp_path):
    write_run(tmp_path, WALKER, [0, 100], name="dreamer")
    write_run(tmp_path, WALKER, [0, 100], name="contrast", model="{objective: contrastive}")
    write_run(tmp_path, "gym_CartPole-v1", [0, 100], name="dreamer")
    found, remarks = rows_of("fig7", tmp_path)
    assert {row.method for row in ours(found)} == {"Dreamer"}
    assert sorted(remarks) == [
        "dmc_walker_walk, contrast: not a method of fig7",
        "gym_CartPole-v1, dreamer: not a task of fig7",
    ]
    with pytest.raises(UserError, match="nothing to draw for fig9"):
        item_figures.write("fig9", [tmp_path / WALKER / "contrast"], tmp_path / "out")


@pytest.mark.parametrize("item", [each for each in items.ITEMS if each != "fig5"])
def test_every_item_is_drawn_from_little_and_the_csv_is_what_is_drawn(item, tmp_path):
    task = "atari_pong" if item == "fig9" else "dmc_cartpole_swingup"
    for seed in (0, 1):
        write_run(tmp_path, task, [0, 100 + seed, 300], seed, behavior="{horizon: 15}")
    paths, _ = item_figures.write(item, [tmp_path], tmp_path / "figures")
    assert [path.name for path in paths] == [f"{item}.{kind}" for kind in ("png", "pdf", "csv")]
    image = np.asarray(Image.open(paths[0]).convert("RGB"))
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 20
    assert paths[1].read_bytes().startswith(b"%PDF")
    with open(paths[2], newline="") as file:
        written = list(csv.DictReader(file))
    mine = [row for row in written if row["source"] == "ours"]
    assert mine and {row["seeds"] for row in mine} == {"2"}
    assert {float(row["value"]) for row in mine} <= {0, 100.5, 300, 200.25, 150.25, 133.5}


def test_an_item_draws_only_its_own_runs(tmp_path, capsys):
    reproduce = program("reproduce")
    words = ["fig7", "--scale", "smoke", "--logdir", str(tmp_path), "--plot"]
    assert reproduce.main(words) == 1 or reproduce.main(words) == 2
    assert "holds none of the runs of fig7" in capsys.readouterr().err
    write_run(tmp_path, "toy_reach", [1, 5, 7], name="dreamer-smoke")
    write_run(tmp_path, "toy_reach", [1, 2, 3], name="mine")
    assert reproduce.main(words) == 0
    assert str(tmp_path / "figures" / "fig7.csv") in capsys.readouterr().out
    text = (tmp_path / "figures" / "fig7.csv").read_text()
    assert "toy_reach,Dreamer,ours" in text and "mine" not in text


def test_statistics_are_printed_by_method(tmp_path, capsys):
    reproduce = program("reproduce")
    for task in (WALKER, "dmc_cup_catch"):
        for seed in (0, 1):
            write_run(tmp_path, task, [0, 400 + 200 * seed], seed, name="dreamer")
            write_run(tmp_path, task, [0, 100], seed, name="planet", **PLANET)
    assert reproduce.main(["statistics", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    (dreamer,) = [line for line in lines if line.startswith("Dreamer ")]
    (planet,) = [line for line in lines if line.startswith("PlaNet ")]
    assert dreamer.split()[1:4] == ["2", "4", "0.500"] and "[0.400, 0.600]" in dreamer
    assert planet.split()[3] == "0.100"
    assert any("P(Dreamer > PlaNet), 2 common tasks: 1.000" in line for line in lines)


def test_the_report_is_one_page_that_needs_nothing_else(tmp_path, capsys):
    reproduce = program("reproduce")
    folder = write_run(tmp_path / "runs", WALKER, [0, 100, 200], name="dreamer")
    write_run(tmp_path / "runs", WALKER, [0, 50, 80], name="no_value", **NO_VALUE)
    session = {"command": "train <script>", "device": "CPU", "versions": {"tensorflow": "2.21"}}
    (folder / "meta.json").write_text(json.dumps({"sessions": [session]}))
    (folder / "film.gif").write_bytes(b"GIF89a")
    broken = tmp_path / "runs" / "dmc_cup_catch" / "dreamer" / "0"
    broken.mkdir(parents=True)
    (broken / "metrics.jsonl").write_text("nothing")
    out = tmp_path / "report.html"
    assert reproduce.main(["report", str(tmp_path / "runs"), "--out", str(out)]) == 0
    text = out.read_text()
    assert "<script" not in text and "http" not in text and "train &lt;script&gt;" in text
    assert text.count("data:image/png;base64,") == 2 and text.count("data:image/gif;base64,") == 1
    for words in ("No value", "200.0", "tensorflow 2.21", "Left out", "holds no returns", "IQM"):
        assert words in text, words
