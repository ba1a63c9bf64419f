"""The command line of evaluate."""

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
