"""Where a program is to write: refused at once, or left for it to make."""

import os

import pytest

from dreamer_tf.basics import outputs
from dreamer_tf.basics.errors import UserError


def test_what_is_missing_can_be_made_and_nothing_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    for wanted in ("page.html", "new/below/page.html", tmp_path / "new" / "page.html"):
        assert outputs.file(wanted, "--out") == type(tmp_path)(wanted)
    assert outputs.file("~/page.html", "--out") == tmp_path / "page.html"
    for wanted in ("new", "new/below", "."):
        assert outputs.folder(wanted, "--out") == type(tmp_path)(wanted)
    assert list(tmp_path.iterdir()) == []


def test_a_file_may_be_replaced_and_a_folder_be_there(tmp_path):
    (tmp_path / "page.html").write_text("old")
    assert outputs.file(tmp_path / "page.html", "--out").read_text() == "old"
    assert outputs.folder(tmp_path, "--out") == tmp_path


@pytest.mark.parametrize(
    ("kind", "wanted", "message"),
    [
        (outputs.file, "folder", "^--out folder is a folder: give the name of a file$"),
        (outputs.file, "pipe", "^--out pipe is no ordinary file: give"),
        (outputs.file, "text/page.html", "^--out text/page.html: .*/text is a file, so nothing"),
        (outputs.folder, "text", "^--out text is a file: give a folder$"),
        (outputs.folder, "text/a/b", "^--out text/a/b: .*/text is a file, so nothing can be in it"),
    ],
)
def test_what_cannot_be_written_is_named_as_it_was_typed(
    kind, wanted, message, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match=message):
        kind(wanted, "--out")
    assert (tmp_path / "text").read_text() == "mine"


@pytest.mark.parametrize(
    "name",
    [
        *("config.yaml", "meta.json", "metrics.jsonl", "curve.csv", "events.out.1"),
        *("checkpoints/3.npz", "link"),
    ],
)
def test_no_part_of_a_run_is_written_over(name, tmp_path):
    run = tmp_path / "0"
    (run / "checkpoints").mkdir(parents=True)
    names = ("config.yaml", "meta.json", "metrics.jsonl", "curve.csv", "events.out.1")
    for each in (*names, "checkpoints/3.npz"):
        (run / each).write_text("mine")
    with pytest.raises(UserError, match="checkpoints is a part of a run: give another folder"):
        outputs.folder(run / "checkpoints", "--out")
    (run / "link").symlink_to(run / "checkpoints" / "3.npz")
    with pytest.raises(UserError, match=f"{name} is a part of a run, which would be lost: name"):
        outputs.file(run / name, "--json")
    # What a run is not made of, and the same names elsewhere.
    for other in (run / "evaluation.json", tmp_path / "meta.json"):
        other.write_text("old")
        assert outputs.file(other, "--json") == other


def test_a_folder_that_may_not_be_written_in(tmp_path, monkeypatch):
    # Root may write everywhere, so that a mode alone shows nothing.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    for kind in (outputs.file, outputs.folder):
        with pytest.raises(UserError, match=f"{tmp_path} cannot be written in"):
            kind(tmp_path / "new", "--out")
