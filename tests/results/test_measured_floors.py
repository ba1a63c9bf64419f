"""The program that measures the floors; on the built-in task, which needs no simulator."""

import gymnasium
import numpy as np
import pytest
import scipy.stats
from results_for_tests import program

from dreamer_tf.envs import make_env
from dreamer_tf.results import references


@pytest.fixture(scope="module")
def floors():
    return program("floors")


def test_writes_the_columns_of_the_table_that_is_shipped(tmp_path, capsys, floors):
    path = tmp_path / "floors.csv"
    assert floors.main(["--task", "toy_reach", "--episodes", "3", "--out", str(path)]) == 0
    lines = path.read_text().splitlines()
    assert lines == capsys.readouterr().out.splitlines()
    assert lines[0] == "task,policy,episodes,mean,standard_error,min,max"
    shipped = references.floors("dmc_walker_walk")
    assert [line.split(",")[1] for line in lines[1:]] == [each.policy for each in shipped]
    assert all(line.startswith("toy_reach,") and ",3," in line for line in lines[1:])


def test_a_task_that_fails_costs_none_of_what_was_measured(tmp_path, capsys, floors):
    path = tmp_path / "floors.csv"
    words = ["--task", "toy_reach", "toy_nothing", "--episodes", "2", "--out", str(path)]
    assert floors.main(words) == 2
    printed = capsys.readouterr()
    assert path.read_text() == printed.out and len(printed.out.splitlines()) > 3
    assert "toy_nothing" in printed.err


def test_a_reward_that_is_no_number_has_no_floor(floors):
    env = make_env("toy_reach", observation="vector")
    env.step = lambda action: (None, np.nan, True, False, {})
    with pytest.raises(ValueError, match="a reward is nan"):
        floors.measure(env, lambda random, size: np.zeros(size), 2)


def test_returns_are_those_of_the_policys_actions(floors):
    env = make_env("toy_reach", observation="vector", action_repeat=2)
    returns = floors.measure(env, lambda random, size: np.full(size, 0.5), 2)
    for episode in range(2):
        env.reset(seed=1000 + episode)
        total, over = 0.0, False
        while not over:
            _, reward, terminated, truncated, _ = env.step(np.full(env.action_space.shape, 0.5))
            total, over = total + reward, terminated or truncated
        assert returns[episode] == pytest.approx(total)
    assert floors.row("t", "p", np.array([1.0, 3.0])) == ["t", "p", "2", "2.0", "1.0", "1.0", "3.0"]


def test_policies_are_what_they_are_called(floors):
    random = np.random.default_rng(0)
    draw = {name: policy(random, 100_000) for name, policy in floors.POLICIES.items()}
    assert set(draw["zero"]) == {0.0} and set(draw["plus_one"]) == {1.0}
    assert abs(draw["uniform"].mean()) < 0.01 and draw["uniform"].std() == pytest.approx(
        3**-0.5, abs=0.01
    )
    actor = draw["untrained_actor"]
    assert actor.min() == -1 and actor.max() == 1
    mean = np.tanh(5 * scipy.stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000))
    clipped = scipy.stats.norm.cdf((mean - 1) / 0.3) + scipy.stats.norm.cdf((-1 - mean) / 0.3)
    assert np.mean(np.abs(actor) == 1) == pytest.approx(clipped.mean(), abs=0.006)
    assert actor.std() == pytest.approx(0.86, abs=0.06) and abs(actor.mean()) < 0.01


@pytest.mark.parametrize(
    "words, message",
    [
        (["--task", "toy_rech"], "error: unknown task 'toy_rech'"),
        (["--task", "gym_CarPole-v1"], "gym_CartPole-v1"),
    ],
)
def test_mistakes_are_told(capsys, floors, words, message):
    assert floors.main([*words, "--episodes", "2"]) == 2
    assert message in capsys.readouterr().err


def test_a_set_up_that_no_run_can_have_is_refused(capsys, floors):
    with pytest.raises(SystemExit):
        floors.main(["--task", "toy_reach", "--action_repeat", "3", "--time_limit", "40"])
    assert "--time_limit 40 is not a multiple of --action_repeat 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("task", "status", "message"),
    [
        ("spaces_for_tests:Unbounded", 2, "action"),
        ("spaces_for_tests:SeveralChoices", 2, "action"),
        ("environments_for_tests:Raising", 1, "environments_for_tests:Raising fails: "),
    ],
)
def test_what_no_agent_could_act_in_is_one_line(task, status, message, capsys, floors):
    assert floors.main(["--task", task, "--episodes", "2"]) == status
    output, errors = capsys.readouterr()
    assert errors.startswith("error: ") and errors.count("\n") == 1 and message in errors
    assert "nan" not in output


def test_choices_begin_where_their_space_does(floors):
    space = gymnasium.spaces.Discrete(3, start=-1)
    random = np.random.default_rng(0)
    found = {
        name: {floors.act(space, policy, random) for _ in range(99)}
        for name, policy in floors.CHOICES.items()
    }
    assert found == {"uniform": {-1, 0, 1}, "first": {-1}, "last": {1}}


def test_where_to_write_is_looked_at_first(tmp_path, capsys, floors):
    words = ["--task", "toy_reach", "--episodes", "2", "--time_limit", "20", "--out"]
    assert floors.main([*words, str(tmp_path)]) == 2
    output, errors = capsys.readouterr()
    assert output == "" and errors == (
        f"error: --out {tmp_path} is a folder: give the name of a file\n"
    )
    assert floors.main([*words, str(tmp_path / "new" / "floors.csv")]) == 0
    assert (tmp_path / "new" / "floors.csv").read_text().startswith("task,policy")


def test_a_single_episode_has_no_error(capsys, floors):
    with pytest.raises(SystemExit):
        floors.main(["--episodes", "1"])
    assert "--episodes must be at least 2" in capsys.readouterr().err


def test_choices_bounds_and_the_runs_own_steps(capsys, floors):
    """CartPole falls within some steps by one action alone; Pendulum's torque goes up to 2."""
    assert floors.main(["--task", "gym_CartPole-v1", "--episodes", "5"]) == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [each[1] for each in rows] == ["uniform", "first", "last"]
    uniform, first, last = (float(each[3]) for each in rows)
    assert 8 <= first <= 11 and 8 <= last <= 11 < uniform < 60

    env = make_env("gym_Pendulum-v1", observation="vector")
    random = np.random.default_rng(0)
    assert floors.act(env.action_space, floors.POLICIES["plus_one"], random).tolist() == [2.0]
    assert floors.act(env.action_space, floors.POLICIES["zero"], random).tolist() == [0.0]

    words = [
        "--task",
        "toy_reach",
        "--episodes",
        "2",
        "--time_limit",
        "40",
        "--action_repeat",
        "20",
    ]
    assert floors.main(words) == 0
    row = capsys.readouterr().out.splitlines()[1].split(",")
    env = make_env("toy_reach", observation="vector", action_repeat=20, time_limit=40)
    assert env.reset(seed=0) and env.step(np.zeros(2))[3] is False and env.step(np.zeros(2))[3]
    expected = floors.measure(env, floors.POLICIES["uniform"], 2).mean()
    assert row[1] == "uniform" and float(row[3]) == pytest.approx(expected, abs=0.051)
