"""Which runs a sweep consists of, and how their folders tell how far they are."""

import dataclasses
import sys

import pytest
from runs_for_tests import ROOT

from dreamer_tf.basics.errors import UserError
from dreamer_tf.config import command_line
from dreamer_tf.config.files import to_yaml
from dreamer_tf.envs.tasks import PAPER_TASKS, default_repeat
from dreamer_tf.results import references
from dreamer_tf.runs import checkpoint, versions
from dreamer_tf.runs.counters import Counters
from dreamer_tf.runs.run_directory import RunDirectory
from dreamer_tf.sweeps import items, program, ray_cluster, slurm
from dreamer_tf.sweeps.plans import Plan, Progress

sys.path.insert(0, str(ROOT / "tools"))
import reproduce  # noqa: E402
import sweep  # noqa: E402


def test_the_papers_runs_are_as_many_as_it_made():
    counts = {name: len(items.plans(name, "paper")) for name in items.ITEMS}
    assert counts["fig4"] == 4 * 8 * 3 * 5
    assert counts["fig6"] == counts["table"] == 20 * 2 * 5
    assert counts["fig7"] == counts["fig8"] == 8 * 3 * 5
    assert counts["fig10"] == counts["fig11"] == 20 * 3 * 5


@pytest.mark.parametrize("scale", items.SCALES)
@pytest.mark.parametrize("item", items.ITEMS)
def test_every_planned_run_is_valid_and_has_a_folder_of_its_own(item, scale):
    plans = items.plans(item, scale)
    program.check(plans)
    assert len({plan.folder("") for plan in plans}) == len(plans) > 0
    if scale == "paper":
        steps = {plan.config().steps for plan in plans}
        assert steps == {int(float(items.ITEMS[item].steps))}
    if scale == "smoke":
        assert len(plans) <= 6


def test_tasks_of_the_figures_are_those_of_their_reference_values():
    for number, tasks in (
        (4, items.HORIZON_TASKS),
        (7, items.VALUE_TASKS),
        (8, items.REPRESENTATION_TASKS),
    ):
        known = {point.task for point in references.figure(number)}
        assert {f"dmc_{task}" for task in tasks} == known
        assert known <= set(PAPER_TASKS)


def test_horizons_are_set_where_the_method_has_its_own():
    found = {(plan.name, plan.config()) for plan in items.plans("fig4", "paper")}
    for name, config in found:
        _, swept, horizon = name.rpartition("-h")
        own = config.planner if name.startswith("planet") else config.behavior
        # What the method has anyway is the run of its other figures: no key, no name of its own.
        assert own.horizon == (int(horizon) if swept else 15)
    assert len({name for name, _ in found}) == 3 * 8
    assert {name for name, _ in found if "-h" not in name} == {"dreamer", "no_value"}


def test_what_items_have_in_common_is_one_run():
    plans = {item: items.plans(item, "paper") for item in ("fig4", "fig7", "fig12")}
    folders = {item: {plan.folder("") for plan in those} for item, those in plans.items()}
    keys = {plan.folder(""): plan.overrides for those in plans.values() for plan in those}
    # Three of figure 4's tasks are figure 7's or not; figure 12 has the same tasks, two seeds.
    tasks = set(items.HORIZON_TASKS) & set(items.VALUE_TASKS)
    assert len(folders["fig4"] & folders["fig7"]) == len(tasks) * 2 * 5 > 0
    assert len(folders["fig4"] & folders["fig12"]) == 4 * 2
    assert all(keys[each] == (("steps", "2e6"),) for each in folders["fig7"])
    repeats = {plan.config().env.action_repeat for plan in plans["fig12"] if "-r" not in plan.name}
    assert repeats == {"auto"}


@pytest.mark.parametrize("item", [name for name, each in items.ITEMS.items() if each.settings])
def test_what_an_item_varies_has_the_papers_own_value_at_cpu(item):
    """Otherwise its figure would lack what every other figure shows."""
    plans = [plan for plan in items.plans(item, "cpu") if plan.config().agent == "dreamer"]
    own = Plan(plans[0].task, ("cpu",), "own", 0)

    def varied(plan):
        config, task = plan.config(), plan.task
        repeat = config.env.action_repeat
        return config.behavior.horizon, default_repeat(task) if repeat == "auto" else repeat

    assert len(plans) > 1
    assert varied(own) in [varied(plan) for plan in plans]
    paper = {varied(plan) for plan in items.plans(item, "paper") if "dreamer" in plan.name}
    assert {varied(plan) for plan in plans} < paper


