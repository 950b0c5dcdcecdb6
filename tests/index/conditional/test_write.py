import hashlib
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from stages.index.conditional import ConditionalIndex
from stages.index.conditional import write as writing
from stages.index.conditional.where import among
from tests.index.oracle import drawn, table

RNG = np.random.default_rng(0)
VECTORS, LABELS = drawn(RNG, 50, 6, "plain"), table(RNG, 50)


class OnDisk:
    """Vectors that are asked for in parts and never all at once."""

    shape = VECTORS.shape

    def __init__(self) -> None:
        self.parts: list[int] = []

    def __getitem__(self, positions: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        self.parts.append(len(positions))
        return VECTORS[positions]


def test_rows_lie_in_blocks_and_by_id_within(tmp_path: Path) -> None:
    ConditionalIndex.build(tmp_path / "i", VECTORS, LABELS, ["Medium", "Culture"], {"name": "mosaic"})
    ids, codes = np.load(tmp_path / "i" / "ids.npy"), np.load(tmp_path / "i" / "codes.npy")
    assert ids.tolist() == sorted(range(50), key=lambda row: (LABELS["Medium"][row], LABELS["Culture"][row], row))
    assert (np.load(tmp_path / "i" / "vectors.npy") == VECTORS[ids]).all()
    for number, values in enumerate(LABELS.values()):
        assert [sorted(set(values))[code] for code in codes[:, number]] == [values[row] for row in ids]
    blocks = np.load(tmp_path / "i" / "blocks.npy")
    assert (blocks[0], blocks[-1]) == (0, 50)
    keys = [(LABELS["Medium"][row], LABELS["Culture"][row]) for row in ids]
    assert len(blocks) - 1 == len(set(keys))
    assert all(len(set(keys[a:b])) == 1 for a, b in pairwise(blocks))


def test_the_description_says_what_was_written(tmp_path: Path) -> None:
    index = ConditionalIndex.build(tmp_path / "i", VECTORS, LABELS, ["Culture"], {"name": "mosaic"})
    about = json.loads((tmp_path / "i" / "index.json").read_text())
    assert about == index.stored.about
    assert (about["name"], about["count"], about["dimension"]) == ("mosaic", 50, 6)
    assert (about["columns"], about["blocks"]) == (list(LABELS), ["Culture"])
    assert about["largest_norm"] == pytest.approx(np.linalg.norm(VECTORS.astype(np.float64), axis=1).max(), rel=1e-12)
    files = {path.name for path in (tmp_path / "i").iterdir()}
    assert files == {*about["sha256"], "index.json"}
    for name, digest in about["sha256"].items():
        assert hashlib.sha256((tmp_path / "i" / name).read_bytes()).hexdigest() == digest


def test_vectors_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "PART", 4 * 6 * 8)
    source = OnDisk()
    seen: list[tuple[int, str]] = []

    def watch(items: range, total: int, description: str) -> range:
        seen.append((total, description))
        return items

    ConditionalIndex.build(tmp_path / "i", source, LABELS, ["Culture"], watch=watch)  # type: ignore[arg-type]
    assert source.parts == [8] * 6 + [2]
    assert seen == [(7, "index")]


def test_the_same_rows_give_the_same_bytes_and_a_copy_is_one(tmp_path: Path) -> None:
    index = ConditionalIndex.build(tmp_path / "a", VECTORS, LABELS, ["Culture"])
    ConditionalIndex.build(tmp_path / "b", VECTORS, LABELS, ["Culture"])
    index.save(tmp_path / "c")
    for file in (tmp_path / "a").iterdir():
        others = ((tmp_path / folder / file.name).read_bytes() for folder in "bc")
        assert all(file.read_bytes() == other for other in others)


def test_an_index_needs_no_columns(tmp_path: Path) -> None:
    index = ConditionalIndex.build(tmp_path / "i", VECTORS[:1], {}, [])
    assert index.find_maximum_inner_products(VECTORS[0], None, 3)[0][0] == 0
    with pytest.raises(ValueError, match="unknown column 'Culture'; none exist"):
        index.count(among("Culture", ["Dutch"]))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_vector_that_is_not_finite_is_refused_by_row(tmp_path: Path, bad: float) -> None:
    vectors = VECTORS.copy()
    vectors[[17, 31], 2] = bad
    with pytest.raises(ValueError, match="row 17: its vector is not finite"):
        ConditionalIndex.build(tmp_path / "i", vectors, LABELS, ["Culture"])
    assert not (tmp_path / "i" / "index.json").exists()


@pytest.mark.parametrize(
    ("vectors", "labels", "blocks", "message"),
    [
        (VECTORS[:0], {}, [], r"shape \(0, 6\)"),
        (VECTORS[0], {}, [], r"shape \(6,\)"),
        (VECTORS, {"Culture": ["Dutch"]}, [], "column 'Culture': 1 labels for 50 vectors"),
        (VECTORS, LABELS, ["Cultur"], "'Cultur'.*columns are Culture, Medium, Museum"),
        (VECTORS, LABELS, ["Culture", "Culture"], "'Culture' is named twice"),
    ],
)
def test_what_cannot_be_indexed_is_refused_before_anything_is_written(
    tmp_path: Path, vectors: npt.NDArray[np.float32], labels: dict[str, list[str]], blocks: list[str], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ConditionalIndex.build(tmp_path / "i", vectors, labels, blocks)
    assert not (tmp_path / "i").exists()


def test_an_index_in_use_is_not_written_over(tmp_path: Path) -> None:
    ConditionalIndex.build(tmp_path / "i", VECTORS, LABELS, [])
    with pytest.raises(ValueError, match="may be in use; build beside it"):
        ConditionalIndex.build(tmp_path / "i", VECTORS, LABELS, [])
