import zipfile
from pathlib import Path

import pytest

from attacks.archives import GOOD, KINDS, SLOWEST, Met, met, outside, tried
from attacks.drawn import picture, saved
from attacks.zips import hostile, zipped

NUMBER = 120  # hostile archives, at least


@pytest.mark.parametrize("name", KINDS)
def test_the_good_members_alone_are_prepared(name: str, tmp_path: Path) -> None:
    assert tried(KINDS[name], zipped(KINDS[name].base()), tmp_path) == ("prepared", [])


def test_what_is_written_outside_is_seen(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    before = outside(tmp_path, tmp_path / "inside")
    (tmp_path / "inside" / "1.jpg").touch()
    assert outside(tmp_path, tmp_path / "inside") == before
    (tmp_path / "2.jpg").touch()
    assert outside(tmp_path, tmp_path / "inside") != before


def test_an_extractor_that_trusts_names_would_be_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def careless(raw: Path, scratch: Path) -> None:
        with zipfile.ZipFile(raw) as archive:
            for info in archive.infolist():
                target = scratch / info.filename
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(archive.read(info))

    kind = KINDS["folder"]
    monkeypatch.setattr("attacks.archives.prepared", lambda _, raw, inside: careless(raw, inside / "nested") or [])
    evil = zipped([*kind.base(), ("../../../evil.jpg", b"evil")])
    assert tried(kind, evil, tmp_path)[1] == ["something was written outside"]


def test_hostile_archives_are_many_and_each_is_told_apart() -> None:
    kind = KINDS["kaggle"]
    names = [what for what, _ in hostile(kind.base(), kind.bad(), saved(picture(), "JPEG"))]
    assert len(names) == len(set(names)) > NUMBER


@pytest.mark.slow
@pytest.mark.parametrize("name", ["kaggle", "stanford_dogs"])  # zip, tar; each: `attacks.archives`
def test_a_layout_prepares_or_refuses_every_hostile_archive(name: str, tmp_path: Path) -> None:
    found = met(name, tmp_path)
    assert not found.wrong
    assert found.archives > NUMBER
    assert min(found.refused, found.prepared) > 20
    assert found.slowest < SLOWEST


def test_what_does_not_hold_is_said() -> None:
    assert Met("x", growth=151, faults=["torn"]).wrong == ["torn", "memory grew by 151 MB"]
    assert GOOD > 2
