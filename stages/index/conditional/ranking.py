"""The k best rows of a search, exactly: what a float32 scan cannot tell apart is scored again in float64."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.index.conditional.pages import Matrix
from stages.index.conditional.queries import Positions, Queries, Scores, Vectors, exact

PENDING = 1 << 18  # candidates kept before they are thinned out
FIRST = 4096  # rows whose k-th best is the first floor
LOWEST = np.float32(-1e38)  # below every score


class Neighbours(NamedTuple):
    """The best rows of each query, best first: ids (int64, Q x m) and scores (float64, Q x m)."""

    ids: npt.NDArray[np.int64]
    scores: Scores


class Candidates(NamedTuple):
    """Rows that may be among the best: of which query, at which position, with which score (float32)."""

    query: Positions
    position: Positions
    score: Vectors

    def where(self, kept: npt.NDArray[np.bool_]) -> "Candidates":
        """Return those kept."""
        return Candidates(self.query[kept], self.position[kept], self.score[kept])


class Settled(NamedTuple):
    """The best rows so far, by query, score and id: scored in float64."""

    query: Positions
    id: Positions
    score: Scores


class Ranking:
    """The k best rows so far of some queries; offer it every row once, in any order."""

    def __init__(self, vectors: Matrix, ids: Positions, queries: Queries, k: int, pending: int = PENDING) -> None:
        self.queries = queries
        self._vectors, self._ids, self._k = vectors, ids, k
        self._most = max(pending, 2 * k * len(queries))
        self._floor = np.full(len(queries), LOWEST, dtype=np.float32)
        self._pending: list[Candidates] = []
        self._count = 0
        none = np.empty(0, dtype=np.int64)
        self._settled = Settled(none, none, np.empty(0))

    def offer(self, locate: Callable[[Positions], Positions], scores: Vectors) -> None:
        """Take the scores (n x Q) of rows that `locate` finds by number; -inf is no row."""
        if self._k <= len(scores) and (self._floor == LOWEST).any():
            first = scores[: max(FIRST, 4 * self._k)]
            place = len(first) - self._k
            self._raise(np.partition(first, place, axis=0)[place] - 2 * self.queries.slack)
        row, query = np.divmod(np.flatnonzero(scores >= self._floor), len(self.queries))
        if len(row):
            self._pending.append(Candidates(query, locate(row), scores[row, query]))
            self._count += len(row)
        if self._count > self._most:
            self._thin()

    def result(self) -> Neighbours:
        """Return the best rows of all that were offered."""
        self._settle(self._thinned())
        shape = (len(self.queries), -1)
        return Neighbours(self._settled.id.reshape(shape), self._settled.score.reshape(shape))

    def _raise(self, floor: Scores) -> None:
        """Raise the floors, rounded down."""
        self._floor = np.maximum(self._floor, np.nextafter(floor.astype(np.float32), np.float32(-np.inf)))

    def _thin(self) -> None:
        """Drop what cannot be among the best; settle the rest where it is still much, as with equal vectors."""
        left = self._thinned()
        if 2 * len(left.query) > self._most:
            self._settle(left)
            left = left.where(np.zeros(len(left.query), dtype=np.bool_))
        self._pending, self._count = [left], len(left.query)

    def _thinned(self) -> Candidates:
        """Return what of the pending is not below its query's k-th best by more than rounding explains, by query."""
        parts = self._pending
        found = Candidates(*map(np.concatenate, zip(*parts, strict=True))) if len(parts) > 1 else parts[0]
        order = np.lexsort((-found.score, found.query))
        found = Candidates(found.query[order], found.position[order], found.score[order])
        number, starts = self._counts(found.query)
        full = np.flatnonzero(number >= self._k)
        floor = np.full(len(number), float(LOWEST))
        floor[full] = found.score[starts[full] + self._k - 1] - 2 * self.queries.slack[full]
        self._raise(floor)
        return found.where(found.score >= self._floor[found.query])

    def _settle(self, found: Candidates) -> None:
        """Score candidates in float64 and keep the k best of each query, the lower id first where scores are equal."""
        scores = exact(self._vectors, found.position, self.queries.given, found.query)
        query = np.concatenate([self._settled.query, found.query])
        ids = np.concatenate([self._settled.id, self._ids[found.position]])
        scores = np.concatenate([self._settled.score, scores])
        order = np.lexsort((ids, -scores, query))
        number, starts = self._counts(query)
        kept = order[np.arange(len(order)) - starts[query[order]] < self._k]
        self._settled = Settled(query[kept], ids[kept], scores[kept])
        full = np.flatnonzero(number >= self._k)
        worst = scores[order[starts[full] + self._k - 1]]
        floor = np.full(len(number), float(LOWEST))
        floor[full] = np.ldexp(worst, self.queries.scale[full]) - self.queries.slack[full]
        self._raise(floor)

    def _counts(self, query: Positions) -> tuple[Positions, Positions]:
        """Return how many entries each query has, and where its first is once they are sorted by query."""
        number = np.bincount(query, minlength=len(self.queries))
        return number, np.cumsum(number) - number
