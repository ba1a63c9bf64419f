"""Agents by name: a second one in the table, without a world model, in the real commands."""

import math
from collections import defaultdict

import pytest
import yaml
from agents_for_tests import tiny_config, tiny_spec
from programs_for_tests import run_program
from runs_for_tests import ROOT, metrics, run_path
from still_for_tests import STILL

from dreamer_tf import agents
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config import catalog
from dreamer_tf.config.command_line import help_text
from dreamer_tf.config.files import from_yaml, load_config, to_yaml
from dreamer_tf.config.schema import flatten, shaping_keys
from dreamer_tf.experience.episodes import Episodes
from dreamer_tf.experience.sources import make_source
from dreamer_tf.runs import versions


@pytest.fixture
def still(monkeypatch):
    monkeypatch.setitem(catalog.AGENTS, "still", STILL)


def program(*words):
    """Runs a program of the package with `Still` in the catalogue."""
    return run_program("still_for_tests", *words)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of `Still`, and what was printed; the preset sets the model's sizes."""
    logdir = tmp_path_factory.mktemp("still")
    words = ["--configs", "debug", "--agent", "still", "--steps", "500", "--train.prefill", "200"]
    result = program("train", "--logdir", logdir, *words, "--env.time_limit", "50")
    assert result.returncode == 0, result.stdout + result.stderr
    return run_path(logdir), result.stdout


def test_a_name_makes_the_agent():
    agent = agents.make(tiny_config(), tiny_spec(), "float32")
    assert type(agent).__name__ == "Dreamer" and agent.dreams is not None


def test_an_agent_learns_at_once_where_its_source_does(tmp_path):
    for name, entry in catalog.AGENTS.items():
        config = load_config([], [("agent", name)])
        observed = {"vector": ((3,), "<f4")}
        agent = agents.make(config, tiny_spec(observations=observed), "float32")
        episodes = Episodes(tmp_path, agent.spec.record_dtype, pytest.fail)
        assert make_source(agent.experience, episodes, 0).at_once == entry.at_once
        # What is not known of a block tells nothing.
        assert agent.symptoms(defaultdict(lambda: math.nan)) == {}
        if entry.at_once:  # Without a prefill, any length is a run that has a rollout in it.
            assert load_config([], [("agent", name), ("steps", "40")]).steps == 40


def test_an_unknown_name_is_refused_with_those_that_exist():
    with pytest.raises(
        UserError, match="--agent must be one of dreamer, .*, not 'draemer' .*dreamer"
    ):
        load_config([], [("agent", "draemer")])
    assert catalog.AGENTS["dreamer"].description in " ".join(help_text().split())


@pytest.mark.usefixtures("still")
def test_only_a_persons_own_keys_must_be_of_use_to_the_agent(tmp_path):
    chosen = ("agent", "still")
    config = load_config(["cpu", "debug"], [chosen, ("exploration.noise", "0.5")])
    assert config.model is None and config.exploration.noise == 0.5
    words = r"^--model\.deter has no effect: the agent still .* section model$"
    with pytest.raises(UserError, match=words):
        load_config([], [("model.deter", "5"), chosen])
    mine = tmp_path / "mine.yaml"
    mine.write_text("agent: still\noptimizer:\n  clip: 5\n")
    with pytest.raises(UserError, match=r"mine\.yaml: optimizer\.clip has no effect"):
        load_config([str(mine)])
    assert load_config([str(mine)], [("agent", "dreamer")]).optimizer.clip == 5


@pytest.mark.usefixtures("still")
def test_a_saved_config_holds_the_sections_that_its_agent_uses(tmp_path):
    config = load_config(["debug"], [("agent", "still")])
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert from_yaml(path) == config
    assert not yaml.safe_load(path.read_text()).keys() & {"model", "behavior", "optimizer"}
    assert not [key for key in flatten(config) if key.startswith("model.")]
    path.write_text(to_yaml(config) + "optimizer:\n  clip: 5\n")
    with pytest.raises(UserError, match="optimizer.clip"):
        from_yaml(path)


