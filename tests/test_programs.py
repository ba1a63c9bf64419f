"""What tests start as programs is forked from a server that has made the imports already."""

from programs_for_tests import run_program

# Imported before the program's own first line.
PROGRAM = """
import os, sys
loaded = {"tensorflow", "dreamer_tf.agents.dreamer"} <= set(sys.modules)
print(loaded, os.getcwd() == os.path.dirname(__file__), os.getsid(0) == os.getpid(), sys.argv[1:])
"""


def test_a_program_has_the_imports_and_its_own_folder_session_and_words(tmp_path):
    (tmp_path / "telling.py").write_text(PROGRAM)
    result = run_program("telling", "--word", folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "True True True ['--word']\n"
