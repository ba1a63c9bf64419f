"""D4PG and A3C in the real commands: interrupted, continued, evaluated, or refused."""

import json
import signal

import numpy as np
import pytest
from programs_for_tests import run_program
from runs_for_tests import (
    assert_same_run,
    final_arrays,
    interrupt,
    metrics,
    run_path,
    start,
    train,
)

from dreamer_tf.runs import checkpoint

SHORT = [
    *("--configs", "debug", "--env.action_repeat", "1", "--env.time_limit", "50"),
    *("--evaluate.every", "250", "--evaluate.episodes", "2", "--checkpoint.minutes", "0.02"),
]
SMALL = {
    # Pixels, several frames, priorities, two environments, targets that follow in between.
    "d4pg": [
        *SHORT,
        *("--agent", "d4pg", "--envs", "2", "--steps", "900", "--train.prefill", "200"),
        *("--train.pretrain", "10", "--train.every", "100", "--train.updates", "10"),
        *("--env.image_size", "16", "--d4pg.stack", "3", "--d4pg.embed", "8"),
        *("--d4pg.actor_units", "16,16", "--d4pg.critic_units", "16,16"),
        *("--d4pg.target_period", "7"),
    ],
    "a3c": [
        *SHORT,
        *("--agent", "a3c", "--envs", "3", "--steps", "1500", "--env.observation", "vector"),
        *("--train.updates", "5", "--a3c.rollout", "7", "--a3c.units", "16"),
    ],
}


@pytest.fixture(scope="module", params=list(SMALL))
def whole(request, tmp_path_factory):
    """An uninterrupted run: (agent's name, folder, output)."""
    logdir = tmp_path_factory.mktemp(request.param)
    result = train(logdir, small=SMALL[request.param])
    assert result.returncode == 0 and "is complete" in result.stdout, result.stderr
    return request.param, run_path(logdir), result.stdout


def test_interrupted_anywhere_it_ends_like_an_uninterrupted_run(whole, tmp_path):
    agent, expected, _ = whole
    run = run_path(tmp_path)
    moments = [(3, signal.SIGINT), (12, signal.SIGTERM)]
    stopped = []
    for count, number in moments:
        process = start(tmp_path, small=SMALL[agent])
        assert interrupt(process, run, lambda n, count=count: n >= count, number) == 0
        stopped.append(checkpoint.read_state(run / "checkpoints")["counters"])
    assert len({(each["step"], each["update"]) for each in stopped}) == len(moments)
    assert train(tmp_path, small=SMALL[agent]).returncode == 0
    assert_same_run(run, expected)


def test_what_is_learned_and_needed_is_saved(whole):
    agent, run, output = whole
    state, arrays = final_arrays(run)
    updates = state["counters"]["update"]
    assert arrays["agent/updates"] == updates > 50
    lines = metrics(run)
    if agent == "d4pg":
        assert updates == 10 + 10 * 7 and arrays["policy_state/frames"].shape == (2, 16, 16, 6)
        assert (arrays["source/priorities"] > 0).sum() > 100
        # 7 updates after the last copy of update 77 they are not the same.
        trained = arrays["agent/critic/h0/kernel"]
        assert not np.array_equal(trained, arrays["agent/target_critic/h0/kernel"])
        wanted = {"critic_loss", "actor_loss", "value", "outside", "saturated", "critic_grad_norm"}
    else:
        assert updates == 1500 // 3 // 7
        wanted = {"policy_value_loss", "value_error", "action_ent", "policy_loss", "value"}
    logged = [line for line in lines if "value" in line]
    assert logged and all(wanted <= set(line) for line in logged)
    assert all(np.isfinite(line[name]) for line in logged for name in wanted)
    assert f"the agent {agent} learns no world model" in output


def test_it_is_evaluated_but_not_dreamt(whole, tmp_path):
    agent, run, _ = whole
    found = []
    for name in ("one.json", "two.json"):
        words = ["--episodes", "2", "--json", tmp_path / name]
        result = run_program("dreamer_tf.evaluate", run, *words)
        assert result.returncode == 0, result.stderr
        found.append(json.loads((tmp_path / name).read_text()))
    assert found[0] == found[1] and len(found[0]["returns"]) == 2
    for words in (("evaluate", run, "--predict", tmp_path / "p.gif"), ("dream", run)):
        result = run_program(f"dreamer_tf.{words[0]}", *words[1:])
        assert result.returncode == 2 and result.stderr.count("\n") == 1
        assert f"the agent {agent} learns no world model" in result.stderr


def test_another_run_starts_from_its_weights(whole, tmp_path):
    agent, run, _ = whole
    words = ("--init_from", str(run), "--steps", "250", "--seed", "1", "--checkpoint.keep", "99")
    result = train(tmp_path, *words, small=SMALL[agent])
    assert result.returncode == 0 and "weights    from" in result.stdout, result.stderr
    _, expected = final_arrays(run)
    folder = run_path(tmp_path, seed=1) / "checkpoints"
    first = checkpoint.load(folder / "0000000000-00000000.npz").arrays
    weights = [name for name in expected if name.startswith("agent/") and "optimizer" not in name]
    weights.remove("agent/updates")
    assert first["agent/updates"] == 0 and len(weights) > 5
    assert all(np.array_equal(first[name], expected[name]) for name in weights)


@pytest.mark.parametrize(
    "words, told",
    [
        (["--agent", "a3c"], "--env.observation vector"),
        (["--agent", "d4pg", "--task", "gym_CartPole-v1"], "--agent a3c"),
        (["--env.image_size", "84"], "leave env.image_size 64"),
    ],
)
def test_what_an_agent_cannot_act_in_is_refused_before_anything_is_made(words, told, tmp_path):
    logdir = tmp_path / "runs"
    result = run_program("dreamer_tf.train", "--logdir", logdir, "--configs", "debug", *words)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert result.stderr.startswith("error: ") and told in result.stderr
    assert not logdir.exists()
