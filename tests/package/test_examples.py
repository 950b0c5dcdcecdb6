from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from stages.package.examples import spread, write_examples
from stages.preprocess.store import Split, Store


@pytest.mark.parametrize(
    ("classes", "rows"),
    [
        ([7, 0, 0, 2, 4, 6, 1, 3, 5], [1, 3, 4, 5]),
        ([2, 1, 0, 0], [2, 3, 1, 0]),
        ([0, 1, 0, 1, 0], [0, 2, 1, 3]),
        ([-1, 0], [1]),
        ([-1], []),
    ],
)
def test_rows_are_spread_over_the_classes(classes: list[int], rows: list[int]) -> None:
    assert spread(np.array(classes, np.int64), 4) == rows


def test_pictures_are_written_with_their_labels(prepared: Path, tmp_path: Path) -> None:
    store = Store(prepared)
    test = store.split("test")
    found = write_examples(test, store.labels, tmp_path)
    assert [item["label"] for item in found] == ["cat", "cat", "dog", "dog"]
    for item, row in zip(found, spread(test.labels, 4), strict=True):
        picture = Image.open(tmp_path / item["file"])
        assert (picture.format, picture.size) == ("JPEG", (48, 48))
        assert np.abs(np.asarray(picture).astype(int) - test.images[row]).mean() < 12


def test_equal_stores_give_equal_bytes(prepared: Path, tmp_path: Path) -> None:
    store = Store(prepared)
    for name in "ab":
        (tmp_path / name).mkdir()
        write_examples(store.split("test"), store.labels, tmp_path / name)
    a, b = (sorted((tmp_path / name).rglob("*.jpg")) for name in "ab")
    assert [file.read_bytes() for file in a] == [file.read_bytes() for file in b]


def test_no_test_pictures_are_no_examples(tmp_path: Path) -> None:
    nothing = Split(np.zeros((0, 8, 8, 3), np.uint8), np.zeros(0, np.int64), [])
    assert write_examples(nothing, [], tmp_path) == []
