"""The one entry, `tools/run`, as a user types it."""

import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = (
    "requirements.txt",
    "requirements/dev.txt",
    "requirements/gpu.txt",
    "requirements/no-deps.txt",
)


def environment(venv, **more):
    """Variables of a user who set the back end and whose home folder is not touched."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    return {**kept, "HOME": str(venv.parent), "DREAMER_VENV": str(venv), "MUJOCO_GL": "egl", **more}


def start(words, venv, cwd=CHECKOUT, script=CHECKOUT / "tools/run", **more):
    return subprocess.run(
        [script, *words],
        env=environment(venv, **more),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def venv(tmp_path_factory):
    """A found environment that holds the packages: it hands over to the Python of the tests."""
    folder = tmp_path_factory.mktemp("an environment") / "venv"
    python = folder / "bin/python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    python.chmod(0o755)
    first = start(["python", "-c", ""], folder)
    assert first.returncode == 0, first.stderr
    assert "setting up" not in first.stderr
    return folder


@pytest.fixture
def copy(tmp_path):
    """A checkout, in a folder with a space, whose requirements are empty: quickly set up for real.

    Its GL probe says "osmesa", if a file says so, and counts how often it was asked.
    """
    checkout = tmp_path / "a checkout"
    (checkout / "tools").mkdir(parents=True)
    (checkout / "requirements").mkdir()
    shutil.copy(CHECKOUT / "tools/run", checkout / "tools/run")
    for name in (*REQUIREMENTS, "requirements/lock.txt"):
        (checkout / name).touch()
    envs = checkout / "dreamer_tf/envs"
    envs.mkdir(parents=True)
    (checkout / "dreamer_tf/__init__.py").touch()
    shutil.copy(CHECKOUT / "dreamer_tf/doctor.py", checkout / "dreamer_tf/doctor.py")
    shutil.copytree(CHECKOUT / "dreamer_tf/basics", checkout / "dreamer_tf/basics")
    (envs / "gl.py").write_text(
        "import pathlib\nhere = pathlib.Path(__file__).parent\n"
        "open(here / 'asked', 'a').write('x')\nprint((here / 'answer').read_text())\n"
    )
    return checkout


def start_copy(copy, *words, **more):
    return start(words, copy / ".venv", copy, copy / "tools/run", **more)


def path_without_apt(folder):
    """A PATH on which apt-get does not exist, so that nothing is installed on the machine."""
    folder.mkdir(exist_ok=True)
    tools = "bash readlink dirname cat cksum id grep tail sed mkdir mv rm find flock head env"
    for tool in tools.split():
        if shutil.which(tool) and not (folder / tool).exists():
            (folder / tool).symlink_to(shutil.which(tool))
    if not (folder / "python3").exists():
        (folder / "python3").symlink_to(os.path.realpath(sys.executable))
    return str(folder)


@pytest.mark.parametrize("words", [[], ["trian"]])
def test_no_or_unknown_verb_lists_the_verbs(words, tmp_path):
    result = start(words, tmp_path / "venv")
    assert result.returncode == 2
    for verb in ("train", "evaluate", "dream", "tensorboard", "test", "doctor", "python", *words):
        assert verb in result.stderr
    assert not (tmp_path / "venv").exists()


def test_a_test_that_is_not_there_is_named_before_anything_starts(tmp_path):
    result = start(["test", "tests/no_such_file.py::test", "-k", "a/b"], tmp_path / "venv")
    assert result.returncode == 2
    assert result.stderr == "error: there is no tests/no_such_file.py\n"
    assert not (tmp_path / "venv").exists()


def test_one_file_is_tested_without_workers(venv):
    result = start(["test", "tests/test_import_layers.py", "--collect-only"], venv)
    assert "tests/test_import_layers.py::" in result.stdout and "bringing up" not in result.stdout


def test_tensorboard_wants_runs(venv, tmp_path):
    result = start(["tensorboard"], venv, tmp_path)
    assert result.returncode == 2 and "there is no folder runs here" in result.stderr
    result = start(["tensorboard", "runs"], venv, tmp_path)
    assert result.returncode == 2 and "name the folder with --logdir runs" in result.stderr
    (tmp_path / "runs").mkdir()
    result = start(["tensorboard", "--version"], venv, tmp_path)
    assert result.returncode == 0 and result.stdout[0].isdigit()


def test_help(tmp_path):
    result = start(["--help"], tmp_path / "venv")
    assert result.returncode == 0
    assert result.stdout.startswith("usage: tools/run VERB")


def test_works_from_another_folder_through_a_link_and_keeps_the_folder(venv, tmp_path):
    folder = tmp_path / "some where"
    folder.mkdir()
    link = folder / "run dreamer"
    link.symlink_to(CHECKOUT / "tools/run")
    code = "import os, dreamer_tf; print(os.getcwd()); print(dreamer_tf.__file__)"
    result = start(["python", "-c", code], venv, folder, link)
    assert result.returncode == 0, result.stderr
    assert result.stdout.splitlines() == [str(folder), str(CHECKOUT / "dreamer_tf/__init__.py")]


def test_words_and_exit_status_pass_through(venv):
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"
    result = start(["python", "-c", code, "two words", "*"], venv)
    assert result.returncode == 7
    assert result.stdout == "['two words', '*']\n"


def test_the_verb_test_starts_pytest_in_the_checkout(venv, tmp_path):
    result = start(
        ["test", "--collect-only", "tests/tools/test_tools_run.py", "-k", "test_help"],
        venv,
        tmp_path,
    )
    assert result.returncode == 0, result.stdout
    assert "tests/tools/test_tools_run.py::test_help" in result.stdout


def test_a_later_start_costs_little(venv):
    durations = []
    for _ in range(3):
        begin = time.perf_counter()
        result = start(["python", "-I", "-S", "-c", ""], venv)
        durations.append(time.perf_counter() - begin)
        assert result.returncode == 0 and not result.stderr
    print(f"later start: {min(durations):.3f} s")
    assert min(durations) < 1.0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_reach_python(venv, number):
    code = (
        "import signal, sys, time\n"
        f"signal.signal({int(number)}, lambda *_: sys.exit(43))\n"
        "print('ready', flush=True)\ntime.sleep(60)"
    )
    words = [CHECKOUT / "tools/run", "python", "-c", code]
    with subprocess.Popen(
        words, env=environment(venv), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.wait(20) == 43


def test_set_up_happens_once_and_again_when_requirements_change(copy):
    first = start_copy(copy, "python", "-c", "import sys; print(sys.prefix)")
    assert first.returncode == 0, first.stderr
    assert first.stdout == f"{copy / '.venv'}\n"
    assert "setting up" in first.stderr
    assert "setting up" not in start_copy(copy, "python", "-c", "").stderr
    (copy / "requirements/lock.txt").write_text("# another\n")
    assert "setting up" in start_copy(copy, "python", "-c", "").stderr
    assert "setting up" not in start_copy(copy, "python", "-c", "").stderr


def test_an_interrupted_set_up_is_made_anew(copy):
    """The set-up is killed for real in the middle of making the environment."""
    words = [copy / "tools/run", "python", "-c", ""]
    site = copy / ".venv/lib"
    with subprocess.Popen(
        words, env=environment(copy / ".venv"), start_new_session=True, stderr=subprocess.PIPE
    ) as process:
        while not site.exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGKILL)
    (site / "left behind").touch()
    again = start_copy(copy, "python", "-m", "pip", "--version")
    assert again.returncode == 0, again.stderr
    assert "setting up" in again.stderr
    assert not (site / "left behind").exists()


def test_two_set_ups_at_once(copy):
    words = [copy / "tools/run", "python", "-m", "pip", "--version"]
    processes = [
        subprocess.Popen(
            words, env=environment(copy / ".venv"), stderr=subprocess.PIPE, stdout=subprocess.PIPE
        )
        for _ in range(2)
    ]
    errors = [process.communicate(timeout=120)[1].decode() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], errors
    assert sorted("setting up" in error for error in errors) == [False, True]


def test_a_failed_set_up_says_why_and_what_to_do(copy):
    (copy / "requirements.txt").write_text("-r not-there.txt\n")
    result = start_copy(copy, "python", "-c", "")
    assert result.returncode == 1
    assert "not-there.txt" in result.stderr
    assert "type the same command again" in result.stderr
    (copy / "requirements.txt").write_text("")
    assert start_copy(copy, "python", "-c", "").returncode == 0


def test_a_folder_that_is_no_environment_is_left_alone(copy):
    precious = copy / ".venv" / "thesis.tex"
    precious.parent.mkdir()
    precious.touch()
    result = start_copy(copy, "python", "-c", "")
    assert result.returncode == 1
    assert "no virtual environment" in result.stderr and "DREAMER_VENV" in result.stderr
    assert precious.exists()


def test_without_a_python_it_says_what_to_install(copy, tmp_path):
    path = path_without_apt(tmp_path / "bin")
    (tmp_path / "bin/python3").unlink()
    shim = tmp_path / "bin/python3.12"  # like a pyenv shim of a version that is not chosen
    shim.write_text("#!/bin/sh\necho 'command not found' >&2\nexit 127\n")
    shim.chmod(0o755)
    result = start_copy(copy, "python", "-c", "", PATH=path)
    assert result.returncode == 1
    assert len(result.stderr.splitlines()) == 1
    assert "Python 3.11, 3.12 or 3.13 is needed" in result.stderr and "apt-get" in result.stderr


def pretend_root_with_apt(folder, effect):
    """Puts an apt-get that notes its words in `apt.log` and then has an effect, and root's id."""
    for name, line in (("id", "echo 0"), ("apt-get", f'echo "$@" >>"{folder}/apt.log"; {effect}')):
        (folder / name).unlink(missing_ok=True)
        (folder / name).write_text(f"#!/bin/sh\n{line}\n")
        (folder / name).chmod(0o755)


