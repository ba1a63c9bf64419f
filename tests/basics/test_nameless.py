"""Temporary files that nothing leaves behind."""

import os
import signal
import tempfile
import threading

import pytest

from dreamer_tf.basics import stopping
from dreamer_tf.basics.errors import UserError
from dreamer_tf.basics.nameless import nameless_file


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder for temporary files that Python has not looked at, as in a new process."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def test_an_interrupt_at_any_file_leaves_none_behind(folder, monkeypatch):
    really_open = os.open

    def interrupted(*arguments, **options):
        descriptor = really_open(*arguments, **options)
        signal.raise_signal(signal.SIGINT)
        return descriptor

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(os, "open", interrupted)
        nameless_file()
    assert list(folder.iterdir()) == []
    with nameless_file() as file:
        file.write(b"kept")
        file.seek(0)
        assert file.read() == b"kept" and list(folder.iterdir()) == []


def test_deferred_signals_come_in_order_to_the_handlers_from_before():
    seen = []
    earlier = {n: signal.getsignal(n) for n in (signal.SIGUSR1, signal.SIGTERM, signal.SIGHUP)}
    try:
        signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
        signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        with stopping.deferred():
            for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
                signal.raise_signal(number)
            assert seen == []
        assert seen == [signal.SIGTERM, signal.SIGUSR1]
        signal.raise_signal(signal.SIGTERM)
        assert len(seen) == 3 and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def test_in_other_threads_no_handler_is_set():
    before, failed = {number: signal.getsignal(number) for number in stopping.SIGNALS}, []

    def handle():
        try:
            stopping.handle(lambda *_: None)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=handle)
    thread.start()
    thread.join()
    assert failed == [] and before == {n: signal.getsignal(n) for n in stopping.SIGNALS}


def test_a_handler_that_raises_keeps_no_later_signal():
    seen, earlier = [], signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, lambda number, _: seen.append(number))
    try:
        with pytest.raises(KeyboardInterrupt), stopping.deferred():
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGUSR1)
        assert seen == [signal.SIGUSR1]
    finally:
        signal.signal(signal.SIGUSR1, earlier)


def test_other_threads_make_files_too(folder):
    made = []
    thread = threading.Thread(target=lambda: made.append(nameless_file()))
    thread.start()
    thread.join()
    made[0].close()
    assert list(folder.iterdir()) == []


def test_no_folder_for_temporary_files_is_one_line(monkeypatch):
    def fail(**_):
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    with pytest.raises(UserError, match="No usable temporary directory .*set TMPDIR"):
        nameless_file()
