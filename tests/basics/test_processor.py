"""What /proc/cpuinfo says, of which a run warns."""

import pytest

from dreamer_tf.basics import processor

X86 = "processor\t: {0}\nmodel name\t: Some CPU 9000\nflags\t\t: fpu sse2 avx2 {1}\n\n"


@pytest.mark.parametrize(
    ("text", "name", "lacking"),
    [
        (X86, "Some CPU 9000", True),
        (X86.replace("{1}", "avx512f avx512_bf16"), "Some CPU 9000", False),
        (X86.replace("{1}", "amx_tile amx_bf16"), "Some CPU 9000", False),
        ("processor\t: {0}\nFeatures\t: fp asimd bf16\n", None, False),
        ("processor\t: {0}\nFeatures\t: fp asimd\n", None, True),
        ("nothing that is known\n", None, False),
    ],
)
def test_names_and_what_it_lacks(text, name, lacking, tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    path.write_text("".join(text.format(core, "") for core in range(2)))
    monkeypatch.setattr(processor, "CPUINFO", path)
    assert processor.lacks_bfloat16() == lacking
    assert name in (None, processor.name())


def test_where_the_system_does_not_say_nothing_is_lacking(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    assert isinstance(processor.name(), str) and not processor.lacks_bfloat16()
