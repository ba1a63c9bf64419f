"""Schema, presets, overrides, errors and help of the configuration."""

import dataclasses
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from dreamer_tf.basics.errors import UserError
from dreamer_tf.config import catalog, files
from dreamer_tf.config.command_line import explanations, help_text, parse
from dreamer_tf.config.files import configs_folder, from_yaml, load_config, preset_names, to_yaml
from dreamer_tf.config.schema import Config, flatten, schema


def raw_keys(path):
    """Keys of a YAML file by indentation alone."""
    keys, section = [], None
    for line in path.read_text().splitlines():
        match = re.match(r"( *)(\w+):\s*(\S?)", line)
        if match and not match[1]:
            section = match[2]
            if match[3] not in ("", "#"):
                keys.append(section)
        elif match:
            keys.append(f"{section}.{match[2]}")
    return keys


def test_defaults_have_exactly_the_schemas_keys_each_with_a_comment():
    assert raw_keys(configs_folder() / "dreamer.yaml") == list(schema())
    found = explanations()
    assert all(len(found[key][1]) > 10 for key in schema())
    assert all(found[name][1] for name in ("env", "train", "model", "behavior"))


def test_defaults_are_the_papers():
    config = load_config()
    assert (config.task, config.steps) == ("dmc_walker_walk", 5000000)
    assert (config.train.batch_size, config.train.batch_length) == (50, 50)
    assert (config.model.deter, config.model.stoch, config.model.hidden) == (200, 30, 200)
    assert config.model.learning_rate == 0.0006
    assert config.behavior.actor_learning_rate == config.behavior.value_learning_rate == 0.00008
    assert (config.behavior.horizon, config.behavior.lambda_) == (15, 0.95)
    assert config.optimizer.epsilon == 0.0000001
    for key, value in flatten(config).items():
        assert isinstance(value, schema()[key].type), key


def test_config_is_frozen():
    config = load_config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.train.every = 3


def values_of_all_agents(presets):
    """Returns the values by key, those of sections that the presets' agent does not use as well."""
    found = {}
    for agent in catalog.AGENTS:
        found |= flatten(load_config(presets, [("agent", agent)]))
    return found | flatten(load_config(presets))


@pytest.mark.parametrize("preset", preset_names())
def test_presets_are_valid_and_say_only_what_they_change(preset):
    load_config([preset])
    if preset != "dreamer":
        defaults, changed = values_of_all_agents([]), values_of_all_agents([preset])
        for key in raw_keys(configs_folder() / f"{preset}.yaml"):
            assert changed[key] != defaults[key], key


def test_later_presets_and_overrides_win(tmp_path):
    mine = tmp_path / "mine.yaml"
    mine.write_text("seed: 7\ntrain:\n  batch_size: 9\n")
    assert load_config(["vectors", "debug"]).train.batch_length == 8
    assert load_config(["debug", "vectors"]).train.batch_length == 32
    stacked = load_config(["debug", str(mine)], [("train.batch_size", "5")])
    assert (stacked.seed, stacked.train.batch_size, stacked.train.batch_length) == (7, 5, 8)
    twice = load_config([], [("seed", "1"), ("seed", "2")])
    assert twice.seed == 2


def test_the_defaults_as_a_preset_change_nothing():
    assert load_config(["dreamer"]) == load_config()
    assert load_config(["cpu", "dreamer"]) == load_config(["cpu"])


@pytest.mark.parametrize("text", ["1e-4", "1.0e-4", "0.0001", "1E-4"])
def test_scientific_numbers_are_numbers(tmp_path, text):
    path = tmp_path / "rate.yaml"
    path.write_text(f"model:\n  learning_rate: {text}\n")
    assert load_config([str(path)]).model.learning_rate == 0.0001
    assert load_config([], [("model.learning_rate", text)]).model.learning_rate == 0.0001


@pytest.mark.parametrize("text", ["5e6", "5E6", "5.0e6", "5000000", "5_000_000"])
def test_whole_numbers_may_be_scientific(tmp_path, text):
    path = tmp_path / "steps.yaml"
    path.write_text(f"steps: {text}\n")
    for config in (load_config([str(path)]), load_config([], [("steps", text)])):
        assert config.steps == 5000000
        assert type(config.steps) is int


def test_whole_numbers_for_a_float_key_become_floats():
    free_nats = load_config([], [("model.free_nats", "2")]).model.free_nats
    assert type(free_nats) is float and free_nats == 2


