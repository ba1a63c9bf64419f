"""What is left of a sweep: its time, its disk, and what its runs last said."""

import dataclasses
import json

import pytest
from programs_for_tests import run_program
from rich.console import Console

from dreamer_tf.sweeps import costs, items, program, sizes, table
from dreamer_tf.sweeps.estimates import estimate
from dreamer_tf.sweeps.plans import Plan, Progress
from dreamer_tf.sweeps.resources import Resources


def test_an_estimate_rests_on_what_was_measured_and_counts_what_is_left(tmp_path):
    plans = [Plan("toy_reach", ("smoke",), "smoke", seed) for seed in range(2)]
    folder = plans[0].folder(tmp_path)
    folder.mkdir(parents=True)
    lines = [{"step": 300, "fps": 4.0}, {"step": 600, "fps": 6.0}, {"step": 700, "test/return": 7}]
    text = "\n".join(json.dumps(line) for line in lines)
    (folder / "metrics.jsonl").write_text(text + '\n{"step": 90')  # Cut while it was written.
    progress = plans[0].progress(tmp_path)
    assert (progress.step, progress.last_return) == (700, 7)
    # 600 steps, of which 300 took 75 s and 300 took 50.
    assert progress.speed == pytest.approx(600 / 125)
    assert not progress.done and progress.saved == 0
    found = estimate(plans, tmp_path, gpu=False)
    assert found.measured == 2 and found.assumed == ()
    assert found.seconds == pytest.approx(2 * 25 + (1200 - 700) / 4.8 + 1200 / 4.8)


def test_an_assumed_estimate_counts_what_is_left(tmp_path):
    plan = Plan("toy_reach", ("smoke",), "smoke", 0)
    whole = estimate([plan], tmp_path, gpu=False)
    folder = plan.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 900}))
    found = estimate([plan], tmp_path, gpu=False)
    assert found.measured == 0 and found.assumed == whole.assumed == (costs.CORES,)
    assert found.seconds - 25 == pytest.approx((whole.seconds - 25) / 4)


@pytest.mark.parametrize(
    ("observation", "size", "each"),
    [("image", 64, 12388), ("image", 84, 21268), ("vector", 64, 100)],
)
def test_the_disk_that_a_run_needs(observation, size, each):
    keys = (("env.observation", observation), ("env.image_size", str(size)), ("steps", "10000"))
    presets = ("d4pg",) if size == 84 else ()
    config = Plan("dmc_cup_catch", presets, "x", 0, keys).config()
    repeat = 1 if size == 84 else 2  # A step of a record.
    assert sizes.record_bytes(config) == 10000 / repeat * each


def test_what_an_environment_observes_by_itself_is_mostly_vectors(tmp_path):
    keys = (("steps", "10000"),)
    assert sizes.record_bytes(Plan("gym_Pendulum-v1", (), "x", 0, keys).config()) == 10000 * 100


@pytest.mark.parametrize(
    ("presets", "task", "measured"),
    [
        ((), "dmc_walker_walk", 75_532_535),
        (("cpu",), "dmc_walker_stand", 24_308_395),
        (("control",), "dmc_walker_walk", 11_973_827),
        (("d4pg",), "dmc_walker_walk", 83_497_199),
        (("d4pg_vectors",), "dmc_walker_walk", 3_764_938),
        (("smoke",), "toy_reach", None),
    ],
)
def test_the_size_of_checkpoints_is_that_of_those_that_were_written(
    presets, task, measured, tmp_path
):
    config = Plan(task, presets, "x", 0).config()
    if measured is None:
        words = ["--configs", *presets, "--task", task, "--logdir", str(tmp_path)]
        words += ["--name", "x", "--steps", "450"]
        assert run_program("dreamer_tf.train", *words).returncode == 0
        (path, *_) = (tmp_path / task / "x" / "0" / "checkpoints").glob("*.npz")
        measured = path.stat().st_size
    # Two are kept while a third is written.
    assert sizes.checkpoint_bytes(config) == pytest.approx(3 * measured, rel=0.2)


def test_the_disk_that_is_needed_at_once(tmp_path, monkeypatch):
    keys = (("steps", "10000"), ("env.observation", "vector"))
    plans = [Plan("dmc_cup_catch", (), "x", seed, keys) for seed in range(3)]
    half = Progress(step=5000, saved=5000, steps=10000, last_return=None, speed=None, done=False)
    fresh = dataclasses.replace(half, step=0, saved=0)
    monkeypatch.setattr(Plan, "progress", lambda self, logdir: half if self.seed else fresh)
    monkeypatch.setattr(sizes, "checkpoint_bytes", lambda config: 7)
    each = 5000 * 100
    # What half-done runs have on the disk already is not needed once more.
    assert estimate(plans, tmp_path, gpu=False).bytes == 7 + each + each / 2 + each / 2
    passing = [
        dataclasses.replace(plan, overrides=(*plan.overrides, ("replay.keep", "false")))
        for plan in plans
    ]
    assert estimate(passing, tmp_path, gpu=False).bytes == 7 + each
    assert estimate(passing, tmp_path, gpu=False, beside=2).bytes == 7 + each + each / 2
    assert estimate([plans[0], *passing[1:]], tmp_path, gpu=False).bytes == 7 + each + each / 2


