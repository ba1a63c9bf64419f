"""GIFs, grids and strips, against what was put in."""

import importlib.util
import io
from pathlib import Path

import numpy as np
import pytest
from agents_for_tests import BOTH, random_batch, tiny_agent
from PIL import Image

from dreamer_tf.basics.errors import UserError
from dreamer_tf.reports import pictures, plots, predictions, video

SEED = np.array([1, 2], np.int32)


def moving_square(length=12):
    frames = np.zeros((length, 32, 48, 3), np.uint8)
    for t in range(length):
        frames[t, 8:16, 2 * t : 2 * t + 8] = (250, 40, 10)
    return frames


def test_a_gif_holds_the_frames_and_repeats():
    frames = moving_square()
    picture = Image.open(io.BytesIO(video.encode_gif(frames, 20)))
    assert (picture.n_frames, picture.info["loop"], picture.info["duration"]) == (12, 0, 50)
    for t in range(12):
        picture.seek(t)
        found = np.asarray(picture.convert("RGB")).astype(int)
        assert abs(found - frames[t]).max() <= 16, t


def test_an_image_of_one_colour_can_be_a_gif():
    picture = Image.open(io.BytesIO(video.encode_gif(np.full((3, 8, 8, 3), 77, np.uint8), 10)))
    assert abs(int(np.asarray(picture.convert("RGB"))[0, 0, 0]) - 77) <= 8


def test_the_grid_has_truth_model_and_error_and_marks_where_prediction_begins():
    random = np.random.default_rng(0)
    truth, model = random.integers(0, 256, (2, 3, 7, 16, 16, 3), dtype=np.uint8)
    grid = video.prediction_grid(truth, model, context=5)
    assert grid.shape[0] == 7
    left = video.LABEL_WIDTH + video.GAP + (16 + video.GAP)  # The second sequence.
    for t in range(7):
        rows = [video.GAP + row * (16 + video.GAP) for row in range(3)]
        cells = [grid[t, top : top + 16, left : left + 16].astype(int) for top in rows]
        np.testing.assert_array_equal(cells[0], truth[1, t])
        np.testing.assert_array_equal(cells[1], model[1, t])
        # Half the difference, to the nearest of the coarse steps.
        expected = 128 + (model[1, t].astype(int) - truth[1, t]) / 2
        assert abs(cells[2] - expected.clip(0, 255)).max() <= video.ERROR_STEP / 2
        assert len(np.unique(cells[2])) <= 33
        colour = video.CONTEXT_COLOUR if t < 5 else video.PREDICTED_COLOUR
        assert tuple(grid[t, rows[1] - 1, left + 4]) == colour


def test_the_strip_shows_the_steps_of_figure_5():
    frames = np.repeat(np.arange(51, dtype=np.uint8), 16 * 16 * 3).reshape(51, 16, 16, 3)
    steps = predictions.STRIP_STEPS
    assert steps == (0, 1, 2, 3, 4, 6, 10, 15, 20, 25, 30, 35, 40, 45, 50)
    strip = video.prediction_strip(frames, 255 - frames, 5, steps)
    for column, step in enumerate(steps):
        x = video.LABEL_WIDTH + video.GAP + column * (16 + video.GAP) + 8
        assert strip[video.GAP + 8, x, 0] == step
        assert strip[video.GAP + 8 + 16 + video.GAP, x, 0] == 255 - step


def test_windows_are_pieces_of_whole_episodes_from_their_beginning_to_their_end():
    dtype = [("episode", "i4"), ("time", "i4")]
    episodes = [np.zeros(length, dtype) for length in (30, 80)]
    for number, records in enumerate(episodes):
        records["episode"], records["time"] = number, np.arange(len(records))
    found = pictures.windows(episodes, count=5, length=20)
    assert found["time"].shape == (5, 20)
    assert (np.diff(found["time"]) == 1).all() and (np.ptp(found["episode"], 1) == 0).all()
    starts = {tuple(row) for row in zip(found["episode"][:, 0], found["time"][:, 0], strict=True)}
    assert starts == {(0, 0), (0, 5), (0, 10), (1, 0), (1, 60)}
    assert pictures.windows(episodes, count=2, length=50)["time"].shape == (2, 30)