@pytest.mark.parametrize("text", ["on", "'on'", '"on"'])
def test_on_is_a_word_in_yaml(tmp_path, text):
    path = tmp_path / "head.yaml"
    path.write_text(f"model:\n  discount_head: {text}\n")
    assert load_config([str(path)]).model.discount_head == "on"


def test_numbers_of_numpy_are_numbers():
    given = [("steps", np.int64(9000)), ("exploration.noise", np.float32(0.25))]
    config = load_config([], given)
    assert (config.steps, config.exploration.noise) == (9000, 0.25)
    assert type(config.steps) is int and type(config.exploration.noise) is float


def test_round_trip(tmp_path):
    overrides = [("model.discount_head", "on"), ("optimizer.epsilon", "1e-9"), ("task", "a.b:c_1")]
    overrides += [("model.learning_rate", "0.1234567890123"), ("seed", "4294967295")]
    config = load_config(["cpu"], overrides)
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert from_yaml(path) == config
    # As read by an independent reader, and usable as a preset.
    assert OmegaConf.load(path).optimizer.epsilon == 1e-9
    assert load_config([str(path)]) == config


def test_saved_config_must_be_complete(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(load_config()).replace("  noise: 0.3\n", ""))
    with pytest.raises(UserError, match="exploration.noise"):
        from_yaml(path)


def test_folder_of_the_presets_in_an_installed_package_and_in_a_checkout(tmp_path, monkeypatch):
    package = tmp_path / "site" / "dreamer_tf"
    package.mkdir(parents=True)
    monkeypatch.setattr(files, "__file__", str(package / "config" / "files.py"))
    assert configs_folder() == tmp_path / "site" / "configs"
    (package / "configs").mkdir()
    assert configs_folder() == package / "configs"