def test_the_disk_of_a_longer_shared_run_is_that_of_its_own_end(tmp_path, monkeypatch):
    plan = Plan("dmc_cup_catch", (), "x", 0, (("steps", "20000"), ("env.observation", "vector")))
    longer = Progress(
        step=10000, saved=10000, steps=50000, last_return=None, speed=None, done=False
    )
    monkeypatch.setattr(Plan, "progress", lambda self, logdir: longer)
    assert estimate([plan], tmp_path, gpu=False).bytes == 40000 / 2 * 100


def test_a_run_whose_log_does_not_grow_is_said_to_give_no_sign(tmp_path, monkeypatch):
    plan = Plan("toy_reach", ("smoke",), "smoke", 0)
    folder = plan.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text(json.dumps({"step": 900}) + "\n")
    progress = plan.progress(tmp_path)
    now = progress.written
    assert table.state_of("running", progress, 0, now - 9000, now + 800) == "running"
    silent = table.state_of(None, progress, 0, now - 9000, now + 1500)
    assert silent == "running: no sign for 25 min, or waiting"
    # A log from long before the sweep says nothing yet, and neither does one of a run that waits.
    assert table.state_of("running", progress, 0, now + 90_000, now + 90_100) == "running"
    # Nor one that had to wait for its place, whenever the sweep began.
    began = {}
    for said, at, word in ((None, 0, "waiting"), ("running", 36_000, "running")):
        monkeypatch.setattr(table.time, "time", lambda at=at: now + at)
        assert table._rows([plan], {0: said}, tmp_path, [900], began)[0][2] == word
    monkeypatch.setattr(table.time, "time", lambda: now + 37_500)
    rows = table._rows([plan], {0: "running"}, tmp_path, [900], began)
    assert rows[0][2] == "running: no sign for 25 min"
    monkeypatch.undo()
    assert table.state_of(None, progress, 900, now, now + 9000) == "waiting"
    assert table.state_of("failed: x", progress, 0, now, now + 9000) == "failed: x"
    rows = [(plan, progress, silent), (plan, progress, "done")]
    line = f"2 runs: 1 running, 1 done; no sign for 15 min and more: {plan.folder('')}"
    assert table.summary(rows) == line
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table.render(rows, 40))
    assert "running, no sign for 25 min" in shown.get()


def test_the_speed_of_a_run_that_is_done_is_that_of_its_other_seeds(tmp_path, monkeypatch):
    done, left = (Plan("toy_reach", ("smoke",), "smoke", seed) for seed in (0, 1))
    steps = left.config().steps
    ended = Progress(step=steps, saved=steps, steps=steps, last_return=7, speed=4.0, done=True)
    fresh = dataclasses.replace(ended, step=0, saved=0, speed=None, done=False)
    monkeypatch.setattr(Plan, "progress", lambda self, logdir: fresh if self.seed else ended)
    lines = program.describe([done, left], [left], tmp_path, Resources(1, None, 1e9))
    assert (
        lines[0] == "2 runs, 1 of them done" and "all speeds from those measured here" in lines[1]
    )


def test_speeds_of_some_settings_are_not_taken_for_those_of_others(tmp_path, monkeypatch):
    """Where the runs of one horizon took just what was assumed, nothing changes for the others."""
    plans = items.plans("fig4", "cpu")
    alone = {plan: estimate([plan], tmp_path, gpu=False).seconds - costs.START for plan in plans}
    brief = [plan for plan in plans if plan.name.endswith("-h5")]

    def measured(slower):
        def progress(plan, logdir):
            done, steps = plan in brief, plan.config().steps
            speed = steps / alone[plan] / slower if done else None
            return Progress(steps * done, 0, steps, None, speed, done)

        monkeypatch.setattr(Plan, "progress", progress)
        return estimate(plans, tmp_path, gpu=False)

    left = [plan for plan in plans if plan not in brief]
    found = measured(1)
    assert len(brief) == 3 and found.measured == len(left) == 9 and found.assumed == ()
    assert found.seconds == pytest.approx(sum(25 + alone[plan] for plan in left))
    # On a computer that takes thrice as long for these, so do the others.
    assert measured(3).seconds == pytest.approx(sum(25 + 3 * alone[plan] for plan in left))


def test_times_are_averaged_over_runs_and_not_speeds(tmp_path, monkeypatch):
    plans = [Plan("toy_reach", ("smoke",), "smoke", seed) for seed in range(3)]
    steps = plans[0].config().steps

    def progress(plan, logdir):
        speed = (1.0, 4.0, None)[plan.seed]
        return Progress(steps * bool(speed), 0, steps, None, speed, bool(speed))

    monkeypatch.setattr(Plan, "progress", progress)
    # Steps of a second and of a quarter of one.
    assert estimate(plans, tmp_path, gpu=False).seconds == pytest.approx(25 + steps * 0.625)


def test_a_damaged_line_with_a_number_beyond_all_floats_is_left_out(tmp_path):
    plan = Plan("toy_reach", ("smoke",), "smoke", 0)
    folder = plan.folder(tmp_path)
    folder.mkdir(parents=True)
    lines = [{"step": 300, "fps": 4.0}, {"step": 10**400, "fps": -(10**400)}]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    progress = plan.progress(tmp_path)
    assert (progress.step, progress.speed) == (300, 4.0)