def options(*words):
    """Returns the plans of a command line of tools/sweep.py."""
    found = []

    def keep(plans, arguments):
        found.extend(plans)
        return 0

    run, program.run = program.run, keep
    try:
        assert sweep.main(["--logdir", "x", *words]) == 0
    finally:
        program.run = run
    return found


def test_a_sweep_is_the_product_of_its_options():
    words = ["--tasks", "toy_reach", "dmc_cup_catch", "--methods", "dreamer", "planet"]
    words += ["--with", "cpu", "--seeds", "0", "3", "--set", "steps=3e5"]
    found = options(*words, "--vary", "env.action_repeat=1,4", "model.free_nats=0,3")
    assert len(found) == 2 * 2 * 2 * 2 * 2
    plan = found[-1]
    assert plan.task == "dmc_cup_catch" and plan.seed == 3
    assert plan.presets == ("planet", "cpu")
    assert plan.name == "planet-cpu-action_repeat4-free_nats3"
    config = plan.config()
    assert (config.steps, config.env.action_repeat, config.model.free_nats) == (300000, 4, 3)
    assert found[0].presets == ("cpu",) and found[0].name.startswith("dreamer-cpu-")


def test_what_is_named_twice_is_made_once_and_files_are_named_by_their_stems(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.yaml").write_text("steps: 9000\n")
    words = [
        "--tasks",
        "toy_reach",
        "toy_reach",
        "--methods",
        "planet",
        "planet",
        "--seeds",
        "1",
        "1",
    ]
    (plan,) = options(*words, "--with", "mine.yaml", "--vary", "env.action_repeat=4,4")
    assert plan.name == "planet-mine-action_repeat4"
    # Another computer may start it in another folder.
    assert plan.presets == ("planet", str(tmp_path / "mine.yaml")) and plan.config().steps == 9000


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--set", "steps"], "write it as name=value"),
        (["--set", "stepz=4"], "did you mean"),
        (["--methods", "planett"], "unknown preset 'planett'"),
        (["--vary", "seed=1,2"], "seed=1,2: use --seeds"),
        (["--vary", "steps"], "--vary steps: write it as name=value"),
        (["--vary", "steps=400,500", "--set", "steps=600"], "name steps more than once"),
        (["--set", "steps=600", "steps=700"], "name steps more than once"),
        (["--attempts", "0"], "--attempts must be 1 or more, not 0"),
        (["--cpus", "0"], "--cpus must be 0.001 or more, not 0"),
        (["--cpus", "1e-320"], "--cpus must be 0.001 or more"),
        (["--memory", "nan"], "--memory must be 0.001 or more, not nan"),
        (["--gpus", "1.5"], "--gpus above 1 must be whole, not 1.5"),
        (["--name", "my run"], "'my run' cannot be the name of a run"),
    ],
)
def test_mistakes_are_one_line_before_anything_is_made(words, expected, tmp_path, capsys):
    logdir = tmp_path / "runs"
    words = ["--logdir", str(logdir), "--tasks", "toy_reach", "--plan", *words]
    assert sweep.main(words) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ") and errors.count("\n") == 1 and expected in errors
    assert not logdir.exists()


def test_two_different_runs_of_one_folder_are_refused():
    plans = [Plan("toy_reach", ("smoke",), "one", 0, keys) for keys in ((), (("steps", "600"),))]
    with pytest.raises(UserError, match="two different runs would be made in toy_reach/one/0"):
        program.check(plans)


def test_a_run_of_another_configuration_is_not_taken_for_the_wanted_one(tmp_path, capsys):
    plan = Plan("toy_reach", ("smoke",), "smoke", 0)
    folder = plan.folder(tmp_path)
    folder.mkdir(parents=True)
    other = Plan("toy_reach", ("smoke",), "smoke", 0, (("model.units", "9"), ("steps", "600")))
    (folder / "config.yaml").write_text(to_yaml(other.config()))
    assert plan.clashes(tmp_path) == ["model.units"] and not other.clashes(tmp_path)
    words = ["--logdir", str(tmp_path), "--tasks", "toy_reach", "--methods", "smoke", "--plan"]
    assert sweep.main(words) == 2
    assert "holds a run with another model.units" in capsys.readouterr().err


