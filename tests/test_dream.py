"""The dream's application where its simulator fails; with a page in tests/reports/test_eyes.py."""

from types import SimpleNamespace

import pytest
from agents_for_tests import tiny_config

from dreamer_tf.agents.dreamer import Dreamer
from dreamer_tf.basics.errors import UserError
from dreamer_tf.dream import Dream, make_app
from dreamer_tf.envs.process import starting
from dreamer_tf.player import Player


@pytest.fixture(scope="module")
def player():
    """A player whose environment is `Slow`."""
    config = tiny_config(task="environments_for_tests:Slow", env__observation="vector")
    with starting.worker_starter(config, None)() as worker:
        agent = Dreamer(config, worker.spec, "float32")
    saved = SimpleNamespace(state={"counters": {"step": 0}, "spec": agent.spec.to_json()})
    return Player(config, saved, agent)


@pytest.fixture
def fault(tmp_path, monkeypatch):
    """A file that has the environment raise at its next step, once."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path / "raise"


@pytest.fixture
def dream(player, fault):
    dream = Dream(player, player.environment())
    yield dream
    dream.close()


def failing(answer):
    """Returns the line of an answer that says what has failed."""
    assert answer.status_code == 503 and answer.mimetype == "text/plain"
    assert "\n" not in answer.text and "<" not in answer.text and "Traceback" not in answer.text
    return answer.text


def test_a_simulator_that_fails_is_one_line_and_a_new_start_has_a_new_one(
    dream, fault, capfd, caplog
):
    page = make_app(dream).test_client()
    assert page.post("/tick", json={"action": [0.5, 0]}).json["count"] == 1
    fault.touch()
    line = failing(page.post("/tick", json={"action": [0.5, 0]}))
    assert "the simulator has failed" in line and "ValueError: the gripper slipped" in line
    for _ in range(2):
        assert "new start" in failing(page.post("/tick", json={"action": None}))
    assert page.post("/restart", json={"seed": 3}).json["count"] == 0
    view = page.post("/tick", json={"action": [0.5, 0]}).json
    assert view["count"] == 1 and view["real_reward"] == 0.5
    fault.touch()  # Also while a new start makes its first steps.
    assert "the gripper slipped" in failing(page.post("/restart", json={"seed": 3}))
    assert page.post("/restart", json={"seed": 3}).json["count"] == 0
    printed = capfd.readouterr()
    assert "Traceback" not in printed.err + printed.out + caplog.text


def test_an_environment_that_cannot_be_made_anew_is_tried_again(dream, fault, monkeypatch):
    page = make_app(dream).test_client()
    dream.close()

    def refusing():
        raise UserError("no robot\nfor this task")

    with monkeypatch.context() as patched:
        patched.setattr(dream.player, "environment", refusing)
        for _ in range(2):
            assert failing(page.post("/restart", json={"seed": 0})) == "no robot for this task"
    assert page.post("/restart", json={"seed": 0}).json["count"] == 0


def test_what_fails_between_a_step_and_its_answer_leaves_no_answer_behind(dream, monkeypatch):
    worker = dream.environment.worker
    with monkeypatch.context() as patched, pytest.raises(ZeroDivisionError):
        patched.setattr(dream.player, "dream_step", lambda state, action: 1 / 0)
        dream.tick([0.5, 0])
    dream.restart(1)
    assert dream.environment.worker is not worker
    assert dream.tick([0.25, 0])["real_reward"] == 0.25


def test_wrong_requests_are_answered_in_plain_text(dream):
    page = make_app(dream).test_client()
    answer = page.post("/tick", json={"action": "left"})
    assert (answer.status_code, answer.mimetype) == (400, "text/plain")
    assert answer.text == "action must be null or 2 finite numbers"
    nested = page.post("/tick", data="[" * 100_000, content_type="application/json")
    assert (nested.status_code, nested.text) == (400, "the content is nested too deeply")
    answer = page.get("/nowhere")
    assert (answer.status_code, answer.mimetype) == (404, "text/plain")
    assert page.post("/tick", json={"action": None}).json["count"] == 1, "nothing was harmed"
