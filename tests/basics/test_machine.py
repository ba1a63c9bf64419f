"""What a container has, from the files that Linux describes it by."""

from dreamer_tf.basics import machine


def test_files_in_memory_give_way_and_count_as_free(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CONTAINER", tmp_path)
    alone = machine.available_memory()
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("900000\n")
    (tmp_path / "memory.stat").write_text("anon 200000\nfile 700000\ninactive_file 600000\n")
    assert machine.available_memory() == 700_000 < alone
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.available_memory() > 700_000
