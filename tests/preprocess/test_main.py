import tarfile
from pathlib import Path

import pytest

from stages.core.archive import write_tar, write_zip
from stages.core.context import StageContext
from stages.core.errors import UserError
from stages.core.files import read_json, write_json
from stages.core.workspace import PREPARED, RAW, Workspace
from stages.preprocess.__main__ import main
from tests.conftest import encoded, photo, tree


def prepared(place: Path, names: list[str]) -> Path:
    """Run the stage on an archive of pictures with these names; return where its output goes."""
    file = place / RAW.format("folder") / "pictures.zip"
    file.parent.mkdir(parents=True)
    write_zip(file, [(name, encoded(photo(seed=number))) for number, name in enumerate(names)])
    return run(place, file)


def run(place: Path, file: Path) -> Path:
    """Run the stage on a fetched archive; return where its output goes."""
    write_json(file.parent / "fetch.json", {"file": file.name, "url": "pictures"})
    main.task(StageContext("preprocess", tree(), "folder", Workspace(place, place)))
    return place / PREPARED.format("folder")


def test_every_split_that_is_filled_is_written(tmp_path: Path) -> None:
    folder = prepared(tmp_path, [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(5)])
    splits = read_json(folder / "report.json")["splits"]
    assert {name: sum(labels.values()) for name, labels in splits.items()} == {
        "train": 4, "val": 2, "test": 4, "unlabelled": 0,
    }  # fmt: skip


def test_a_split_without_a_picture_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    names = [f"{label}/{number}.png" for label in ("cat", "dog") for number in range(2)]
    with pytest.raises(
        UserError, match=r"no picture in val \(train 2, val 0, test 2\).* in datasets\.folder\.preprocess"
    ):
        prepared(tmp_path, names)
    assert not (tmp_path / PREPARED.format("folder")).exists()


def test_a_class_that_is_only_tested_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    names = [f"train/{label}/{number}.png" for label in ("cat", "dgo") for number in range(5)]
    with pytest.raises(UserError, match=r"no picture to train on in 1 of 3 classes: 'dog'; .*misspelt"):
        prepared(tmp_path, [*names, "test/cat/1.png", "test/dog/1.png"])
    assert not (tmp_path / PREPARED.format("folder")).exists()


def test_a_sparse_member_is_dropped_counted_and_named(tmp_path: Path) -> None:
    file = tmp_path / RAW.format("folder") / "pictures.tar"
    file.parent.mkdir(parents=True)
    write_tar(file, [(f"{label}/{n}.png", encoded(photo(seed=n))) for label in ("cat", "dog") for n in range(5)])
    with tarfile.open(file, "a") as opened:
        sparse = tarfile.TarInfo("cat/sparse.png")
        sparse.type = tarfile.GNUTYPE_SPARSE
        opened.addfile(sparse)
    dropped = read_json(run(tmp_path, file) / "report.json")["dropped"]
    assert dropped == [{"path": "cat/sparse.png", "why": "sparse member"}]
