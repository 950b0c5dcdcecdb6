"""Search among 100,000 artworks: the conditional index against ball trees, FAISS and NumPy, with the same answers."""

import tempfile
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.neighbors import BallTree

from benchmarks.artworks import Positions, Vectors, build, labels, unseen
from benchmarks.timing import Ratio, compare, race, seconds
from stages.core.system import cpu_count
from stages.index.conditional import ConditionalIndex
from stages.index.conditional.scan import share
from stages.index.conditional.where import Among, Where, among

faiss: Any = import_module("faiss")  # its own types know nothing of what it adds in Python

ROWS, K, BATCH = 100_000, 10, 64
SINGLES, QUICK = 8, 64  # single queries in one timing, and with a filter that keeps little
TREE = 2  # of a ball tree
NEAR = 1e-6  # scores that float32 cannot tell apart
READ = 256  # rows read at a time
FILTERS = {
    "no filter": None,
    "1 culture of 30": among("Culture", ["Culture 03"]),
    "culture ∧ classification": among("Culture", ["Culture 03"]) & among("Classification", ["Classification 05"]),
    "half of the classifications": among(
        "Classification", [f"Classification {number:02}" for number in range(0, 14, 2)]
    ),
}

Search = Callable[[Vectors], Positions]
Kept = npt.NDArray[np.bool_]


def similarity() -> list[Ratio]:
    """Search with every filter, one query at a time and 64 together, against every peer."""
    with tempfile.TemporaryDirectory() as folder:
        index = build(Path(folder) / "index", ROWS)
        peers = Peers(index)
        races = [contest(index, peers, name, many) for name in FILTERS for many in (1, BATCH)]
        limits = [budget(index, name, many) for name in list(FILTERS)[1:] for many in (1, BATCH)]
        return [*races, *limits, bandwidth(index), tree(index, peers.vectors)]


class Tables(dict[Among, Kept]):
    """For each condition, which of its column's labels it names; made once."""

    def __init__(self, index: ConditionalIndex) -> None:
        self._labels = index.labels

    def __missing__(self, condition: Among) -> Kept:
        self[condition] = np.isin(self._labels[condition.column], condition.labels)
        return self[condition]


class Peers:
    """What else finds the largest inner products: over vectors in published order, in memory."""

    def __init__(self, index: ConditionalIndex) -> None:
        self.vectors = np.empty((len(index), index.dimension), dtype=np.float32)
        self.vectors[index.stored.ids] = index.stored.vectors[:]
        self._flat = faiss.IndexFlatIP(index.dimension)
        self._flat.add(self.vectors)
        named = labels(len(index))
        self._codes = {name: np.searchsorted(index.labels[name], values) for name, values in named.items()}
        self._tables = Tables(index)

    def searches(self, where: Where | None) -> dict[str, Search]:
        """Return the peers that can search so. As in our own search, the filter arrives with the query."""
        if where is None:
            return {"NumPy": self._scan, "FAISS": self._flat_search}
        return {
            "NumPy, rows taken": lambda queries: self._take(np.flatnonzero(self._kept(where)), queries),
            "NumPy, all rows": lambda queries: self._scan(queries, np.flatnonzero(~self._kept(where))),
            "FAISS bitmap": lambda queries: self._flat_search(queries, bitmap(self._kept(where))),
            "FAISS batch": lambda queries: self._flat_search(
                queries, faiss.IDSelectorBatch(np.flatnonzero(self._kept(where)))
            ),
        }

    def _kept(self, where: Where) -> Kept:
        """Return which rows a filter keeps: a look-up of their labels' numbers."""
        return where.evaluate(lambda condition: self._tables[condition][self._codes[condition.column]])

    def _scan(self, queries: Vectors, without: Positions | None = None) -> Positions:
        """Multiply everything; strike out what the filter does not keep."""
        scores = queries @ self.vectors.T if len(queries) > 1 else (self.vectors @ queries[0])[None]
        if without is not None:
            scores[:, without] = -np.inf
        return np.argpartition(scores, -K, axis=1)[:, -K:]

    def _take(self, ids: Positions, queries: Vectors) -> Positions:
        """Multiply a copy of the rows that the filter keeps."""
        scores = queries @ self.vectors[ids].T
        return ids[np.argpartition(scores, -K, axis=1)[:, -K:]]

    def _flat_search(self, queries: Vectors, selector: Any = None) -> Positions:
        """Search the flat index."""
        return np.asarray(self._flat.search(queries, K, params=faiss.SearchParameters(sel=selector))[1])


