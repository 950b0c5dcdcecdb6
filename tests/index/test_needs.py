import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from stages.core.errors import UserError
from stages.index import needs
from stages.index.needs import readable
from tests.conftest import replace, tree
from tests.gallery import COUNT, gallery

Usage = namedtuple("Usage", "total used free")


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "project"))


def sizes(folder: Path, *names: str) -> int:
    return sum(file.stat().st_size for name in names for file in folder.glob(name))


@pytest.mark.parametrize("mode", ["exact", "approximate"])
def test_what_is_said_is_what_is_taken(tmp_path: Path, mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    config = replace(tree().indexes["mosaic"], mode=mode)
    gallery(tmp_path, config)
    folder = tmp_path / "mosaic"
    said = json.loads((folder / "index.json").read_text())["needs"]
    disk = said["disk"]
    assert disk["vectors"] == sizes(folder, "vectors.npy") - 128 == COUNT * 6 * 4
    assert disk["featuriser"] == sizes(folder, "featuriser/*")
    assert disk["metadata"] == pytest.approx(sizes(folder, "metadata.jsonl"), rel=0.1)
    assert disk["thumbnails"] == pytest.approx(sizes(folder, "thumbs.bin"), rel=0.1)
    assert disk["lists"] == pytest.approx(sizes(folder, "faiss.index"), abs=400)
    assert said["memory"]["vectors"] == disk["vectors"]
    assert "mosaic needs 1 MB on disk (" in capsys.readouterr().out


def test_a_disk_without_room_is_refused_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage(2**40, 0, 5))
    words = rf"indexes\.mosaic: needs 1 MB on disk \(.*thumbnails 1 MB.*\), .* are free in {tmp_path}; make room, or"
    with pytest.raises(UserError, match=words):
        gallery(tmp_path)
    assert not list((tmp_path / "mosaic").iterdir())
    assert not (tmp_path / "project").exists(), "no feature was computed"


def test_bytes_are_readable() -> None:
    assert [readable(size) for size in (0, 3 * 2**20, 5 * 2**29)] == ["1 MB", "3 MB", "2.5 GB"]


def test_sizes_that_stand_for_others_are_rounded_up() -> None:
    assert [needs.mean(known) for known in ([], [1, 2], [4])] == [0, 2, 4]
