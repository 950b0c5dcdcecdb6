import io
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from stages.core.archive import MAX_MEMBER_BYTES, ArchiveReader, Entry, Unreadable, write_zip
from stages.core.errors import UserError
from stages.layouts.kaggle import entries
from tests.conftest import SMALL

NAMES = ["cat.0.jpg", "dog.0.jpg", "dog.12499.jpg"]


def zipped(names: list[str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, name.encode())
    return file.getvalue()


@pytest.mark.parametrize("prefix", ["train/", "", "dogs-vs-cats/train/", "../../train/", "/abs/train/"])
def test_labels_come_from_names_wherever_they_lie(prefix: str, tmp_path: Path) -> None:
    raw = tmp_path / "raw.zip"
    raw.write_bytes(zipped([f"{prefix}{name}" for name in NAMES] + ["test1/7.jpg", "sampleSubmission.csv"]))
    found = entries(raw, tmp_path / "scratch")
    assert Counter(entry.label for entry in found) == {"dog": 2, "cat": 1, None: 1}
    assert list(tmp_path.iterdir()) == [raw], "nothing is unpacked, whatever a member is called"


def test_zips_inside_the_zip_are_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw.zip"
    with zipfile.ZipFile(raw, "w") as outer:
        outer.writestr("train.zip", zipped([f"train/{name}" for name in NAMES]))
        outer.writestr("test1.zip", zipped(["test1/1.jpg"]))
    found = entries(raw, tmp_path / "scratch")
    reader = ArchiveReader()
    assert [entry.label for entry in found] == ["cat", "dog", "dog", None]
    assert reader.read(found[0]) == b"train/cat.0.jpg"


def test_a_drawn_archive_is_in_this_layout(archive: Path, tmp_path: Path) -> None:
    found = Counter(entry.label for entry in entries(archive, tmp_path))
    assert found == {"cat": SMALL.images / 2 + 2, "dog": SMALL.images / 2 + 2, None: SMALL.unlabelled}


def test_what_is_no_zip_is_named(tmp_path: Path) -> None:
    raw = tmp_path / "raw.zip"
    raw.write_bytes(b"<html>log in first</html>")
    with pytest.raises(UserError, match=r"raw\.zip: not a zip archive"):
        entries(raw, tmp_path)


def test_a_damaged_member_and_a_bomb_are_unreadable_not_fatal(tmp_path: Path) -> None:
    raw = tmp_path / "raw.zip"
    write_zip(raw, [("cat.0.jpg", b"0123456789"), ("cat.1.jpg", bytes(MAX_MEMBER_BYTES + 1))])
    raw.write_bytes(raw.read_bytes().replace(b"0123456789", b"01234X6789"))
    reader = ArchiveReader()
    with pytest.raises(Unreadable, match="damaged"):
        reader.read(Entry(raw, 0, "cat.0.jpg", "cat"))
    with pytest.raises(Unreadable, match="larger than 64"):
        reader.read(Entry(raw, 1, "cat.1.jpg", "cat"))
