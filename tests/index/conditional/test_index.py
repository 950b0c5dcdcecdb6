import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.index.conditional import ConditionalIndex, ranking, scan
from stages.index.conditional import plan as planning
from stages.index.conditional.plan import Costs
from stages.index.conditional.where import UnknownColumn, UnknownLabel, among, where_of
from tests.conftest import ROOT
from tests.index.oracle import KINDS, best, drawn, keeps, table, wheres

BLOCKS = st.permutations(["Culture", "Medium"]).flatmap(lambda names: st.sampled_from([names, names[:1], []]))
FORCED = {
    "as measured": None,
    "spans": Costs(gathered=1e9, call=1),
    "bridged": Costs(gathered=2, call=50),
    "gathered": Costs(gathered=1e-9, call=1e9),
}


def build(folder: Path, rows: int = 60, dimension: int = 5, blocks: tuple[str, ...] = ("Culture",)) -> ConditionalIndex:
    rng = np.random.default_rng(rows)
    return ConditionalIndex.build(folder / "index", drawn(rng, rows, dimension, "plain"), table(rng, rows), blocks)


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_equals_the_oracle_whatever_the_plan(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    rows, dimension = data.draw(st.integers(1, 90)), data.draw(st.sampled_from([1, 2, 3, 8, 33]))
    vectors = drawn(rng, rows, dimension, data.draw(st.sampled_from(KINDS)))
    labels = table(rng, rows)
    where = data.draw(wheres(labels))
    k, many = data.draw(st.integers(1, rows + 3)), data.draw(st.sampled_from([1, 2, 3, 9]))
    queries = data.draw(st.sampled_from([vectors[:many], drawn(rng, many, dimension, "integers")]))
    costs = data.draw(st.sampled_from(sorted(FORCED)))
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        if FORCED[costs]:
            patch.setattr("stages.index.conditional.index.costs", lambda *_: FORCED[costs])
        small = data.draw(st.booleans())
        for module, name, value in (
            (scan, "SCORES", 64),
            (scan, "PIECE", 256),
            (scan, "ALONE", 0),
            (ranking, "FIRST", 4),
            (ranking.Ranking.__init__, "__defaults__", (20,)),
        ):
            patch.setattr(module, name, value if small else getattr(module, name))
        index = ConditionalIndex.build(Path(folder) / "i", vectors, labels, data.draw(BLOCKS))
        found = index.query(queries, k, where)
    kept = keeps(where, labels)
    assert found.ids.shape == found.scores.shape == (len(queries), min(k, kept.sum()))
    for query, ids, scores in zip(queries, found.ids, found.scores, strict=True):
        assert (ids.tolist(), scores.tolist()) == best(vectors, query, k, kept)


@pytest.mark.parametrize("pending", [50, 1 << 18])
def test_many_equal_vectors_are_ordered_by_id_in_bounded_memory(
    tmp_path: Path, pending: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking.Ranking.__init__, "__defaults__", (pending,))
    monkeypatch.setattr(scan, "SCORES", 500)
    rng = np.random.default_rng(0)
    labels = table(rng, 4000)
    index = ConditionalIndex.build(tmp_path / "i", np.ones((4000, 7), np.float32), labels, ["Culture", "Medium"])
    chosen = among("Museum", ["Museum 1", "Museum 3"])
    kept = np.flatnonzero(keeps(chosen, labels))
    for many in (1, 5):
        found = index.query(np.full((many, 7), 0.1), 20, chosen)
        assert (found.ids == kept[:20]).all()
    assert (index.query(np.zeros(7), 3).ids == [[0, 1, 2]]).all()


@pytest.mark.parametrize("dimension", [3, 257])
def test_near_ties_beyond_float32_are_told_apart(tmp_path: Path, dimension: int) -> None:
    rng = np.random.default_rng(1)
    base = rng.standard_normal(dimension).astype(np.float32)
    vectors = np.repeat(base[None], 3000, axis=0)
    vectors[np.arange(3000), rng.integers(0, dimension, 3000)] *= 1 + 2.0**-22 * rng.integers(-3, 4, 3000, np.int32)
    labels = {"c": [str(number % 7) for number in range(3000)]}
    index = ConditionalIndex.build(tmp_path / "i", vectors, labels, ["c"])
    for queries in (base[None], np.stack([base] * 4)):
        found = index.query(queries, 25)
        assert (found.ids[0].tolist(), found.scores[0].tolist()) == best(vectors, base, 25, np.ones(3000, np.bool_))


def test_batches_answer_as_single_queries_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.index.conditional.index.BATCH", 7)
    index = build(tmp_path, 300, 40)
    queries = drawn(np.random.default_rng(9), 30, 40, "plain")
    together = index.query(queries, 6)
    for number, query in enumerate(queries):
        alone = index.query(query, 6)
        assert (alone.ids[0] == together.ids[number]).all()
        assert (alone.scores[0] == together.scores[number]).all()


def test_queries_from_many_threads_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "ALONE", 0)
    monkeypatch.setattr(scan, "PIECE", 2000)
    build(tmp_path, 400, 20)
    index = ConditionalIndex.load(tmp_path / "index", threads=3)
    queries = drawn(np.random.default_rng(3), 60, 20, "plain")
    where = ~among("Museum", ["Museum 2"])
    expected = index.query(queries, 5, where).ids
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda query: index.query(query, 5, where).ids[0].tolist(), queries))
    assert found == expected.tolist()