def test_sequences_of_training_data_are_cut_to_one_episode_each():
    first = np.zeros((6, 10), bool)
    first[0, 4] = first[1, 0] = first[2, 7] = first[2, 9] = first[3, 1] = first[5, 8] = True
    batch = {"is_first": first, "time": np.arange(60).reshape(6, 10)}
    for count, rows, length in ((2, [1, 4], 10), (3, [1, 4, 5], 8), (4, [1, 2, 4, 5], 7)):
        found = pictures.unbroken(batch, count)
        np.testing.assert_array_equal(found["time"], batch["time"][rows, :length])
        assert not found["is_first"][:, 1:].any()
    assert pictures.unbroken(batch, 6)["time"].shape == (6, 1)


@pytest.mark.parametrize("observations", [BOTH, None], ids=["both", "image"])
def test_predictions_use_the_first_images_and_then_the_actions_alone(observations):
    kind = {} if observations is None else {"observations": observations}
    agent, batch = tiny_agent(**kind), random_batch(length=9, **kind)
    first = agent.dreams.predict(batch, 5, SEED)["image"]
    assert first.shape == batch["image"].shape and first.dtype == np.uint8
    later = {name: value.copy() for name, value in batch.items()}
    later["image"][:, 5:] = 0
    np.testing.assert_array_equal(agent.dreams.predict(later, 5, SEED)["image"], first)
    later["image"][:, 4] = 0
    changed = (agent.dreams.predict(later, 5, SEED)["image"] != first).any((0, 2, 3, 4))
    assert not changed[:4].any() and changed[4:].any()
    other = {**batch, "action": batch["action"].copy()}
    other["action"][:, 6] *= -1
    changed = (agent.dreams.predict(other, 5, SEED)["image"] != first).any((0, 2, 3, 4))
    assert not changed[:6].any() and changed[6:].any()


def test_open_loop_states_are_the_prior_rolled_forward_step_by_step():
    agent, batch = tiny_agent(), random_batch(length=7)
    noise = np.random.default_rng(3).normal(size=(7, 3, 3)).astype(np.float32)
    model = agent.world_model
    found = model.open_loop(batch, 4, noise)
    filtered = model.rssm(model.embed(batch), batch["action"], batch["is_first"], noise).states
    state = type(filtered)(*(value[:, 3] for value in filtered))
    for name in ("stoch", "deter"):
        expected = getattr(filtered, name)[:, :4]
        np.testing.assert_allclose(getattr(found, name)[:, :4], expected, atol=1e-6)
    for t in range(4, 7):
        state = model.rssm.prior_step(state, batch["action"][:, t], noise[t])
        np.testing.assert_allclose(found.deter[:, t], state.deter, atol=1e-6)
        np.testing.assert_allclose(found.stoch[:, t], state.stoch, atol=1e-6)


def test_what_cannot_be_shown_is_said_or_left_out():
    agent = tiny_agent(model__objective="reward_only", model__diagnostic_decoder=False)
    assert agent.dreams.predict(random_batch(), 2, SEED) == {}
    assert predictions.shown(agent.dreams, random_batch(length=9), SEED) == {}
    assert predictions.shown(None, random_batch(length=9), SEED) == {}
    assert predictions.shown(tiny_agent().dreams, random_batch(length=5), SEED) == {}
    with pytest.raises(UserError, match="5 steps"):
        predictions.files(tiny_agent().dreams, random_batch(length=5), SEED)


def test_vectors_are_predicted_from_the_first_steps_and_then_the_actions_alone():
    agent, batch = tiny_agent(observations=BOTH), random_batch(length=9, observations=BOTH)
    first = agent.dreams.predict(batch, 5, SEED)
    assert {name: each.shape for name, each in first.items()} == {
        **{"image": (3, 9, 64, 64, 3), "position": (3, 9, 3), "velocity": (3, 9, 2)}
    }
    noise = np.zeros((9, 3, agent.config.model.stoch), np.float32)
    features = agent.world_model.open_loop(batch, 5, noise).features
    decoded = agent.world_model.decode(features)
    joined = np.concatenate([decoded["position"], decoded["velocity"]], -1)
    np.testing.assert_array_equal(joined, agent.world_model.vector_decoder(features).mean())
    later = {name: value.copy() for name, value in batch.items()}
    later["velocity"][:, 5:] += 9
    np.testing.assert_array_equal(
        agent.dreams.predict(later, 5, SEED)["position"], first["position"]
    )