def bitmap(kept: Kept) -> Any:
    """Return what FAISS takes for a filter."""
    return faiss.IDSelectorBitmap(np.packbits(kept, bitorder="little"))


def contest(index: ConditionalIndex, peers: Peers, name: str, many: int) -> Ratio:
    """Race all with one filter."""
    where = FILTERS[name]
    fraction = index.count(where) / len(index)
    queries = unseen(max(many, QUICK if fraction < 0.1 else SINGLES))
    searches = peers.searches(where)
    for search in searches.values():
        agree(index, peers.vectors, queries, where, search)
    entrants: dict[str, Callable[[], object]] = {
        peer: partial(each, search, queries, many) for peer, search in searches.items()
    }
    bar = "≥ 0.9" if where is None else "≥ 2" if fraction < 0.1 else "reported"
    claim = f"search, {name} ({fraction:.1%} of {ROWS:,} × {index.dimension}), {size(many)}"
    ours = partial(each, partial(own, index, where), queries, many)
    return race(claim, ours, entrants, (len(queries), "queries"), bar)


def agree(index: ConditionalIndex, vectors: Vectors, queries: Vectors, where: Where | None, search: Search) -> None:
    """Fail unless a peer finds the same rows, but for those whose scores float32 cannot tell apart."""
    found = index.query(queries, K, where)
    theirs = search(queries)
    for query, ids, scores, others in zip(queries, found.ids, found.scores, theirs, strict=True):
        exact = np.sort((vectors[others] * query.astype(np.float64)).sum(axis=1))[::-1]
        if not np.allclose(exact, scores, rtol=0, atol=NEAR):
            raise AssertionError(f"other answers: {sorted(ids)} and {sorted(others)}")


def own(index: ConditionalIndex, where: Where | None, queries: Vectors) -> Positions:
    """Search the conditional index."""
    return index.query(queries, K, where).ids


def each(search: Search, queries: Vectors, many: int) -> None:
    """Search for some queries at a time."""
    for start in range(0, len(queries), many):
        search(queries[start : start + many])


def size(many: int) -> str:
    """Return how many queries are asked together."""
    return "one query" if many == 1 else f"{many} together"


def budget(index: ConditionalIndex, name: str, many: int) -> Ratio:
    """Compare a filter that keeps a fraction f with 1.2 f of the full scan and a millisecond."""
    queries, where = unseen(max(many, SINGLES)), FILTERS[name]
    times = len(queries) // many
    fraction = index.count(where) / len(index)

    def allowed() -> float:
        full = seconds(partial(each, partial(own, index, None), queries, many))
        return 1.2 * fraction * full + 0.001 * times

    claim = f"{name}, {size(many)}, vs 1.2 × {fraction:.3f} of the full scan + 1 ms"
    ours = partial(each, partial(own, index, where), queries, many)
    return compare(claim, ours, allowed, (len(queries), "queries"), "≥ 1")


def bandwidth(index: ConditionalIndex) -> Ratio:
    """Compare the bytes a full scan touches in a second with copying them into the cache and doing nothing."""
    rows, query = index.stored.vectors[:], unseen(1)[0]

    def copy(start: int) -> None:
        np.copyto(np.empty((READ, index.dimension), np.float32)[: len(rows) - start], rows[start : start + READ])

    def read() -> None:
        share(copy, range(0, len(rows), READ), cpu_count())

    unit = (rows.nbytes >> 20, "MiB")
    return compare("full scan, bytes touched, vs reading them", lambda: index.query(query, K), read, unit, "reported")


def tree(index: ConditionalIndex, vectors: Vectors) -> Ratio:
    """Compare with scikit-learn's ball tree, in which neighbours of unit vectors are the same."""
    ball = BallTree(vectors, leaf_size=50)
    queries = unseen(TREE)

    def search(some: Vectors) -> Positions:
        return np.asarray(ball.query(some, K)[1])

    agree(index, vectors, queries, None, search)
    peer, ours = (partial(each, one, queries, 1) for one in (search, partial(own, index, None)))
    return compare("search, no filter, one query, vs BallTree", ours, peer, (TREE, "queries"), "≥ 8")