def test_the_published_names_answer_pairs(tmp_path: Path) -> None:
    index = build(tmp_path)
    index.save(str(tmp_path / "copy"))
    copy = ConditionalIndex.load(str(tmp_path / "copy"))
    chosen = where_of({"Culture": ["Culture 1"], "Medium": ["Medium 0", "Medium 2"]})
    pairs = copy.find_maximum_inner_products(index.vector(5), chosen, 4)
    found = index.query(index.vector(5), 4, chosen)
    assert pairs == list(zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True))
    with pytest.raises(ValueError, match="one vector of 5 numbers"):
        copy.find_maximum_inner_products(np.ones((2, 5)), None, 4)


def test_an_index_tells_of_itself(tmp_path: Path) -> None:
    rng = np.random.default_rng(60)
    vectors, labels = drawn(rng, 60, 5, "plain"), table(rng, 60)
    index = build(tmp_path)
    assert len(index) == index.count() == 60
    assert index.columns == list(labels)
    assert index.blocks == ["Culture"]
    assert {name: list(index.labels[name]) for name in index.labels} == {
        name: sorted(set(values)) for name, values in labels.items()
    }
    assert all((index.vector(number) == vectors[number]).all() for number in range(60))
    assert index.count(among("Medium", ["Medium 1"])) == labels["Medium"].count("Medium 1")
    for wrong in (-1, 60):
        with pytest.raises(IndexError, match=f"id {wrong}.*0 to 59"):
            index.vector(wrong)