def test_the_keys_that_shape_the_weights_are_those_that_change_their_shapes():
    """Of every number that the agent's sections hold, by making agents with another value."""
    base = tiny_config(train__batch_size=2)
    spec = tiny_spec(terminates=True, observations={"vector": ((3,), "<f4")})
    # The image's networks are too slow to make so often, and the depth is shown there.
    shapes = shapes_of(base, spec)
    for key, value in flatten(base).items():
        section = key.partition(".")[0]
        if section not in catalog.all_sections() or type(value) is not int:
            continue
        changed = shapes_of(tiny_config(**{key.replace(".", "__"): value + 1}), spec)
        # The depth is the images', the contrast's layers another objective's.
        unseen = ("model.cnn_depth", "model.contrast_layers")
        expected = key in shaping_keys("dreamer") and key not in unseen
        assert (changed != shapes) == expected, key


def shapes_of(config, spec):
    variables = agents.make(config, spec, "float32").variables
    return {path: tuple(variable.shape) for path, variable in variables.items()}


def test_an_agent_without_dreams_trains_and_says_so(run):
    path, printed = run
    lines = [line for line in printed.splitlines() if "no dreams" in line]
    assert len(lines) == 1 and "no videos of predictions" in lines[0]
    assert "agent      stands" in printed and "parameters nothing 0" in printed
    assert any("still_loss" in line for line in metrics(path))
    (events,) = path.glob("events.*")
    written = events.read_bytes()
    assert b"sim/test/episode" in written and b"open_loop" not in written
    assert b"Loss of standing still" in written and b"KL divergence" not in written
    assert "model" not in yaml.safe_load((path / "config.yaml").read_text())


def test_an_agent_without_dreams_is_evaluated_but_not_dreamt(run, tmp_path):
    path, _ = run
    result = program("evaluate", path, "--episodes", "1")
    assert result.returncode == 0 and "mean return" in result.stdout, result.stderr
    picture = tmp_path / "predict.gif"
    for words in (("evaluate", path, "--predict", picture), ("dream", path, "--port", "0")):
        result = program(*words)
        assert result.returncode == 2, result.stdout
        assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
        assert "the agent still learns no world model" in result.stderr
    assert not picture.exists()


def test_weights_of_another_agent_are_refused(tmp_path):
    source = ROOT / "tests" / "data" / "run_format_2"
    words = ["--task", "gym_CartPole-v1", "--agent", "still", "--init_from", source]
    result = program("train", "--logdir", tmp_path / "runs", *words)
    assert result.returncode == 2 and "agent is dreamer there and still here" in result.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("agent", ["d4pg", "a3c"])
def test_only_sequences_are_balanced(agent):
    with pytest.raises(UserError, match="--replay.balance has no effect"):
        load_config([agent], [("replay.balance", "true")])


@pytest.mark.parametrize(
    "agent, key",
    [
        *(("a3c", f"train.{name}") for name in ("prefill", "pretrain", "every")),
        *(("a3c", f"train.{name}") for name in ("batch_size", "batch_length")),
        ("d4pg", "train.batch_length"),
    ],
)
def test_keys_without_effect_are_refused_but_not_in_the_file_of_an_older_run(agent, key, tmp_path):
    with pytest.raises(UserError, match=f"--{key} has no effect: the agent {agent} does not use"):
        load_config([agent], [(key, "50")])
    stored = tmp_path / "stored.yaml"
    section, name = key.split(".")
    today = load_config([agent])
    stored.write_text(to_yaml(today).replace(f"{section}:\n", f"{section}:\n  {name}: 77\n"))
    assert f"{name}: 77" in stored.read_text() and key not in flatten(today)
    assert flatten(from_yaml(stored, versions.KEYS)) == flatten(today)
    assert flatten(load_config([str(stored)])) == flatten(today)
