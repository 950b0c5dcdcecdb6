import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.config.schema import Synthetic
from stages.core.archive import ArchiveReader
from stages.layouts import petimages
from stages.preprocess.pack import pack
from stages.preprocess.report import report
from tests.conftest import tree

SPEC = Synthetic(images=12, unlabelled=0, corrupt=8, classes=2, smallest=48, largest=64)


@pytest.fixture(scope="module")
def zipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return petimages.draw(tmp_path_factory.mktemp("raw"), SPEC, seed=3)


def test_labels_are_the_folders_and_other_files_are_no_pictures(zipped: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(zipped) as opened:
        names = opened.namelist()
    assert {"PetImages/Cat/Thumbs.db", "readme[1].txt"} <= set(names)
    found = petimages.entries(zipped, tmp_path)
    assert len(found) == 20
    assert all(entry.label == entry.path.split("/")[1].lower() for entry in found)


def test_it_holds_every_fault_of_the_published_set(zipped: Path, tmp_path: Path) -> None:
    reader = ArchiveReader()
    faulty = [reader.read(entry) for entry in petimages.entries(zipped, tmp_path) if int(Path(entry.path).stem) >= 12]
    assert b"" in faulty
    assert any(content.startswith(b"<html>") for content in faulty)
    whole = [content for content in faulty if content[:2] == b"\xff\xd8" and b"JFIF" not in content[:10]]
    assert len({np.asarray(Image.open(io.BytesIO(content))).tobytes() for content in whole}) == 1, "readable, all four"
    assert len(set(whole)) == 4


def test_the_strict_rule_drops_exactly_what_the_tutorial_drops(zipped: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(zipped) as opened:
        dropped = {
            name for name in opened.namelist() if name.endswith(".jpg") and b"JFIF" not in opened.read(name)[:10]
        }
    strict = petimages.entries(zipped, tmp_path, strict_jfif=True)
    assert {entry.path for entry in strict if entry.unwanted} == dropped
    lenient = petimages.entries(zipped, tmp_path)
    assert {entry.path for entry in lenient if entry.remark} == dropped
    assert not any(entry.unwanted for entry in lenient)


@pytest.mark.parametrize("strict", [True, False])
def test_what_is_dropped_and_what_would_be_is_reported(strict: bool, zipped: Path, tmp_path: Path) -> None:
    config = tree().datasets["petimages"].preprocess
    entries = petimages.entries(zipped, tmp_path / "nested", strict_jfif=strict)
    found = report("petimages", "synthetic", pack(entries, config, tmp_path), config)
    remarked = set(found["remarks"][petimages.NOT_JFIF])
    dropped = {item["path"]: item["why"] for item in found["dropped"]}
    decodable = {f"PetImages/Cat/{number}.jpg" for number in (13, 15, 17, 19)}
    assert decodable <= remarked
    assert bool(decodable & dropped.keys()) == strict
    if strict:
        assert all(dropped[path] == petimages.NOT_JFIF for path in remarked)
    else:
        assert petimages.NOT_JFIF not in dropped.values()


def test_a_strange_member_name_is_nobodys_path(tmp_path: Path) -> None:
    file = tmp_path / "odd.zip"
    with zipfile.ZipFile(file, "w") as opened:
        for name in ("../../PetImages/Dog/1.jpg", "PetImages/Bird/1.jpg", "PetImages/Cat/", "PetImages/cat/2.JPEG"):
            opened.writestr(name, b"x")
    found = petimages.entries(file, tmp_path)
    assert [(entry.path, entry.label) for entry in found] == [
        ("../../PetImages/Dog/1.jpg", "dog"), ("PetImages/cat/2.JPEG", "cat"),
    ]  # fmt: skip
