"""The conditional index: the largest inner products among the rows that a filter keeps, exactly."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.core.files import atomic_folder
from stages.core.system import cpu_count
from stages.index.conditional.generation import consistent
from stages.index.conditional.pages import Matrix
from stages.index.conditional.plan import costs, plan
from stages.index.conditional.queries import Positions, Queries, Vectors
from stages.index.conditional.ranking import Neighbours, Ranking
from stages.index.conditional.rows import Runs
from stages.index.conditional.scan import scan
from stages.index.conditional.stored import Stored
from stages.index.conditional.where import Where
from stages.index.conditional.write import Watch, quietly, write

BATCH = 256  # queries in one pass over the rows


class ConditionalIndex:
    """Vectors in blocks of equal labels, memory-mapped; safe to query from several threads."""

    def __init__(self, folder: Path, threads: int = 0, memory_mb: int | None = None) -> None:
        self.stored = Stored(folder, memory_mb)
        self.columns, self.blocks = self.stored.columns, self.stored.blocks
        self.dimension = self.stored.dimension
        self.labels: Mapping[str, list[str]] = self.stored.labels
        self._threads = threads or cpu_count()

    @staticmethod
    def build(
        folder: Path | str,
        vectors: Matrix,
        columns: Mapping[str, Sequence[str]],
        blocks: Sequence[str],
        about: Mapping[str, Any] | None = None,
        watch: Watch = quietly,
    ) -> "ConditionalIndex":
        """Write an index of vectors (N x D, read in parts) into a folder that has none, and open it.

        `columns` are the labels of the rows (N strings each), `blocks` the columns that rows are sorted by, `about`
        more keys for index.json. Raise ValueError naming the row whose vector is not finite.
        """
        write(Path(folder), vectors, columns, blocks, about or {}, watch)
        return ConditionalIndex.load(folder)

    @classmethod
    def load(cls, folder: Path | str, threads: int = 0, memory_mb: int | None = None) -> "ConditionalIndex":
        """Open an index, memory-mapped; 0 threads are one for each core. Raise FileNotFoundError or ValueError.

        Of the vectors about `memory_mb` MiB stay in memory at once: None is what index.json says, 0 all, where they
        take no more than half of what the machine has, else that half. Answers are the same.
        """
        place = Path(folder)
        return consistent(place, lambda: cls(place, threads, memory_mb))

    def save(self, folder: Path | str) -> None:
        """Copy the index to another folder, atomically."""
        with atomic_folder(Path(folder)) as scratch:
            self._write(scratch)

    def __len__(self) -> int:
        return self.stored.count

    def query(self, vectors: npt.ArrayLike, k: int, where: Where | None = None) -> Neighbours:
        """Return for each query (Q x D, or one of D) the k rows with the largest inner products, of those kept.

        Fewer rows where fewer are kept; equal scores are ordered by id. Queries are taken as float32, scores are
        computed in float64. Raise ValueError for k < 1, queries of another length or not finite, UnknownColumn and
        UnknownLabel for the filter.
        """
        queries, kept = self._checked(vectors, k), self.stored.rows.kept(where)
        width = min(k, kept.count)
        if not (width and len(queries)):
            return Neighbours(np.empty((len(queries), width), np.int64), np.empty((len(queries), width)))
        parts = [self._search(queries[start : start + BATCH], k, kept) for start in range(0, len(queries), BATCH)]
        return Neighbours(np.concatenate([part.ids for part in parts]), np.concatenate([part.scores for part in parts]))

    def find_maximum_inner_products(
        self, query_point: npt.ArrayLike, conditioner: Where | None, k: int
    ) -> list[tuple[int, float]]:
        """Return the ids and scores of one query's k best rows, as the published index does."""
        point = np.asarray(query_point)
        if point.ndim != 1:
            raise ValueError(f"query_point: shape {point.shape}; give one vector of {self.dimension} numbers")
        found = self.query(point, k, conditioner)
        return list(zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True))

    def vector(self, id: int) -> Vectors:  # noqa: A002
        """Return the vector (float32, D) of a row by its id; raise IndexError where there is none."""
        if not 0 <= id < len(self):
            raise IndexError(f"id {id}: the index has ids 0 to {len(self) - 1}")
        return np.array(self.stored.vectors[self._positions[id]])

    def count(self, where: Where | None = None) -> int:
        """Return how many rows a filter keeps."""
        return self.stored.rows.kept(where).count

    def values(self, column: str) -> list[str]:
        """Return every row's label in a column, by id; raise UnknownColumn."""
        known, codes = self.labels[column], self.stored.rows.codes(column)
        return [known[code] for code in codes[self._positions].tolist()]

    def ids(self, where: Where | None = None) -> Positions:
        """Return the ids of the rows that a filter keeps (int64), ascending."""
        return np.sort(self.stored.ids[self.stored.rows.kept(where).positions()])

    @cached_property
    def _positions(self) -> Positions:
        """Return each id's position."""
        positions = np.empty_like(self.stored.ids)
        positions[self.stored.ids] = np.arange(len(self))
        return positions

    def _write(self, folder: Path) -> None:
        """Write every file of the index."""
        self.stored.save(folder)

    def _search(self, queries: Vectors, k: int, kept: Runs) -> Neighbours:
        """Scan the kept rows once for some queries."""
        ranking = Ranking(self.stored.vectors, self.stored.ids, Queries(queries, self.stored.largest), k)
        scan(self.stored.vectors, plan(kept, costs(self.dimension, len(queries))), ranking, self._threads)
        return ranking.result()

    def _checked(self, vectors: npt.ArrayLike, k: int) -> Vectors:
        """Return queries as float32, Q x D."""
        if k < 1:
            raise ValueError(f"k: {k} neighbours; ask for 1 or more")
        given = np.atleast_2d(np.asarray(vectors))
        if given.ndim != 2 or given.shape[1] != self.dimension:
            raise ValueError(f"query: shape {np.shape(vectors)}; the index holds vectors of {self.dimension} numbers")
        with np.errstate(over="ignore"):
            queries = np.ascontiguousarray(given, dtype=np.float32)
        if not np.isfinite(queries).all():
            first = np.flatnonzero(~np.isfinite(queries).all(axis=1))[0]
            raise ValueError(f"query {first}: not finite in float32")
        return queries