# Words of the command line and what the one line of the error must contain.
WRONG = [
    (["--sed", "3"], ["--sed", "--seed"]),
    (["--train.batchsize", "3"], ["--train.batchsize", "--train.batch_size"]),
    (["--train.batch-size", "3"], ["--train.batch-size", "--train.batch_size"]),
    (["--batch_size", "3"], ["--batch_size", "--train.batch_size"]),
    (["--every", "3"], ["--every", "--train.every", "--evaluate.every"]),
    (["--modle.deter", "3"], ["--modle.deter", "--model.deter"]),
    (["--logidr", "x"], ["--logidr", "--logdir"]),
    (["--config", "cpu"], ["--config", "--configs"]),
    (["--se\ned", "1"], ["--se", "--seed"]),
    (["--qqqqqqqq", "1"], ["--qqqqqqqq", "--help"]),
    (["--train", "3"], ["--train", "section", "train.prefill"]),
    (["seed=3"], ["seed=3", "--seed"]),
    (["-x"], ["-x"]),
    (["--configs", "cup"], ["'cup'", "cpu"]),
    (["--configs", "cpu", "debgu"], ["'debgu'", "debug"]),
    (["--configs", "missing.yaml"], ["missing.yaml"]),
    (["--configs"], ["--configs", "no value"]),
    (["--configs="], ["--configs", "no value"]),
    (["--seed"], ["--seed", "no value"]),
    (["--seed", "--task", "toy_reach"], ["--seed", "no value"]),
    (["--seed="], ["--seed", "no value"]),
    (["--task", ""], ["--task", "no value"]),
    (["--logdir"], ["--logdir", "no value"]),
    (["--name", "a/b"], ["'a/b'", "--name"]),
    (["--name", ".."], ["'..'", "--name"]),
    (["--name", "x" * 101], ["--name"]),
    (["--fresh=1"], ["--fresh", "'1'"]),
    (["--fresh", "--extend"], ["--fresh", "--extend"]),
    (["--fresh", "yes"], ["'yes'"]),
    (["--task", "../x"], ["--task", "'../x'"]),
    (["--task", "a b"], ["--task", "'a b'"]),
    (["--task", "two\nlines"], ["--task", "two"]),
    (["--seed", "one"], ["--seed", "whole number", "'one'"]),
    (["--seed", "1.5"], ["--seed", "whole number", "'1.5'"]),
    (["--seed", "-1"], ["--seed", "at least 0", "-1"]),
    (["--seed", str(2**32)], ["--seed", "at most", str(2**32)]),
    (["--seed", "True"], ["--seed", "'True'"]),
    (["--steps", "nan"], ["--steps", "'nan'"]),
    (["--steps", "1e300"], ["--steps", "at most"]),
    (["--model.learning_rate", "fast"], ["--model.learning_rate", "'fast'"]),
    (["--model.learning_rate", "nan"], ["--model.learning_rate", "'nan'"]),
    (["--model.learning_rate", "inf"], ["--model.learning_rate", "'inf'"]),
    (["--model.learning_rate", "0"], ["--model.learning_rate", "more than 0"]),
    (["--precision", "float61"], ["--precision", "'float61'", "float16"]),
    (["--precision", "double"], ["--precision", "'double'", "bfloat16"]),
    (["--env.render", "fats"], ["--env.render", "'fats'", "fast"]),
    (["--evaluate.every", "0"], ["--evaluate.every", "at least 1"]),
    (["--model.hidden", "0"], ["--model.hidden", "at least 1"]),
    (["--behavior.units", "0"], ["--behavior.units", "at least 1"]),
    (["--behavior.horizon", "1"], ["behavior.horizon", "at least 2"]),
    (["--behavior.discount", "0"], ["--behavior.discount", "more than 0"]),
    (["--behavior.discount", "1.01"], ["--behavior.discount", "at most 1", "1.01"]),
    (["--behavior.lambda_", "-0.1"], ["--behavior.lambda_", "at least 0"]),
    (["--behavior.lambda", "0.9"], ["--behavior.lambda", "--behavior.lambda_"]),
    (["--checkpoint.keep", "1"], ["--checkpoint.keep", "at least 2"]),
    (
        ["--env.time_limit", "10", "--env.action_repeat", "3"],
        ["env.time_limit 10", "env.action_repeat 3"],
    ),
    (["--env.time_limit", "999"], ["env.time_limit 999", "env.action_repeat 2"]),
    (["--env.action_repeat", "3"], ["env.time_limit 1000", "env.action_repeat 3"]),
    (["--env.action_repeat", "often"], ["--env.action_repeat", "'often'", "auto"]),
    (["--env.action_repeat", "0"], ["--env.action_repeat", "at least 1"]),
    (["--env.observation", "pixels"], ["--env.observation", "'pixels'", "image"]),
    (["--replay.capacity", "everything"], ["--replay.capacity", "'everything'", "all"]),
    (["--replay.capacity", "0"], ["--replay.capacity", "at least 1"]),
    (["--replay.keep", "maybe"], ["--replay.keep", "'maybe'", "true or false"]),
    (["--steps", "4999"], ["steps 4999", "train.prefill 5000"]),
    (
        ["--steps", "5999", "--train.pretrain", "0"],
        ["steps 5999", "train.prefill 5000", "train.every 1000", "train.pretrain is 0"],
    ),
    (
        ["--configs", "a3c_vectors", "--steps", "15999", "--envs", "32", "--a3c.rollout", "500"],
        ["steps 15999", "the 16000 of one a3c.rollout 500 in 32 environments"],
    ),
    (["--behavior.init_std", "1000"], ["--behavior.init_std", "at most 100"]),
    (["--train.batch_length", "1", "--model.discount_head", "on"], ["train.batch_length 1"]),
    (["--train.batch_length", "1"], ["train.batch_length 1", "model.discount_head"]),
    (["--exploration.epsilon", "0.05"], ["exploration.epsilon_final 0.1", "0.05"]),
]


