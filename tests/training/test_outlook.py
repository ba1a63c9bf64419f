"""What commands say that they would do, and what is left of a run that ended too early to save."""

import os
import signal

import pytest
from runs_for_tests import BRIEF, fingerprint, run_path, start, start_anew, train, wait_for

from dreamer_tf.basics import stopping
from dreamer_tf.basics.errors import UserError
from dreamer_tf.config.command_line import parse
from dreamer_tf.config.files import to_yaml
from dreamer_tf.reports import terminal
from dreamer_tf.training import helping, outlook, session


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """The folder of the runs, with a complete one in it."""
    logdir = tmp_path_factory.mktemp("logs")
    assert train(logdir, small=BRIEF).returncode == 0
    return logdir


def arguments(logdir, *words):
    return parse(["--logdir", str(logdir), *BRIEF, *words])


def test_who_began_anew_is_told_how_to_go_on(complete, tmp_path):
    """The same command would delete what there is."""
    said = outlook.after_interrupt(arguments(complete, "--fresh"))
    assert "the same command without --fresh goes on from the checkpoint of step 700" in said
    assert "--fresh" not in outlook.after_interrupt(arguments(complete))

    process = start(tmp_path, "--steps", "5000", "--fresh", small=BRIEF)
    file = run_path(tmp_path) / "metrics.jsonl"
    wait_for(lambda: file.exists() and file.stat().st_size)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=100)
    assert process.returncode == 0
    assert "stopped; the same command without --fresh continues the run" in output


@pytest.mark.parametrize(
    "error",
    [
        MemoryError("Unable to allocate 134. TiB"),
        type("ResourceExhaustedError", (Exception,), {})("OOM"),
    ],
)
def test_lacking_memory_is_one_line_and_costs_no_earlier_run(error, complete, monkeypatch):
    def fail(*_):
        raise error

    before = fingerprint(complete)
    monkeypatch.setattr(helping, "make_agent", fail)
    with pytest.raises(UserError, match="there is not enough memory .*train.batch_size") as caught:
        session.run_to_end(arguments(complete, "--fresh"))
    assert "\n" not in str(caught.value) and str(error) in str(caught.value)
    assert fingerprint(complete) == before
    assert outlook.out_of_memory(ValueError("a")) is None


def test_an_interrupt_that_a_library_turns_into_something_else_is_one(tmp_path, monkeypatch):
    def fail(*_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise SystemError("returned a result with an exception set") from None

    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    monkeypatch.setattr(helping, "make_agent", fail)
    try:
        with pytest.raises(UserError, match="interrupted before anything was learned") as caught:
            session.run_to_end(arguments(tmp_path))
        assert caught.value.status == 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_before_training_is_told_and_costs_nothing(number, tmp_path):
    process = start_anew(tmp_path)
    while "starting the environment" not in process.stdout.readline():
        assert process.poll() is None
    os.kill(process.pid, number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert "interrupted before anything was learned: the same command starts the run" in output
    assert f"({number.name})" in output and "Traceback" not in output


def test_a_dry_run_refuses_what_the_run_would_refuse(tmp_path):
    foreign = run_path(tmp_path / "foreign")
    foreign.mkdir(parents=True)
    (foreign / "notes.txt").write_text("mine")
    (tmp_path / "file").write_text("")
    for words, said in (
        ([tmp_path / "new", "--init_from", str(tmp_path / "nothing")], "is not a run"),
        ([tmp_path / "foreign"], "is no run of ours"),
        ([tmp_path / "file"], "file is not a folder"),
    ):
        with pytest.raises(UserError, match=said):
            outlook.plan(arguments(*words))
    assert "starts at step 0" in outlook.plan(arguments(tmp_path / "new"))
    assert not (tmp_path / "new").exists()


def test_a_dry_run_looks_for_damaged_checkpoints(tmp_path):
    run = run_path(tmp_path)
    (run / "checkpoints").mkdir(parents=True)
    (run / "config.yaml").write_text(to_yaml(arguments(tmp_path).config))
    assert "starts at step 0" in outlook.plan(arguments(tmp_path))
    (run / "checkpoints" / "0000000100-00000010.npz").write_bytes(b"cut")
    with pytest.raises(UserError, match="none of the 1 checkpoints"):
        outlook.plan(arguments(tmp_path))


def test_a_dry_run_says_what_a_fresh_start_would_cost(complete):
    before = sorted(complete.rglob("*"))
    assert "# --fresh deletes the run that is there\n" in outlook.plan(
        arguments(complete, "--fresh")
    )
    assert "--fresh" not in outlook.plan(arguments(complete))
    assert sorted(complete.rglob("*")) == before


def test_what_the_system_refuses_is_one_line(capsys):
    def refuse(words):
        raise OSError(27, "File too large")

    assert terminal.guarded(refuse)(["--fresh"]) == 1
    error = capsys.readouterr().err
    assert error == (
        "error: the system refuses to read or write (File too large); mend that, then run this "
        "again, without --fresh\n"
    )
