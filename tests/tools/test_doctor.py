"""The check of the machine: what is good, and each bad thing made for real."""

import importlib
import os
import subprocess
import sys

from runs_for_tests import ROOT

from dreamer_tf import doctor
from dreamer_tf.basics import machine


def run(folder, *words, **variables):
    result = subprocess.run(
        [sys.executable, "-m", "dreamer_tf.doctor", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout.splitlines()


def test_every_part_of_the_machine_is_named_with_what_was_measured(tmp_path):
    status, lines = run(tmp_path)
    found = {line.split()[1]: line for line in lines if not line.startswith(" ")}
    parts = ["Python", "packages", "cores", "memory", "TensorFlow", "OpenGL", "environment", "disk"]
    assert list(found) == parts
    assert "GFLOP/s" in found["TensorFlow"] and "ms a step" in found["environment"]
    assert all(line.split()[0] in ("ok", "low", "bad") for line in found.values())
    assert status == int(any(line.startswith("bad") for line in found.values()))
    if found["OpenGL"].startswith("ok"):
        assert "ms (paper)" in found["OpenGL"] and "ms (fast)" in found["OpenGL"]
    assert not list(tmp_path.iterdir())


def test_a_broken_choice_of_opengl_is_bad_and_says_what_to_do(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "abacus")
    monkeypatch.setattr("dreamer_tf.envs.gl.CANDIDATES", ())
    finding = doctor.check_gl()
    assert finding.state == "bad"
    assert "MUJOCO_GL=abacus" in finding.value and "unset MUJOCO_GL" in finding.advice


def test_a_log_folder_that_cannot_be_written_is_bad(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", "/proc/runs"):
        finding = doctor.check_disk(doctor.Path(place))
        assert finding.state == "bad" and "--logdir" in finding.advice
    assert doctor.check_disk(tmp_path / "new" / "runs").state in ("ok", "low")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_little_memory_is_low_or_bad(monkeypatch):
    for gibibytes, state in ((1, "bad"), (4, "low"), (16, "ok")):
        monkeypatch.setattr(machine, "available_memory", lambda n=gibibytes: n * doctor.GIBIBYTE)
        finding = doctor.check_memory()
        assert finding.state == state and f"{gibibytes}.0 GiB" in finding.value
        assert ("-> " in str(finding)) == (state != "ok")


def test_an_environment_that_cannot_start_is_bad(monkeypatch, tmp_path):
    importlib.import_module("gymnasium")  # Only the worker meets the broken one.
    (tmp_path / "gymnasium.py").write_text("raise ImportError('half installed')")
    monkeypatch.syspath_prepend(tmp_path)
    finding = doctor.check_worker()
    assert finding.state == "bad" and "half installed" in finding.value


def test_what_the_system_refuses_is_a_finding_and_the_others_go_on(monkeypatch, capsys):
    def refuse():
        raise OSError(24, "Too many open files")

    checks = {"OpenGL": refuse, "cores": lambda: doctor.Finding("cores", "ok", "2 to use")}
    monkeypatch.setattr(doctor, "CHECKS", checks)
    assert doctor.main(["--logdir", "x" * 300]) == 1
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert [line.split()[:2] for line in lines] == [
        ["bad", "OpenGL"],
        ["ok", "cores"],
        ["bad", "disk"],
    ]
    assert "Too many open files" in lines[0] and "File name too long" in lines[2]


def test_ctrl_c_and_a_reader_that_goes_away_end_it_without_a_trace(monkeypatch, tmp_path):
    command = f"'{sys.executable}' -m dreamer_tf doctor --packages | true"
    found = subprocess.run(
        ["bash", "-c", f"{command}; exit ${{PIPESTATUS[0]}}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in found.stderr and "Exception ignored" not in found.stderr

    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "report_packages", interrupt)
    assert doctor.main(["--packages"]) == 130


def test_an_installed_one_compares_with_the_ranges(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(doctor, "CHECKOUT", tmp_path)
    found = doctor.Finding("packages", "bad", "numpy missing (needs >=2)", "install it")
    monkeypatch.setattr(doctor, "check_ranges", lambda: found)
    assert doctor.main(["--packages"]) == 1
    assert "numpy missing" in capsys.readouterr().out


def test_missing_packages_are_findings_not_a_crash(tmp_path):
    (tmp_path / "gymnasium.py").write_text("raise ModuleNotFoundError('no gymnasium here')")
    status, lines = run(tmp_path, PYTHONPATH=f"{tmp_path}:{ROOT}")
    assert status == 1
    bad = [line for line in lines if line.startswith("bad")]
    assert any("no gymnasium here" in line for line in bad)
    assert any(line.split()[1] == "disk" for line in lines), "the other checks go on"
