"""Seeing what a run has learned: TensorBoard over HTTP, films, the player, the dream's page."""

import contextlib
import http.client
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request

import numpy as np
import pytest
from PIL import Image
from programs_for_tests import Program, run_program
from runs_for_tests import (
    BRIEF,
    ROOT,
    VIDEOS,
    fingerprint,
    run_path,
    train,
    wait_for,
)

import dreamer_tf
from dreamer_tf.basics.errors import UserError


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run from images, with videos at every evaluation."""
    logdir = tmp_path_factory.mktemp("seen")
    result = train(logdir, "--steps", "450", "--env.time_limit", "100", *VIDEOS)
    assert result.returncode == 0, result.stderr
    return run_path(logdir)


def fetch(url, content=None):
    headers = {"Content-Type": "application/json"}
    data = None if content is None else json.dumps(content).encode()
    with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=30) as answer:
        return answer.read(), answer.headers.get_content_type()


def frames_of(data):
    picture = Image.open(io.BytesIO(data))
    found = []
    for t in range(picture.n_frames):
        picture.seek(t)
        found.append(np.asarray(picture.convert("RGB")))
    return np.stack(found).astype(int)


def serving(words, pattern):
    """Starts a server; returns (process, its address) as soon as it prints the address.

    It starts with interrupts ignored, as what a script puts into the background does.
    """
    process = Program(*words, together=True, background=True)
    found = []

    def told():
        found.extend(re.findall(pattern, process.output()))
        return found or process.poll() is not None

    wait_for(told)
    assert found, process.output()
    return process, found[0]


def end(process):
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=30)
    return output


def test_tensorboard_serves_moving_pictures(run):
    words = ["tensorboard.main", "--logdir", str(run), "--port", "0", "--load_fast", "false"]
    process, address = serving(words, r"(http://\S+/) ")
    try:
        images = f"{address}data/plugin/images"
        expected = {"sim/test/episode", "agent/test/open_loop", "agent/train/open_loop"}
        wait_for(lambda: expected <= json.loads(fetch(f"{images}/tags")[0]).get(".", {}).keys(), 60)
        for tag in expected:
            query = urllib.parse.urlencode({"run": ".", "tag": tag, "sample": 0})
            entries = json.loads(fetch(f"{images}/images?{query}")[0])
            assert [entry["step"] for entry in entries] == [200, 450]
            data, kind = fetch(f"{images}/individualImage?{entries[-1]['query']}")
            assert kind == "image/gif"
            frames = frames_of(data)
            # Equal frames in a row become one that lasts longer.
            most = 101 if "episode" in tag else 50
            assert 0.8 * most < len(frames) <= most
            assert abs(np.diff(frames, axis=0)).max() > 60, "it moves"
        layout = json.loads(fetch(f"{address}data/plugin/custom_scalars/layout")[0])
        charts = layout["category"][0]["chart"]
        assert charts[0]["title"] == "Return"
        written = set(json.loads(fetch(f"{address}data/plugin/scalars/tags")[0])["."])
        for chart in charts:
            tags = chart["multiline"]["tag"]
            assert any(re.search(tag, each) for tag in tags for each in written), chart
        wished = {"experimentName": "", "allowedStatuses": ["STATUS_UNKNOWN"], "sliceSize": 9}
        wished |= {"colParams": [], "startIndex": 0}
        groups = json.loads(fetch(f"{address}data/plugin/hparams/session_groups", wished)[0])
        (group,) = groups["sessionGroups"]
        shown = group["hparams"]
        assert shown["task"] == "toy_reach" and shown["model.deter"] == 32 and shown["seed"] == 0
        assert "model.kl_scale" not in shown, "it is as in the paper's set-up"
        assert group["name"] == "toy_reach-debug-0"
        known = json.loads(fetch(f"{address}data/plugin/scalars/tags")[0])["."]
        assert "KL divergence" in known["agent/div"]["description"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate()


def test_evaluate_films_and_predicts(run, tmp_path):
    before = fingerprint(run)
    words = ["--episodes", "1", "--video", tmp_path / "out.gif"]
    words += ["--predict", tmp_path / "predict.gif"]
    result = run_program("dreamer_tf.evaluate", run, *words)
    assert result.returncode == 0, result.stderr
    film = frames_of((tmp_path / "out.gif").read_bytes())
    assert film.shape[1:] == (240, 240, 3) and 80 < len(film) <= 101
    assert abs(np.diff(film, axis=0)).max() > 60
    predicted = frames_of((tmp_path / "predict.gif").read_bytes())
    assert 40 < len(predicted) <= 51 and "predict.png" in result.stdout
    strip = np.asarray(Image.open(tmp_path / "predict.png"))
    assert strip.shape[1] > 2 * 15 * 64, "fifteen columns, twice as large"
    assert len((tmp_path / "predict.csv").read_text().splitlines()) == 1 + 51
    assert fingerprint(run) == before


def test_the_readmes_python_runs(run, capsys):
    text = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(code.strip().splitlines()) <= 14
    exec(code.replace("runs/dmc_walker_walk/dreamer/0", str(run)), {})
    assert "(30, 64, 64, 3)" in capsys.readouterr().out


def test_a_player_acts_like_evaluate_and_dreams_from_where_it_is(run):
    player = dreamer_tf.load(run)
    assert player.step == 450 and player.config.task == "toy_reach"
    with player.environment() as environment:
        record, state = environment.reset(seed=3), player.start()
        for _ in range(8):
            action, state = player.act(record, state)
            record = environment.step(action)
        assert environment.render().shape == (240, 240, 3)
        np.testing.assert_array_equal(record["action"], np.clip(action, -1, 1))
    given = np.tile(np.float32([1, -1]), (5, 1))
    dream = player.imagine(state, 5, given)
    np.testing.assert_array_equal(dream["action"], given)
    assert dream["image"].shape == (5, 64, 64, 3) and dream["image"].dtype == np.uint8
    assert dream["reward"].shape == dream["value"].shape == (5,)
    own = player.imagine(state, 5)
    np.testing.assert_array_equal(own["action"][0], state["action"][0])
    assert not np.array_equal(own["action"], given)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(UserError, match="not a run"):
        dreamer_tf.load(tmp_path)


@pytest.fixture
def page(run):
    """The address of the page to play inside the dream."""
    words = ["dreamer_tf.dream", str(run), "--port", "0"]
    process, address = serving(words, r"(http://127\S+/)")
    yield address
    output = end(process)
    assert process.returncode == 0 and "Traceback" not in output, output


def test_the_dream_follows_the_actions_and_the_simulator_walks_beside_it(page):
    info = json.loads(fetch(f"{page}info")[0])
    assert info == {
        **{"task": "toy_reach", "step": 450, "size": 2, "discrete": False},
        **{"numbers": []},
    }
    first = json.loads(fetch(f"{page}restart", {"seed": 4})[0])
    assert first["count"] == 0 and first["dream"].startswith("data:image/png;base64,")
    right = [json.loads(fetch(f"{page}tick", {"action": [1, 0]})[0]) for _ in range(5)]
    assert [view["count"] for view in right] == [1, 2, 3, 4, 5]
    assert all(view["action"] == [1, 0] for view in right)
    assert len({view["real"] for view in right}) > 1 and len({view["dream"] for view in right}) == 5
    again = json.loads(fetch(f"{page}restart", {"seed": 4})[0])
    assert again["real"] != right[-1]["real"]
    nan, large = float("nan"), 10**400
    for wrong in ([1], "left", [1, None], [1, nan], [nan, nan], [1, float("inf")], [large, 0]):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            fetch(f"{page}tick", {"action": wrong})
    for wrong, path in (([1, 0], "tick"), ("seed", "restart"), (7, "tick")):
        with pytest.raises(urllib.error.HTTPError, match="400"):
            fetch(f"{page}{path}", wrong)
    # None of them has harmed the dream.
    assert json.loads(fetch(f"{page}tick", {"action": [1, 0]})[0])["count"] == 1
    request = urllib.request.Request(f"{page}info", headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(request)


def test_a_connection_that_says_nothing_keeps_nobody_waiting(page):
    place = urllib.parse.urlsplit(page)
    with socket.create_connection((place.hostname, place.port)) as idle:
        idle.send(b"POST /tick HTTP/1.1\r\n")
        assert json.loads(fetch(f"{page}restart", {"seed": 0})[0])["count"] == 0


def test_it_can_be_ended_while_a_page_is_open(run):
    words = ["dreamer_tf.dream", str(run), "--port", "0"]
    process, page = serving(words, r"(http://127\S+/)")

    def look():
        with contextlib.suppress(OSError, http.client.HTTPException):
            while True:
                fetch(f"{page}tick", {"action": None})

    lookers = [threading.Thread(target=look, daemon=True) for _ in range(3)]
    try:
        for each in lookers:
            each.start()
        for _ in range(5):
            fetch(f"{page}tick", {"action": None})
    finally:
        output = end(process)
    assert process.returncode == 0 and "Traceback" not in output and "ERROR" not in output, output


def test_an_agent_without_images_dreams_beside_what_its_simulator_renders(tmp_path):
    """Up to the end of the real episode and beyond it, where the dream goes on alone."""
    words = ["--env.observation", "vector", "--task", "gym_CartPole-v1", "--steps", "450"]
    words += VIDEOS
    assert train(tmp_path, *words).returncode == 0
    folder = run_path(tmp_path, task="gym_CartPole-v1")
    process, page = serving(["dreamer_tf.dream", str(folder), "--port", "0"], r"(http://127\S+/)")
    try:
        first = json.loads(fetch(f"{page}restart", {"seed": 1})[0])
        views = [json.loads(fetch(f"{page}tick", {"action": [1, 0]})[0]) for _ in range(20)]
    finally:
        output = end(process)
    assert process.returncode == 0 and "Traceback" not in output, output
    words = ["--episodes", "1", "--predict", tmp_path / "predict.gif"]
    assert run_program("dreamer_tf.evaluate", folder, *words).returncode == 0
    lines = np.asarray(Image.open(tmp_path / "predict_vectors.png"))
    assert lines.shape[2] == 3 and len((tmp_path / "predict.csv").read_text().splitlines()) > 6
    assert not (tmp_path / "predict.gif").exists()
    assert b"agent/test/open_loop_vectors" in next(folder.glob("events.*")).read_bytes()
    assert len(first["numbers"]) == len(first["real_numbers"]) == 4
    assert views[5]["real_numbers"] != first["real_numbers"] and views[5]["numbers"]
    assert first["dream"] is None and first["real"].startswith("data:image/png;base64,")
    assert views[-1]["ended"] and not views[0]["ended"], "a pole that is pushed one way falls"
    running = [view for view in views if not view["ended"]]
    assert len({view["real"] for view in running}) == len(running)
    assert [view["count"] for view in views] == list(range(1, 21))


def test_a_run_whose_task_is_a_module_is_opened_for_who_names_it(tmp_path):
    task = "spaces_for_tests:Many"
    result = train(tmp_path, "--task", task, "--steps", "450", small=BRIEF)
    assert result.returncode == 0, result.stderr
    folder = run_path(tmp_path, task="spaces_for_tests-Many")
    assert f"evaluate {folder} --task {task}" in result.stdout

    def evaluate(*words):
        return run_program("dreamer_tf.evaluate", folder, "--episodes", "1", *words)

    for words in ([], ["--task", "environments_for_tests:Mixed"]):
        refused = evaluate(*words)
        assert refused.returncode == 2 and refused.stderr.count("\n") == 1
        assert task in refused.stderr and "Traceback" not in refused.stderr
    assert evaluate("--task", task).returncode == 0
    # Nothing renders it: that is said before an episode, once.
    unseen = evaluate("--task", task, "--video", tmp_path / "x.gif")
    assert unseen.returncode == 2 and unseen.stdout == "" and unseen.stderr.count("\n") == 1
    assert "--video" in unseen.stderr and "renders no frames" in unseen.stderr
    with pytest.raises(UserError, match="trust=True"):
        dreamer_tf.load(folder)
    # Two hundred vectors, some with Greek and Chinese names, were written and are read again.
    assert dreamer_tf.load(folder, trust=True).spec.vector_size == 202
    again = train(tmp_path, "--task", task, "--steps", "600", "--extend", small=BRIEF)
    assert again.returncode == 0 and "warning" not in again.stderr + again.stdout
    assert "resumed    at step 450" in again.stdout


class Browser:
    """A headless Chromium, spoken to in its debugging protocol."""

    def __init__(self, folder):
        from websockets.sync.client import connect

        chromium = shutil.which("chromium") or shutil.which("chromium-browser")
        words = ["--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}"]
        words += ["--remote-debugging-port=0", "--window-size=820,1000", "about:blank"]
        self.process = subprocess.Popen(
            [chromium, *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        port = folder / "DevToolsActivePort"
        wait_for(lambda: port.exists() and port.read_text().count("\n") >= 1, 60)
        address = f"http://127.0.0.1:{port.read_text().split()[0]}/json"
        wait_for(lambda: any(each["type"] == "page" for each in json.loads(fetch(address)[0])), 30)
        pages = [each for each in json.loads(fetch(address)[0]) if each["type"] == "page"]
        self.socket = connect(pages[0]["webSocketDebuggerUrl"], max_size=None)
        self.count = 0

    def call(self, method, **parameters):
        self.count += 1
        self.socket.send(json.dumps({"id": self.count, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv(30))).get("id") != self.count:
            pass
        return answer["result"]

    def value(self, expression):
        return self.call("Runtime.evaluate", expression=expression)["result"].get("value")

    def press(self, key):
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key)

    def close(self):
        self.socket.close()
        self.process.kill()
        self.process.wait()


@pytest.mark.skipif(
    not (shutil.which("chromium") or shutil.which("chromium-browser")), reason="no Chromium here"
)
def test_the_page_in_a_browser_moves_and_obeys_keys(page, tmp_path):
    browser = Browser(tmp_path)
    try:
        browser.call("Page.navigate", url=page)
        wait_for(lambda: (browser.value("history.length > 3 && document.title") or "").strip(), 60)
        wait_for(lambda: "step 5 " in (browser.value("dreamNumbers.textContent") or ""), 60)
        before = browser.value("dream.src")
        browser.press("0")
        wait_for(lambda: "action 1: 0.00" in browser.value("actions.textContent"), 20)
        browser.press("ArrowRight")
        wait_for(lambda: "action 1: 0.25" in browser.value("actions.textContent"), 20)
        wait_for(lambda: browser.value("history[history.length - 1].action[0]") == 0.25, 20)
        assert browser.value("dream.src") != before
        begin, count = time.monotonic(), browser.value("history[history.length - 1].count")
        time.sleep(2)
        made = browser.value("history[history.length - 1].count") - count
        print(f" [{made / (time.monotonic() - begin):.0f} frames per second]", end="")
        assert made > 0
        browser.press("r")
        wait_for(lambda: browser.value("seed") == 1, 20)
        # The real episode ends after 100 steps; both worlds stop there.
        wait_for(lambda: browser.value("over"), 60)
        assert browser.value("paused") and "over" in browser.value("realNumbers.textContent")
        browser.press("r")
        wait_for(lambda: browser.value("seed == 2 && !over && !paused && history.length > 2"), 20)
    finally:
        browser.close()


def test_a_taken_port_and_a_wrong_run_are_answered(run, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        for words, word in (([str(run), "--port", port], port), ([str(tmp_path)], "not a run")):
            result = run_program("dreamer_tf.dream", *words)
            assert result.returncode in (1, 2) and word in result.stderr
            assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
