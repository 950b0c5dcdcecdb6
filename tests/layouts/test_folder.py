from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stages.config.schema import Synthetic
from stages.core.archive import write_tar, write_zip
from stages.core.errors import UserError
from stages.layouts import folder
from stages.layouts.base import layout
from stages.layouts.folder import entries

FOLDER = layout({"name": "folder"}, [])
SPEC = Synthetic(images=12, unlabelled=2, corrupt=3, classes=2, smallest=48, largest=64)


def labels(names: list[str], place: Path) -> list[tuple[str, str | None, str | None]]:
    write_zip(place / "raw.zip", [(name, b"x") for name in names])
    return [(entry.path, entry.label, entry.split) for entry in entries(place / "raw.zip", place / "scratch")]


@pytest.mark.parametrize("prefix", ["", "pictures/", "home/me/pictures/", "../../pictures/", "/abs/", "./"])
def test_the_class_is_the_first_folder_below_the_common_one(prefix: str, tmp_path: Path) -> None:
    names = [f"{prefix}{name}" for name in ("cat/1.jpg", "cat/deep/er/2.PNG", "dog/1.webp", "Guinea pig/x.tif")]
    assert [label for _, label, _ in labels(names, tmp_path)] == ["cat", "cat", "dog", "Guinea pig"]


def test_a_tar_is_as_good_as_a_zip(tmp_path: Path) -> None:
    write_tar(tmp_path / "raw.tar", [("p/cat/1.jpg", b"x"), ("p/dog/1.jpg", b"x")])
    assert [entry.label for entry in entries(tmp_path / "raw.tar", tmp_path)] == ["cat", "dog"]


def test_a_picture_in_the_root_has_no_label(tmp_path: Path) -> None:
    found = labels(["p/1.jpg", "p/cat/1.jpg", "p/dog/1.jpg"], tmp_path)
    assert [label for _, label, _ in found] == [None, "cat", "dog"]


def test_what_is_hidden_or_no_picture_is_ignored(tmp_path: Path) -> None:
    noise = ["__MACOSX/cat/._1.jpg", "cat/._1.jpg", ".DS_Store", "cat/.DS_Store", "cat/Thumbs.db", "x/.git/1.jpg",
             "cat/notes.txt", "labels.csv"]  # fmt: skip
    found = labels(["cat/1.jpg", *noise, "dog/1.gif", "dog/2.BMP", "dog/3.jpeg", "dog/4.tiff"], tmp_path)
    assert Counter(label for _, label, _ in found) == {"cat": 1, "dog": 4}


@pytest.mark.parametrize(
    ("first", "expected"),
    [(("train", "val", "test"), {"train": "train", "val": "val", "test": "test"}),
     (("Training", "Validation"), {"Training": "train", "Validation": "val"}),
     (("train", "valid", "testing"), {"train": "train", "valid": "val", "testing": "test"})],
)  # fmt: skip
def test_folders_that_are_splits_are_the_published_splits(
    first: tuple[str, ...], expected: dict[str, str], tmp_path: Path
) -> None:
    names = [f"p/{split}/{label}/1.jpg" for split in first for label in ("cat", "dog")]
    found = labels([*names, f"p/{first[1]}/unknown.jpg"], tmp_path)
    assert [(label, split) for _, label, split in found[:-1]] == [
        (label, expected[split]) for split in first for label in ("cat", "dog")
    ]
    assert found[-1][1] is None


@pytest.mark.parametrize("first", [("test", "cat"), ("bus", "train", "tram")])
def test_one_folder_among_others_that_is_called_like_a_split_is_a_class(first: tuple[str, ...], tmp_path: Path) -> None:
    found = labels([f"p/{name}/x/1.jpg" for name in first], tmp_path)
    assert [(label, split) for _, label, split in found] == [(name, None) for name in first]


@pytest.mark.parametrize("stray", ["extra/x.jpg", "extra/cat/x.jpg"])
def test_a_folder_that_stands_beside_splits_is_named(stray: str, tmp_path: Path) -> None:
    names = [f"p/{split}/{label}/1.jpg" for split in ("train", "test") for label in ("cat", "dog")]
    with pytest.raises(
        UserError, match=r"raw\.zip: the folders 'test', 'train' look like .* stand beside 'extra'; .*move"
    ):
        labels([*names, f"p/{stray}"], tmp_path)


def test_splits_without_train_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"'test', 'val' look like published splits, but are there without 'train'; .*add"
    ):
        labels([f"p/{split}/{label}/1.jpg" for split in ("val", "test") for label in ("cat", "dog")], tmp_path)


def test_train_alone_is_no_split(tmp_path: Path) -> None:
    found = labels(["train/cat/1.jpg", "train/dog/1.jpg"], tmp_path)
    assert [(label, split) for _, label, split in found] == [("cat", None), ("dog", None)]


@pytest.mark.parametrize(
    ("names", "message"),
    [(["p/cat/1.jpg", "p/cat/2.jpg"], "all pictures lie in the one folder 'p/cat'; a classifier needs two classes"),
     (["1.jpg", "2.jpg"], "all pictures lie in no folder; a classifier needs two"),
     (["p/1.jpg", "p/cat/1.jpg"], "of class 'cat'; a classifier needs two"),
     (["p/notes.txt"], "no labelled picture in it; layout folder expects a folder for each class")],
)  # fmt: skip
def test_one_class_or_none_is_too_few(names: list[str], message: str, tmp_path: Path) -> None:
    write_zip(tmp_path / "raw.zip", [(name, b"x") for name in names])
    with pytest.raises(UserError, match=message):
        FOLDER.entries(tmp_path / "raw.zip", tmp_path / "scratch")


NAME = st.text("abAB.. /\\-é", min_size=1, max_size=12)


@given(st.lists(NAME.map(lambda name: f"{name}.jpg"), max_size=8, unique=True))
def test_no_name_is_a_trap(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    place = tmp_path_factory.mktemp("raw")
    try:
        found = labels(names, place)
    except UserError:
        return
    assert all(label is None or (label and "/" not in label and label != "..") for _, label, _ in found)
    assert {path.name for path in place.iterdir()} == {"raw.zip"}


def test_a_drawn_set_is_in_this_layout(tmp_path: Path) -> None:
    found = FOLDER.entries(folder.draw(tmp_path, SPEC, seed=1), tmp_path)
    assert Counter(entry.label for entry in found) == {"cat": 5, "dog": 5, "fox": 5, None: 2}
