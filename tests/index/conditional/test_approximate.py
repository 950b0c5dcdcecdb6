import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from stages.index.conditional import ConditionalIndex
from stages.index.conditional.approximate import ApproximateIndex, Measured, train
from stages.index.conditional.where import among
from tests.index.oracle import keeps, table

ROWS, DIMENSION = 6000, 16
LABELS = table(np.random.default_rng(2), ROWS)


def clustered(seed: int, rows: int) -> npt.NDArray[np.float32]:
    centres = np.random.default_rng(5).standard_normal((40, DIMENSION))
    rng = np.random.default_rng(seed)
    vectors = centres[rng.integers(0, 40, rows)] + 0.3 * rng.standard_normal((rows, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Measured]:
    folder = tmp_path_factory.mktemp("approximate") / "i"
    exact = ConditionalIndex.build(folder, clustered(0, ROWS), LABELS, ["Culture"])
    return folder, train(exact, recall=0.9)


def test_finds_what_building_it_measured(built: tuple[Path, Measured]) -> None:
    folder, measured = built
    assert 1 < measured.lists < ROWS
    assert measured.probes < measured.lists
    assert measured.recall >= 0.85
    queries = clustered(1, 200)
    near, exact = (kind.load(folder).query(queries, 10).ids for kind in (ApproximateIndex, ConditionalIndex))
    found = np.mean([len(set(one) & set(other)) / 10 for one, other in zip(near, exact, strict=True)])
    assert found >= measured.recall - 0.07


@pytest.mark.parametrize("labels", [["Museum 1"], ["Museum 0", "Museum 1", "Museum 2", "Museum 4"]])
def test_filters_hold_and_scores_are_exact(built: tuple[Path, Measured], labels: list[str]) -> None:
    index, exact = ApproximateIndex.load(built[0]), ConditionalIndex.load(built[0])
    where = among("Museum", labels)
    queries = clustered(3, 40)
    found = index.query(queries, 10, where)
    assert keeps(where, LABELS)[found.ids].all()
    assert all(len(set(row)) == 10 for row in found.ids.tolist())
    vectors = np.stack([exact.vector(int(number)) for number in found.ids.ravel()]).astype(np.float64)
    scores = (vectors * np.repeat(queries, 10, axis=0)).sum(axis=1).reshape(found.scores.shape)
    assert (scores == found.scores).all()
    assert (np.diff(found.scores) <= 0).all()
    best = exact.query(queries, 10, where).ids
    shared = [len(set(one) & set(other)) for one, other in zip(found.ids.tolist(), best.tolist(), strict=True)]
    assert np.mean(shared) / 10 >= 0.8


def test_filters_that_keep_little_are_searched_exactly(built: tuple[Path, Measured]) -> None:
    index, exact = ApproximateIndex.load(built[0]), ConditionalIndex.load(built[0])
    few = among("Museum", ["Museum 1"]) & among("Culture", ["Culture 0"]) & among("Medium", ["Medium 2"])
    queries = clustered(4, 30)
    for k, where in ((10, few), (ROWS + 1, None)):
        assert (index.query(queries, k, where).ids == exact.query(queries, k, where).ids).all()


def test_queries_whose_lists_hold_too_few_are_searched_exactly(built: tuple[Path, Measured]) -> None:
    index = ApproximateIndex.load(built[0])
    exact = ConditionalIndex.load(built[0]).query(clustered(4, 5), 2000)
    found = index.query(clustered(4, 5), 2000)
    assert found.ids.shape == (5, 2000)
    assert (found.ids == exact.ids).all()


def test_a_copy_answers_alike_and_another_index_is_refused(built: tuple[Path, Measured], tmp_path: Path) -> None:
    index = ApproximateIndex.load(built[0])
    index.save(tmp_path / "copy")
    queries = clustered(8, 9)
    assert (ApproximateIndex.load(tmp_path / "copy").query(queries, 5).ids == index.query(queries, 5).ids).all()
    ConditionalIndex.build(tmp_path / "other", np.eye(3, dtype=np.float32), {}, [])
    (tmp_path / "other" / "faiss.index").write_bytes((built[0] / "faiss.index").read_bytes())
    with pytest.raises(ValueError, match=r"faiss\.index: 6000 x 16, of another index"):
        ApproximateIndex.load(tmp_path / "other")


def test_what_faiss_does_not_find_is_no_row(built: tuple[Path, Measured]) -> None:
    index = ApproximateIndex.load(built[0])
    best = index._best(index.stored.vectors[-1:], np.array([[0, 1, 2, -1]]), 3)
    assert sorted(best.ids[0]) == sorted(index.stored.ids[:3])


class Device:
    """A GPU's index as FAISS makes it: one search at a time, 2,048 neighbours at most."""

    def __init__(self, lists: Any) -> None:
        self._lists, self._busy, self.searches = lists, False, 0

    def search(self, queries: npt.NDArray[np.float32], k: int) -> Any:
        assert not self._busy
        assert k <= 2048
        self._busy = True
        time.sleep(0.005)
        self.searches += 1
        self._busy = False
        return self._lists.search(queries, k)


def test_a_gpu_is_asked_once_at_a_time_and_for_what_it_can(built: tuple[Path, Measured]) -> None:
    index = ApproximateIndex.load(built[0])
    queries = clustered(6, 8)
    expected = index.query(queries, 10).ids
    device = Device(index._lists)
    index._gpu = device
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda query: index.query(query, 10).ids[0].tolist(), queries))
    assert found == expected.tolist()
    assert device.searches == len(queries)
    assert index.query(queries, 2100).ids.shape == (8, 2100)


def test_keys_are_obeyed_and_small_indexes_work(tmp_path: Path) -> None:
    exact = ConditionalIndex.build(tmp_path / "i", clustered(0, 500), {}, [])
    assert train(exact, lists=8, probes=3)[:2] == (8, 3)
    one = ConditionalIndex.build(tmp_path / "one", clustered(0, 1), {}, [])
    train(one)
    assert ApproximateIndex.load(tmp_path / "one").query(np.ones(DIMENSION), 3).ids.tolist() == [[0]]


def test_a_missing_library_is_named(built: tuple[Path, Measured], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faiss", None)
    with pytest.raises(ImportError, match="install faiss-cpu"):
        ApproximateIndex.load(built[0])