@pytest.mark.parametrize("words, expected", WRONG, ids=[" ".join(row[0]) for row in WRONG])
def test_wrong_command_lines(words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        parse(words)
    message = str(caught.value)
    assert caught.value.status == 2
    assert "\n" not in message
    for part in expected:
        assert part in message, message
    assert list(tmp_path.iterdir()) == []


# Content of a preset file and what the one line of the error must contain besides its name.
WRONG_FILES = [
    (b"a: [1\nb: 2\n", ["line 2", "YAML"]),
    (b"seed: 1\nsteps: 5: 6\n", ["line 2", "YAML"]),
    (b"\tseed: 1\n", ["line 1", "YAML"]),
    (b"seed: 1\nseed: 2\n", ["line 2", "seed"]),
    (b"task: !!python/object/apply:os.getcwd []\n", ["line 1", "python/object"]),
    (b"- seed\n", ["key: value"]),
    (b"\xff\xfe\x00", ["UTF-8"]),
    (b"sede: 1\n", ["sede", "seed"]),
    (b"train: 3\n", ["train", "section"]),
    (b"trian: {}\n", ["trian", "train"]),
    (b"seed: {}\n", ["seed", "whole number"]),
    (b"train:\n  evry: 3\n", ["train.evry", "train.every"]),
    (b"train:\n  every:\n", ["train.every", "no value"]),
    (b"train:\n  every: [1]\n", ["train.every", "whole number", "[1]"]),
    (b"seed: true\n", ["seed", "whole number", "True"]),
    (b"seed: 0.5\n", ["seed", "whole number", "0.5"]),
    (b"task: 3\n", ["task", "3"]),
    (b"3\n", ["cannot be read as a config"]),
    (b"agent: [dreamer]\n", ["agent", "must be one of", "['dreamer']"]),
    (b"agent: {}\n", ["agent", "must be one of"]),
    (b"task: ${seed}\n", ["task", "${seed}"]),
    (b"task: ${\n", ["${"]),
    (b"task: ???\n", ["task", "???"]),
    (b"env:\n  render: quick\n", ["env.render", "quick", "paper"]),
]


@pytest.mark.parametrize("content, expected", WRONG_FILES, ids=[str(row[0]) for row in WRONG_FILES])
def test_wrong_files(content, expected, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_bytes(content)
    with pytest.raises(UserError) as caught:
        load_config([str(path)])
    message = str(caught.value)
    assert "\n" not in message
    for part in [*expected, "mine.yaml"]:
        assert part in message, message


def test_command_line():
    words = ["--logdir", "here", "--task", "toy_reach", "--train.batch_size=16", "--seed", "3"]
    arguments = parse([*words, "--configs", "debug", "cpu", "--extend", "--exploration.noise", "0"])
    assert arguments.logdir == Path("here")
    assert arguments.configs == ("debug", "cpu")
    assert (arguments.name, arguments.fresh, arguments.extend) == ("debug-cpu", False, True)
    expected = [("train.batch_size", "16"), ("seed", "3"), ("exploration.noise", "0")]
    expected.append(("task", "toy_reach"))
    assert arguments.config == load_config(["debug", "cpu"], expected)


def test_command_line_defaults():
    arguments = parse([])
    assert (arguments.logdir, arguments.name) == (Path("runs"), "dreamer")
    assert not arguments.fresh and not arguments.extend
    assert arguments.config == load_config()
    assert isinstance(arguments.config, Config)


def test_name_of_a_preset_file_and_of_choice(tmp_path):
    path = tmp_path / "small nets.yaml"
    path.write_text("seed: 1\n")
    assert parse(["--configs", str(path), "--name", "small"]).name == "small"
    with pytest.raises(UserError, match="'small nets'.*--name"):
        parse(["--configs", str(path)])
    path = path.rename(tmp_path / "small.yaml")
    assert parse(["--configs", "cpu", str(path)]).name == "cpu-small"


def test_help_names_every_key_with_its_default_and_every_preset():
    text = help_text()
    defaults = values_of_all_agents([])
    for key in schema():
        shown = re.search(rf"--{re.escape(key)}\s+(\S+)\s+\w", text)
        assert shown, key
        default = defaults[key]
        if isinstance(default, bool):
            assert shown[1] == str(default).lower()
        else:
            assert type(default)(shown[1]) == default
    for name in preset_names():
        assert re.search(rf"^  {name}  +\w", text, re.MULTILINE)
    for option in ("--logdir", "--configs", "--name", "--fresh", "--extend", "--help"):
        assert option in text


def test_help_of_a_process_needs_no_tensorflow():
    code = (
        "import sys, dreamer_tf.config.files, dreamer_tf.runs.run_directory\n"
        "from dreamer_tf.config.command_line import parse\n"
        "heavy = {'tensorflow', 'keras', 'tensorflow_probability', 'dm_control', 'mujoco'}\n"
        "try:\n"
        "    parse(['--help'])\n"
        "finally:\n"
        "    print('heavy:', sorted(heavy & set(sys.modules)))\n"
    )
    start = time.time()
    command = [sys.executable, "-c", code]
    root = Path(__file__).resolve().parents[2]
    result = subprocess.run(command, capture_output=True, text=True, cwd=root)
    print(f"help took {time.time() - start:.2f} s")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("usage:")
    assert result.stdout.endswith("heavy: []\n")
