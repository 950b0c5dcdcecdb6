import os
from pathlib import Path

import pytest

from stages.files import atomic_file, atomic_folder, fingerprint, read_json, write_json


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with atomic_folder(target) as scratch:
        (scratch / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(target) as scratch:
        (scratch / "a").write_text("new")
        raise RuntimeError
    assert [(file.name, file.read_text()) for file in target.iterdir()] == [("a", "old")]
    assert list(tmp_path.iterdir()) == [target]


def test_a_killed_writer_leaves_only_what_the_next_one_removes(tmp_path: Path) -> None:
    stray = tmp_path / ".out.partial"
    stray.mkdir()
    (stray / "torn").write_text("half")
    with atomic_folder(tmp_path / "out") as scratch:
        assert list(scratch.iterdir()) == []
    assert [file.name for file in tmp_path.iterdir()] == ["out"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    target = tmp_path / "out.json"
    write_json(target, {"a": 1})
    with pytest.raises(RuntimeError), atomic_file(target) as scratch:
        scratch.write_text("{")
        raise RuntimeError
    assert read_json(target) == {"a": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_a_fingerprint_is_of_the_content() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1}) != fingerprint({"a": 1, "b": 3})


def test_what_is_renamed_is_on_the_disk_before_and_its_name_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled: list[str] = []
    monkeypatch.setattr(os, "fsync", lambda opened: settled.append(Path(f"/proc/self/fd/{opened}").readlink().name))
    write_json(tmp_path / "out.json", {})
    assert settled == [".out.json.partial", tmp_path.name]
    settled.clear()
    with atomic_folder(tmp_path / "out") as scratch:
        (scratch / "inner").mkdir()
        (scratch / "inner" / "a").write_text("a")
    assert settled == ["inner", "a", ".out.partial", tmp_path.name]


def test_who_was_killed_between_two_renamings_has_lost_nothing(tmp_path: Path) -> None:
    (tmp_path / ".out.former").mkdir()
    (tmp_path / ".out.former" / "a").write_text("old")
    with pytest.raises(RuntimeError), atomic_folder(tmp_path / "out"):
        raise RuntimeError
    assert [file.read_text() for file in (tmp_path / "out").iterdir()] == ["old"]
    assert [file.name for file in tmp_path.iterdir()] == ["out"]
