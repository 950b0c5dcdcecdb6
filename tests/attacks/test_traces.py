from pathlib import Path

from attacks.traces import below, differences, traces


def test_what_is_missing_stray_or_torn_is_seen(tmp_path: Path) -> None:
    for name in ("raw", "raw/a", "raw/b"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data" / "raw" / "torn").write_text("whole")
    expected = traces(tmp_path)
    (tmp_path / "data" / "raw" / "torn").write_text("who")
    (tmp_path / "data" / "raw" / ".b.partial").mkdir()
    (tmp_path / "data" / "raw" / "a").rmdir()
    found = differences(expected, traces(tmp_path))
    assert found == ["different: data/raw/torn", "missing: data/raw/a", "stray: data/raw/.b.partial"]
    assert set(below(expected, "data/raw")) == {"a", "b", "torn"}
