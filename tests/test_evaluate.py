"""The command line of evaluate."""

import os

import pytest

from dreamer_tf import evaluate
from dreamer_tf.basics.errors import UserError


@pytest.mark.parametrize(
    "words",
    [
        ["--video", "a.gif", "--predict", "a.gif"],
        ["--video", "a.gif", "--predict", "./a.gif"],
        ["--json", "a.csv", "--predict", "a.gif"],
        ["--json", "a_vectors.png", "--predict", "a.gif"],
        ["--json", "a.gif", "--video", "a.gif"],
    ],
)
def test_no_output_is_written_over_another(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="would write over --(video|json)"):
        evaluate.parse(["run", *words])
    apart = ["--json", "a.json", "--video", "a.gif", "--predict", "b.gif"]
    assert evaluate.parse(["run", *apart]).predict.name == "b.gif"


def test_only_ordinary_files_are_written_and_of_a_link_what_it_leads_to(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("")
    for place in ("fifo", ".", "file/x.json"):
        with pytest.raises(UserError, match="--json"):
            evaluate.parse(["run", "--json", str(tmp_path / place)])
    (tmp_path / "target.json").write_text("old")
    (tmp_path / "link.json").symlink_to("target.json")
    arguments = evaluate.parse(["run", "--json", str(tmp_path / "link.json")])
    assert arguments.json == (tmp_path / "target.json").resolve()