def test_a_missing_venv_module_is_installed_where_allowed_or_named(copy, tmp_path):
    folder = tmp_path / "bin"
    path = path_without_apt(folder)
    (folder / "python3").unlink()
    real, installed = os.path.realpath(sys.executable), folder / "installed"
    (folder / "python3").write_text(
        f'#!/bin/sh\ncase "$*" in *ensurepip*) [ -e "{installed}" ] || exit 1 ;; esac\n'
        f'exec "{real}" "$@"\n'
    )
    (folder / "python3").chmod(0o755)
    package = f"python3.{sys.version_info.minor}-venv"
    result = start_copy(copy, "python", "-c", "", PATH=path)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].endswith(f"apt-get install {package}")

    pretend_root_with_apt(folder, f': >"{installed}"')
    result = start_copy(copy, "python", "-c", "", PATH=path)
    assert result.returncode == 0, result.stderr
    assert f"install -y {package}" in (folder / "apt.log").read_text()


def test_missing_gl_packages_are_installed_where_allowed_and_only_once(copy, tmp_path):
    folder = tmp_path / "bin"
    path = path_without_apt(folder)
    answer = copy / "dreamer_tf/envs/answer"
    show = ["python", "-c", "import os; print(os.environ.get('MUJOCO_GL'))"]

    pretend_root_with_apt(folder, "exit 1")
    for _ in range(2):
        result = start_copy(copy, *show, PATH=path, MUJOCO_GL="")
        assert result.stdout == "None\n" and "apt-get install -y libegl1 " in result.stderr
    assert len((folder / "apt.log").read_text().splitlines()) == 1  # the failed `update`

    for remembered in (copy / ".venv").glob("dreamer-gl-*"):
        remembered.unlink()
    pretend_root_with_apt(folder, f'echo egl >"{answer}"')
    result = start_copy(copy, *show, PATH=path, MUJOCO_GL="")
    assert result.stdout == "egl\n"
    assert "install -y libegl1 " in (folder / "apt.log").read_text()


