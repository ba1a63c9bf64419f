"""Figure 5: what is collected of a prediction, whatever the agent observes."""

import numpy as np
import pytest

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports import video
from dreamer_tf.sweeps import items, predictions

PIXELS = video.encode_png(np.zeros((4, 4, 3), np.uint8))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ([".gif", ".png", ".csv"], [".png", ".pdf", ".gif", ".csv"]),
        (["_vectors.png", ".csv"], ["_vectors.png", "_vectors.pdf", ".csv"]),
    ],
    ids=["images", "vectors"],
)
def test_all_that_was_made_now_is_there_as_a_pdf_too(written, expected, tmp_path, monkeypatch):
    (plan,) = items.plans("fig5", "smoke")
    checkpoints = plan.folder(tmp_path) / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "1.npz").touch()
    base = f"fig5-{plan.task}"
    out = tmp_path / "figures"
    out.mkdir()
    for end in (".gif", ".png", "_vectors.png"):
        (out / f"{base}{end}").write_text("of an earlier run")

    def predict(folder, movie):
        for end in written:
            (out / f"{base}{end}").write_bytes(PIXELS)

    monkeypatch.setattr(predictions, "_predict", predict)
    paths, remarks = predictions.write([plan], tmp_path, out)
    assert [path.name for path in paths] == [f"{base}{end}" for end in expected]
    assert sorted(out.iterdir()) == sorted(paths) and not remarks
    monkeypatch.setattr(predictions, "_predict", lambda folder, movie: "it has no eyes")
    with pytest.raises(UserError, match="nothing to draw for fig5: .*it has no eyes"):
        predictions.write([plan], tmp_path, out)
