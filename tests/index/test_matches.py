from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.index import matches
from stages.index.conditional import ConditionalIndex
from stages.index.conditional.where import among
from stages.index.matches import batch, write_matches
from tests.index.oracle import KINDS, drawn, table

Row = tuple[int, str, str, int, int, float]


def expected(index: ConditionalIndex, k: int) -> list[Row]:
    """Ask one query for every row and every label."""
    rows: list[Row] = []
    for number in range(len(index)):
        for column in index.blocks:
            for label in index.labels[column]:
                found = index.find_maximum_inner_products(index.vector(number), among(column, [label]), k + 1)
                others = [pair for pair in found if pair[0] != number][:k]
                rows += [(number, column, label, rank, *pair) for rank, pair in enumerate(others, 1)]
    return rows


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from(KINDS), st.integers(1, 6), st.booleans())
def test_equal_a_query_for_every_row_and_label(seed: int, rows: int, kind: str, k: int, small: bool) -> None:
    rng = np.random.default_rng(seed)
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(matches, "MOST", 7 if small else 1024)
        patch.setattr(matches, "PIECE", 5 if small else 1024)
        blocks = ["Culture", "Medium"]
        index = ConditionalIndex.build(Path(folder) / "i", drawn(rng, rows, 4, kind), table(rng, rows), blocks)
        write_matches(index.stored, Path(folder) / "matches.parquet", k)
        written = pq.ParquetFile(Path(folder) / "matches.parquet")
        assert written.num_row_groups == (-(-rows // 7) if small else 1)
        columns = written.read().to_pydict().values()
        assert list(zip(*columns, strict=True)) == expected(index, k)


def test_labels_shared_by_two_columns_are_told_apart(tmp_path: Path) -> None:
    labels = {"A": ["x", "y", "x"], "B": ["y", "y", "x"]}
    index = ConditionalIndex.build(tmp_path / "i", np.eye(3, dtype=np.float32), labels, ["B", "A"])
    write_matches(index.stored, tmp_path / "m.parquet", 5)
    table = pq.read_table(tmp_path / "m.parquet").to_pylist()
    assert [row["match"] for row in table if (row["id"], row["column"], row["label"]) == (0, "B", "y")] == [1]
    assert [row["match"] for row in table if (row["id"], row["column"], row["label"]) == (0, "A", "x")] == [2]


def test_memory_bounds_the_batch(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    index = ConditionalIndex.build(tmp_path / "i", drawn(rng, 9, 4, "plain"), table(rng, 9), ["Culture"])
    assert 1 <= batch(index.stored, 10, 1) < batch(index.stored, 10, 8) < batch(index.stored, 10, 1 << 12) == 1024
    assert batch(index.stored, 10_000_000, 1) == 1


def test_an_index_without_blocks_has_no_matches(tmp_path: Path) -> None:
    index = ConditionalIndex.build(tmp_path / "i", np.eye(3, dtype=np.float32), {}, [])
    with pytest.raises(ValueError, match="0 block columns"):
        write_matches(index.stored, tmp_path / "m.parquet", 5)
    assert not (tmp_path / "m.parquet").exists()
