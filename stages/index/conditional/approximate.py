"""Approximate search: FAISS looks through the nearest of its lists only; filters and exact scores stay as they are."""

from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.index.conditional.index import ConditionalIndex
from stages.index.conditional.lists import Lists, head, library, write_lists
from stages.index.conditional.queries import Positions, Queries, Vectors, exact
from stages.index.conditional.ranking import Neighbours
from stages.index.conditional.rows import Runs
from stages.index.conditional.stored import LISTS, Stored
from stages.index.conditional.write import Watch, quietly

LEARNT = 64  # rows for each list from which FAISS learns its centre
FEWEST = 39  # rows for a list, below which FAISS warns
ADDED = 8192  # rows at a time
MORE = 16  # rows beyond k whose order float64 may still change
GPU_MOST = 2048  # neighbours that FAISS finds on a GPU
SEED = 6


class Measured(NamedTuple):
    """How many lists there are, how many are looked through, and the share of the true k best that is then found."""

    lists: int
    probes: int
    recall: float


class ApproximateIndex(ConditionalIndex):
    """A conditional index with `faiss.index`; exact where a filter keeps so little that this is faster."""

    def __init__(self, folder: Path, threads: int = 0, memory_mb: int | None = None) -> None:
        super().__init__(folder, threads, memory_mb)
        faiss = library()
        self._opened = Lists(folder / LISTS, self.stored.budget)
        self._lists = self._opened.index
        if self._lists.ntotal != len(self) or self._lists.d != self.dimension:
            raise ValueError(f"{folder / LISTS}: {self._lists.ntotal} x {self._lists.d}, of another index")
        self._alone = Lock()  # FAISS's GPU indexes take one search at a time
        self._gpu = faiss.index_cpu_to_all_gpus(self._lists) if faiss.get_num_gpus() else None

    def _write(self, folder: Path) -> None:
        """Write every file of the index, FAISS's too."""
        (folder / LISTS).write_bytes(self._opened.bytes)
        super()._write(folder)

    def _search(self, queries: Vectors, k: int, kept: Runs) -> Neighbours:
        """Look through more lists the fewer rows a filter keeps; search exactly where that reads fewer rows."""
        probes = min(self._lists.nlist, -(-self._lists.nprobe * len(self) // kept.count))
        looked = self._lists.nlist + probes * len(self) // self._lists.nlist
        if kept.count <= max(looked, k + MORE):
            return super()._search(queries, k, kept)
        scaled = Queries(queries, self.stored.largest).scaled
        found = self._found(scaled, k + MORE, kept, probes)
        best = self._best(queries, found, k)
        missing = np.flatnonzero((found >= 0).sum(axis=1) < k)
        if len(missing):
            exactly = super()._search(queries[missing], k, kept)
            best.ids[missing], best.scores[missing] = exactly.ids, exactly.scores
        return best

    def _found(self, queries: Vectors, k: int, kept: Runs, probes: int) -> Positions:
        """Return the positions (Q x k) that FAISS finds, -1 where it finds fewer; its GPU search knows no filters."""
        faiss = library()
        if self._gpu is not None and kept.count == len(self) and k <= GPU_MOST:
            with self._alone:
                return np.asarray(self._gpu.search(queries, k)[1])
        selector = None if kept.count == len(self) else faiss.IDSelectorBitmap(bitmap(kept, len(self)))
        return self._opened.search(queries, k, probes, selector)

    def _best(self, queries: Vectors, found: Positions, k: int) -> Neighbours:
        """Score what was found in float64 and keep the k best, the lower id first where scores are equal."""
        shape = found.shape
        number = np.repeat(np.arange(len(queries)), shape[1])
        scores = exact(self.stored.vectors, found.ravel(), queries, number).reshape(shape)
        scores[found < 0] = -np.inf
        ids = self.stored.ids[found]
        order = np.lexsort((ids, -scores), axis=1)[:, :k]
        return Neighbours(np.take_along_axis(ids, order, axis=1), np.take_along_axis(scores, order, axis=1))


def train(
    index: ConditionalIndex,
    k: int = 10,
    lists: int = 0,
    probes: int = 0,
    recall: float = 0.95,
    sample: int = 256,
    watch: Watch = quietly,
) -> Measured:
    """Write `faiss.index` into an exact index's folder and say what it finds of the k best others of sampled rows.

    0 lists are 4·√N; 0 probes are as few as reach the recall on one sample of rows, and another sample is measured.
    FAISS learns the lists' centres from as many vectors as may be in memory; the others pass through it.
    """
    stored, faiss = index.stored, library()
    lists = lists_of(stored.count, lists)
    rng = np.random.default_rng(SEED)
    quantizer = faiss.IndexFlatIP(stored.dimension)
    whole = faiss.IndexIVFFlat(quantizer, stored.dimension, lists, faiss.METRIC_INNER_PRODUCT)
    whole.train(stored.vectors[draw(rng, stored.count, learnt(stored, lists))])
    file = stored.folder / LISTS
    write_lists(file, whole, stored.vectors, ADDED, watch)
    opened = Lists(file, stored.budget)
    seen, held = (Sample(index, draw(rng, stored.count, sample), k) for _ in range(2))
    tried = (1 << power for power in range(lists.bit_length()))
    whole.nprobe = probes or next((many for many in tried if seen.recall(opened, many) >= recall), lists)
    with file.open("r+b") as head_only:
        head_only.write(head(whole, stored.count))
    return Measured(lists, whole.nprobe, held.recall(opened, whole.nprobe))


def lists_of(count: int, lists: int = 0) -> int:
    """Return how many lists so many vectors are sorted into."""
    return lists or max(1, min(int(4 * count**0.5), count // FEWEST))


def learnt(stored: Stored, lists: int) -> int:
    """Return from how many vectors FAISS learns its lists: 64 for each, where memory holds so many, 39 at least."""
    most = LEARNT * lists if stored.budget is None else stored.budget.most // (4 * stored.dimension)
    return min(LEARNT * lists, max(most, FEWEST * lists))


class Sample:
    """Some rows (positions, ascending) of an index and the k best others of each, found exactly."""

    def __init__(self, index: ConditionalIndex, positions: Positions, k: int) -> None:
        stored = index.stored
        self._queries = Queries(stored.vectors[positions], stored.largest)
        self._ids, self._own, self._k = stored.ids, stored.ids[positions], k
        self._best = self._others(index.query(self._queries.given, k + 1).ids)

    def recall(self, lists: Lists, probes: int) -> float:
        """Return the share of the k best others that a look through so many FAISS lists finds."""
        found = lists.search(self._queries.scaled, self._k + 1, probes)
        pairs = zip(self._best, self._others(np.where(found >= 0, self._ids[found], -1)), strict=True)
        return sum(len(best & other) for best, other in pairs) / max(1, sum(map(len, self._best)))

    def _others(self, ids: Positions) -> list[set[int]]:
        """Return the first k ids of each row that are not its own."""
        rows = (row[row != own][: self._k] for row, own in zip(ids, self._own, strict=True))
        return [set(row.tolist()) for row in rows]


def draw(rng: np.random.Generator, count: int, many: int) -> Positions:
    """Return some positions, ascending."""
    return np.sort(rng.choice(count, min(count, many), replace=False))


def bitmap(kept: Runs, count: int) -> npt.NDArray[np.uint8]:
    """Return a bit for each position, 1 where it is kept."""
    bits = np.zeros(count, dtype=np.bool_)
    for start, stop in zip(kept.starts.tolist(), kept.stops.tolist(), strict=True):
        bits[start:stop] = True
    return np.packbits(bits, bitorder="little")