def test_vectors_are_drawn_as_lines_of_truth_and_model():
    """Where the colours of the lines are tells what was drawn: a step in the truth and no other."""
    truth = {"level": np.zeros((2, 20, 1), np.float32)}
    model = {"level": np.ones((2, 20, 1), np.float32)}
    picture = plots.prediction_lines(truth, model, 5)
    heights = {}
    for name, colour in (("truth", plots.TRUTH), ("seen", plots.SEEN), ("new", plots.PREDICTED)):
        wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        rows, columns = np.nonzero((abs(picture.astype(int) - wanted) < 30).all(-1))
        heights[name] = rows.mean(), columns.mean()
    assert heights["seen"][0] == pytest.approx(heights["new"][0], abs=2)
    assert heights["truth"][0] > heights["new"][0] + 20, "0 is below 1"
    assert heights["seen"][1] < heights["new"][1]
    many = {"a": np.zeros((5, 9, 30), np.float32)}
    assert plots.prediction_lines(many, many, 5).shape[:2] < (1100, 1100)


def test_what_predict_writes_is_small_and_of_every_kind():
    agent, batch = tiny_agent(observations=BOTH), random_batch(length=12, observations=BOTH)
    found = predictions.files(agent.dreams, batch, SEED)
    frames, strip = found["images"]
    assert frames.shape[0] == 12 and strip.ndim == found["vectors"].ndim == 3
    assert (frames[3] != frames[9]).any()
    header = found["csv"].decode().splitlines()[0]
    assert header == (
        'step,seen,error,"error, all sequences",error of position,"error of position, all '
        'sequences",error of velocity,"error of velocity, all sequences"'
    )


@pytest.mark.parametrize("installed", [False, True])
def test_an_mp4_needs_an_encoder_and_other_files_are_refused(monkeypatch, installed):
    found = importlib.util.find_spec
    spec = {"imageio_ffmpeg": installed or None}
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: spec.get(name, found(name)))
    video.check_suffix(Path("a.gif"), "--video ")
    with pytest.raises(UserError, match="--video a.avi: .*.gif or .mp4"):
        video.check_suffix(Path("a.avi"), "--video ")
    if installed:
        video.check_suffix(Path("a.mp4"), "--video ")
    else:
        with pytest.raises(UserError, match="pip install imageio-ffmpeg"):
            video.check_suffix(Path("a.mp4"), "--video ")


@pytest.mark.skipif(importlib.util.find_spec("imageio_ffmpeg") is None, reason="it is optional")
def test_an_mp4_holds_the_frames():
    import imageio.v3

    data = video.encode(moving_square(), 20, ".mp4")
    again = imageio.v3.imread(data, extension=".mp4", plugin="FFMPEG")
    assert again.shape == (12, 32, 48, 3)
    assert abs(again[5].astype(int) - moving_square()[5]).mean() < 10


def test_errors_of_predictions_are_mean_distances_of_pixels():
    truth = np.zeros((2, 4, 8, 8, 3), np.uint8)
    model = truth.copy()
    model[0, 1], model[1, 1], model[0, 3, :4] = 10, 255, 8
    lines = predictions.errors({"image": truth}, {"image": model}, context=2).decode().splitlines()
    assert lines[1:] == ["0,yes,0,0", "1,yes,10,132.5", "2,no,0,0", "3,no,4,2"]


def test_pixels_and_preprocessing_are_inverse():
    from dreamer_tf.networks import images

    pixels = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(images.to_pixels(images.preprocess(pixels)), pixels)
    assert images.to_pixels(np.float32([-9, 9])).numpy().tolist() == [0, 255]