@pytest.mark.parametrize(
    ("query", "k", "message"),
    [
        (np.ones(5), 0, "k: 0"),
        (np.ones(4), 3, r"shape \(4,\).*5 numbers"),
        (np.ones((2, 2, 5)), 3, r"shape \(2, 2, 5\)"),
        (np.array([[1.0] * 5, [1, 2, np.nan, 4, 5]]), 3, "query 1: not finite"),
        (np.full(5, 1e300), 3, "query 0: not finite"),
    ],
)
def test_queries_that_cannot_be_answered_are_refused(
    tmp_path: Path, query: npt.NDArray[np.float64], k: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        build(tmp_path).query(query, k)


def test_no_query_and_no_row_give_empty_arrays(tmp_path: Path) -> None:
    index = build(tmp_path)
    assert index.query(np.empty((0, 5)), 3).ids.shape == (0, 3)
    found = index.query(np.ones((2, 5)), 3, among("Culture", []))
    assert found.ids.shape == found.scores.shape == (2, 0)
    assert index.find_maximum_inner_products(np.ones(5), among("Medium", []), 3) == []


def test_unknown_names_are_answered_with_the_nearest(tmp_path: Path) -> None:
    index = build(tmp_path)
    with pytest.raises(UnknownLabel, match="Culture: unknown label 'Cultur 1'; did you mean Culture 1"):
        index.query(np.ones(5), 1, among("Culture", ["Cultur 1"]))
    with pytest.raises(UnknownColumn, match="'Cultur'; did you mean Culture"):
        index.count(~among("Cultur", ["Culture 1"]))


def replace_often(target: str, folder: str) -> str:
    """Return a program that replaces an index by each of two, in turn, until it is stopped."""
    return f"""
import itertools
from pathlib import Path
from stages.index.conditional import ConditionalIndex
both = [ConditionalIndex.load(Path({folder!r}) / name) for name in "ab"]
for index in itertools.cycle(both):
    index.save(Path({target!r}))
"""


def test_readers_see_one_generation_while_a_writer_replaces_it(tmp_path: Path) -> None:
    for name, value in (("a", 1.0), ("b", 2.0)):
        rows = 30 if name == "a" else 50
        labels = {"Culture": [f"{name}{number % 3}" for number in range(rows)]}
        ConditionalIndex.build(tmp_path / name, np.full((rows, 4), value, np.float32), labels, ["Culture"])
    ConditionalIndex.load(tmp_path / "a").save(tmp_path / "live")
    old = ConditionalIndex.load(tmp_path / "live")
    program = replace_often(str(tmp_path / "live"), str(tmp_path))
    writer = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)})
    try:
        seen = {look(ConditionalIndex.load(tmp_path / "live")) for _ in range(300)}
    finally:
        writer.kill()
        writer.wait()
    assert seen <= {("a", 30, 1.0, 10), ("b", 50, 2.0, 17)}
    assert look(old) == ("a", 30, 1.0, 10)


def look(index: ConditionalIndex) -> tuple[str, int, float, int]:
    name = index.labels["Culture"][0]
    score = float(index.query(np.full(4, 0.25), 1).scores[0, 0])
    return name[0], len(index), score, index.count(among("Culture", [name]))


def test_a_missing_or_mixed_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stages.index.conditional.generation.PATIENCE", 0.05)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        ConditionalIndex.load(tmp_path / "nowhere")
    build(tmp_path)
    np.save(tmp_path / "index" / "ids.npy", np.arange(7))
    with pytest.raises(ValueError, match=r"ids\.npy: shape \(7,\).*\(60,\)"):
        ConditionalIndex.load(tmp_path / "index")


def test_loading_reads_neither_vectors_nor_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = build(tmp_path)
    read: list[str] = []
    loads = json.loads
    monkeypatch.setattr("stages.index.conditional.labels.json.loads", lambda text: read.append("labels") or loads(text))
    mapped: list[str] = []
    memmap = np.memmap
    monkeypatch.setattr(np, "memmap", lambda file, *rest: mapped.append(Path(file.name).name) or memmap(file, *rest))
    again = ConditionalIndex.load(tmp_path / "index")
    assert mapped == ["vectors.npy", "ids.npy", "codes.npy"]
    before = len(read)
    assert again.count(among("Culture", ["Culture 1"])) == index.count(among("Culture", ["Culture 1"]))
    assert len(read) == before + 2  # once for each index, of the one column


def test_the_searching_half_is_light() -> None:
    heavy = "'faiss', 'pyarrow', 'rich', 'pandas', 'torch', 'stages.config.load'"
    loaded = f"print([name for name in [{heavy}] if name in sys.modules])"
    program = f"import sys, stages.index.conditional, stages.index.conditional.approximate; {loaded}"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_plans_are_what_they_say() -> None:
    assert planning.costs(2048, 1).call < planning.costs(16, 1).call
    assert planning.costs(2048, 64).gathered < planning.costs(2048, 1).gathered
