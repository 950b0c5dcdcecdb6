"""FAISS's lists, written without it: the same bytes, and the same answers within a budget."""

from pathlib import Path

import faiss
import numpy as np
import pytest

from stages.index.conditional.lists import Lists, head, write_lists
from stages.index.conditional.pages import Budget
from stages.index.conditional.write import quietly
from tests.index.oracle import drawn


def trained(rows: np.ndarray, lists: int) -> faiss.IndexIVFFlat:
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(rows.shape[1]), rows.shape[1], lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.min_points_per_centroid = 1
    index.train(rows[: max(lists, len(rows) // 2)])
    index.nprobe = 2
    return index


@pytest.mark.parametrize(("count", "lists", "step"), [(500, 10, 64), (500, 10, 500), (12, 12, 5), (1, 1, 9)])
def test_the_file_is_what_faiss_writes(tmp_path: Path, count: int, lists: int, step: int) -> None:
    rows = drawn(np.random.default_rng(count), count, 8, "plain")
    index = trained(rows, lists)
    write_lists(tmp_path / "ours", index, rows, step, quietly)
    assert index.ntotal == 0
    index.add(rows)
    faiss.write_index(index, str(tmp_path / "theirs"))
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_few_lists_that_hold_any_are_written_as_faiss_does(tmp_path: Path) -> None:
    rows = drawn(np.random.default_rng(0), 200, 8, "plain")
    index = trained(rows, 20)
    some = np.repeat(rows[:3], 10, axis=0)
    write_lists(tmp_path / "ours", index, some, 7, quietly)
    index.add(some)
    faiss.write_index(index, str(tmp_path / "theirs"))
    assert b"sprs" in (tmp_path / "ours").read_bytes()
    assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()


def test_another_way_of_writing_lists_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    index = trained(drawn(np.random.default_rng(0), 30, 4, "plain"), 2)
    monkeypatch.setattr("stages.index.conditional.lists.NONE", b"else")
    with pytest.raises(ValueError, match=r"FAISS \d.* writes lists in another way"):
        head(index, 30)


@pytest.mark.parametrize("most", [1, 3000, 1 << 30])
def test_within_a_budget_lists_answer_alike(tmp_path: Path, most: int) -> None:
    rows = drawn(np.random.default_rng(3), 400, 8, "plain")
    write_lists(tmp_path / "lists", trained(rows, 10), rows, 100, quietly)
    free, bounded = Lists(tmp_path / "lists", None), Lists(tmp_path / "lists", Budget(most))
    for probes in (1, 3, 10):
        assert (free.search(rows[:50], 5, probes) == bounded.search(rows[:50], 5, probes)).all()
