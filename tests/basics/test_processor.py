"""What /proc/cpuinfo says, of which a run warns."""

import pytest

from dreamer_tf.basics import processor

X86 = "processor\t: {0}\nmodel name\t: Some CPU 9000\nflags\t\t: fpu sse2 avx2 {1}\n\n"


@pytest.mark.parametrize(
    ("text", "name", "lacking"),
    [
        (X86, "Some CPU 9000", {"bfloat16", "float16"}),
        (X86.replace("{1}", "avx512_bf16"), "Some CPU 9000", {"float16"}),
        (X86.replace("{1}", "amx_tile amx_bf16 avx512_fp16"), "Some CPU 9000", set()),
        ("processor\t: {0}\nFeatures\t: fp asimd bf16 asimdhp\n", None, set()),
        ("nothing that is known\n", None, set()),
    ],
)
def test_names_and_what_it_lacks(text, name, lacking, tmp_path, monkeypatch):
    path = tmp_path / "cpuinfo"
    path.write_text("".join(text.format(core, "") for core in range(2)))
    monkeypatch.setattr(processor, "CPUINFO", path)
    found = {each for each in ("float32", "bfloat16", "float16") if processor.lacks(each)}
    assert found == lacking
    assert name in (None, processor.name())


def test_where_the_system_does_not_say_nothing_is_lacking(tmp_path, monkeypatch):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "missing")
    assert isinstance(processor.name(), str) and not processor.lacks("bfloat16")