def plan_of(*words, task="dmc_walker_walk"):
    """Returns the exit status of a sweep's dry run."""
    return sweep.main(["--logdir", "runs", "--tasks", task, "--plan", *words])


def test_a_plan_prints_runs_and_cost_and_makes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    assert plan_of("--launcher", "local", "--seeds", "0", "1") == 0
    printed = capsys.readouterr().out
    # Two runs of 5e6 steps at the paper's 3 hours a million; an image for every second step.
    assert "2 runs, 0 of them done" in printed and "about 30.2 h one after" in printed
    assert "assumed: the paper's V100, 3 hours" in printed
    # 61.9 GB of images, three checkpoints of 75 MB each.
    assert "about 62.4 GB of episodes and checkpoints" in printed
    assert "runs/dmc_walker_walk/dreamer/1 " in printed
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "about"),
    [
        # As a preset, as a method, as a key: what counts is the configuration.
        (["--methods", "cpu"], "3.8 h"),
        (["--with", "cpu"], "3.8 h"),
        (["--methods", "control"], "34 min"),
        (["--methods", "debug"], "2 min"),
        (["--methods", "cpu", "--set", "train.updates=20"], "7.5 h"),
        (["--methods", "cpu", "planet", "--set", "steps=2e5"], "100 days"),
        ([], "34 days"),
    ],
)
def test_a_plan_without_a_gpu_says_what_its_speeds_rest_on(words, about, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert plan_of("--launcher", "local", *words) == 0
    lines = capsys.readouterr().out.splitlines()
    if "planet" not in words:
        assert lines[1].startswith(f"about {about} one after the other (0 of 1 speeds from those")
    assert lines[2].startswith("assumed: speeds measured on two quiet cores without a GPU")
    # What takes days may be meant for another computer.
    on_gpu = [line for line in lines if "V100" in line]
    assert bool(on_gpu) == (about.endswith("days")), lines
    assert all(line.startswith("on GPUs about") for line in on_gpu)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--gpus", "3", "--launcher", "local"], "a run needs 3 GPUs, this computer has 1"),
        (["--address", "foo", "--launcher", "local"], "--address is of a Ray cluster"),
        (["--address", "foo", "--launcher", "slurm"], "--address is of a Ray cluster"),
        (["--hours", "2", "--launcher", "local"], "--hours is of Slurm's jobs"),
        (["--slurm", "partition=x", "--launcher", "local"], "--slurm is of Slurm's jobs"),
        (["--launcher", "slurm", "--slurm", "gold"], "--slurm gold: write it as name=value"),
        # Whatever GPUs the computer has that submits.
        (["--launcher", "slurm"], "--launcher slurm needs --gpus N"),
        (["--launcher", "slurm", "--gpus", "0"], "no sbatch"),
        (["--logdir", "file"], "--logdir file is a file: give a folder"),
        (["--logdir", "file/runs"], "file is a file, so nothing can be in it"),
        (["--launcher", "ray", "--gpus", "2"], "does not have what a run needs: "),
        (["--launcher", "ray", "--cpus", "9999"], "9999 cores, 1 GPUs and 4 GB"),
        (["--launcher", "ray", "--memory", "1e6"], "does not have what a run needs: "),
    ],
)
def test_a_plan_refuses_what_the_run_would(words, expected, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5")
    monkeypatch.setenv("PATH", str(tmp_path))
    for module in (ray_cluster, slurm):
        monkeypatch.setattr(module, "available", lambda: True)
    (tmp_path / "file").write_text("")
    assert plan_of(*words) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ") and captured.err.count("\n") == 1
    assert expected in captured.err and captured.out == ""
    assert [each.name for each in tmp_path.iterdir()] == ["file"]


def test_a_plan_for_a_cluster_is_not_held_to_this_computer(monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(ray_cluster, "available", lambda: True)
    assert plan_of("--address", "far:6379", "--gpus", "8", "--cpus", "999") == 0
    assert "assumed: the paper's V100" in capsys.readouterr().out


def test_what_is_done_needs_no_launcher(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(Plan, "progress", lambda *_: Progress(9, 9, 9, None, None, True))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert plan_of("--gpus", "3", "--launcher", "local") == 0
    assert "1 run, 1 of them done" in capsys.readouterr().out


def test_what_is_no_number_in_a_log_is_left_out(tmp_path):
    plan = Plan("toy_reach", ("smoke",), "smoke", 0)
    folder = plan.folder(tmp_path)
    folder.mkdir(parents=True)
    lines = ['{"step": null, "fps": "fast"}', '{"step": 40, "test/return": NaN, "fps": 3}', "[1]"]
    (folder / "metrics.jsonl").write_text("\n".join(lines))
    progress = plan.progress(tmp_path)
    assert (progress.step, progress.last_return, progress.speed) == (40, None, 3)


def test_checkpoints_of_a_newer_version_are_one_line(tmp_path, capsys):
    folder = Plan("toy_reach", ("smoke",), "smoke", 0).folder(tmp_path) / "checkpoints"
    folder.mkdir(parents=True)
    checkpoint.save(folder, {}, {"format": 99, "counters": {}}, update=1, step=2, keep=2)
    words = ["--logdir", str(tmp_path), "--tasks", "toy_reach", "--methods", "smoke", "--plan"]
    assert sweep.main(words) == 1
    assert "format 99, newer than this version's" in capsys.readouterr().err


def test_a_shorter_plan_lets_a_longer_run_go_on_and_a_longer_one_prolongs_a_shorter(tmp_path):
    begun, short, long = (
        Plan("toy_reach", ("smoke",), "smoke", 0, (("steps", steps),))
        for steps in ("800", "400", "1e3")
    )
    folder = begun.folder(tmp_path)
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(begun.config()))
    for plan, steps in ((begun, 800), (short, 800), (long, 1000)):
        assert plan.clashes(tmp_path) == []
        assert plan.progress(tmp_path).steps == steps
        words = plan.command(tmp_path)
        arguments = command_line.parse(words[words.index("--logdir") :])
        assert arguments.config.steps == steps
        # The program itself takes the command.
        RunDirectory.open(arguments).close()
        (folder / "config.yaml").write_text(to_yaml(begun.config()))


def test_keys_for_all_runs_of_an_item_and_not_those_that_it_varies():
    plans = items.plans("fig4", "cpu", (("steps", "9000"),))
    assert {plan.config().steps for plan in plans} == {9000}
    with pytest.raises(UserError, match="--set behavior.horizon=5: fig4 makes runs with several"):
        items.plans("fig4", "cpu", (("behavior.horizon", "5"),))


def test_another_agent_for_an_item_that_varies_what_it_does_not_have_is_one_line(capsys):
    words = ["fig4", "--scale", "cpu", "--logdir", "runs", "--plan", "--set", "agent=planet"]
    assert reproduce.main(words) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("error: ") and errors.count("\n") == 1


def test_a_longer_run_is_done_for_a_shorter_plan_once_it_is_evaluated_beyond(tmp_path):
    long, short = (
        Plan("toy_reach", ("smoke",), "smoke", 0, (("steps", steps),)) for steps in ("4000", "400")
    )
    folder = long.folder(tmp_path)
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "config.yaml").write_text(to_yaml(long.config()))

    def at(step, evaluated_at):
        counters = dataclasses.asdict(Counters()) | {"step": step, "evaluated_at": evaluated_at}
        state = {"format": versions.FORMAT, "counters": counters}
        checkpoint.save(folder / "checkpoints", {}, state, update=step, step=step, keep=2)
        found = [plan.progress(tmp_path) for plan in (short, long)]
        return [(each.done, each.steps) for each in found]

    assert at(500, 390) == [(False, 4000), (False, 4000)]
    assert at(510, 405) == [(True, 400), (False, 4000)]


def test_a_run_that_evaluates_other_actions_is_another(tmp_path):
    by_mode, by_mean = (
        Plan("toy_reach", ("smoke",), "smoke", 0, (("evaluate.action", action),))
        for action in ("mode", "mean")
    )
    by_mode.folder(tmp_path).mkdir(parents=True)
    (by_mode.folder(tmp_path) / "config.yaml").write_text(to_yaml(by_mode.config()))
    assert by_mode.clashes(tmp_path) == [] and by_mean.clashes(tmp_path) == ["evaluate.action"]


def test_lists_cannot_be_varied(capsys):
    words = ["--logdir", "runs", "--tasks", "toy_reach", "--methods", "a3c_vectors", "--plan"]
    assert sweep.main([*words, "--vary", "a3c.units=64,64"]) == 2
    assert "--vary a3c.units: its values have commas" in capsys.readouterr().err