def test_the_gl_back_end_is_remembered_and_a_failure_is_not(copy, tmp_path):
    path = path_without_apt(tmp_path / "bin")
    show = ["python", "-c", "import os; print(os.environ.get('MUJOCO_GL'))"]
    asked = copy / "dreamer_tf/envs/asked"

    for count in (1, 2):
        result = start_copy(copy, *show, PATH=path, MUJOCO_GL="")
        assert result.returncode == 0, result.stderr
        assert "apt-get install -y libegl1 " in result.stderr
        assert asked.read_text() == "x" * count

    (asked.parent / "answer").write_text("osmesa")
    for _ in range(2):
        result = start_copy(copy, *show, PATH=path, MUJOCO_GL="")
        assert result.stdout == "osmesa\n"
        assert asked.read_text() == "xxx"

    assert start_copy(copy, *show, PATH=path, MUJOCO_GL="glfw").stdout == "glfw\n"
    assert asked.read_text() == "xxx"


def test_doctor_notices_a_package_that_is_not_as_pinned(copy):
    command = [sys.executable, "-m", "dreamer_tf.doctor", "--packages"]
    (copy / "requirements.txt").write_text(f"numpy=={version('numpy')}  # as it is\n")
    assert subprocess.run(command, capture_output=True, cwd=copy).returncode == 0
    (copy / "requirements.txt").write_text("numpy==1.0\nno-such-package-at-all==2\n")
    result = subprocess.run(command, capture_output=True, text=True, cwd=copy)
    assert result.returncode == 1
    assert "needs 1.0" in result.stdout and "no-such-package-at-all missing" in result.stdout
