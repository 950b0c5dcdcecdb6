"""The k best rows of a search, exactly: what a float32 scan cannot tell apart is scored again in float64."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from stages.index.rows import Positions

GATHERED = 64  # rows scored at a time in float64
PENDING = 1 << 18  # candidates kept before they are thinned out
FIRST = 4096  # rows whose k-th best is the first floor
LOWEST = np.finfo(np.float32).min

Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


class Neighbours(NamedTuple):
    """The best rows of each query, best first: ids (int64, Q x m) and scores (float64, Q x m)."""

    ids: npt.NDArray[np.int64]
    scores: Scores


class Ranking:
    """The best rows so far of Q queries; give it every row's float32 score once."""

    def __init__(self, vectors: Vectors, ids: npt.NDArray[np.int64], queries: Vectors, k: int, largest: float) -> None:
        self._vectors, self._ids, self._k = vectors, ids, k
        self._exact = queries.astype(np.float64)
        norms = np.sqrt(np.square(self._exact).sum(axis=1))
        self._scale = scales(norms, largest)
        self.queries: Vectors = np.ldexp(self._exact, self._scale[:, None]).astype(np.float32)
        self._slack = rounding(np.ldexp(norms, self._scale), largest, vectors.shape[1])
        self._floor = np.full(len(queries), LOWEST, dtype=np.float32)
        self._pending: list[tuple[Positions, Positions, Vectors]] = []
        self._count = 0
        self._best = [(np.empty(0), np.empty(0, dtype=np.int64)) for _ in queries]

    def offer(self, locate: Callable[[Positions], Positions], scores: Vectors) -> None:
        """Take the scores (n x Q) of rows that `locate` finds by number; -inf is no row."""
        if self._k <= len(scores) and (self._floor == LOWEST).any():
            first = scores[: max(FIRST, 4 * self._k)]
            place = len(first) - self._k
            self._raise(np.partition(first, place, axis=0)[place] - 2 * self._slack)
        row, query = np.divmod(np.flatnonzero(scores >= self._floor), len(self._best))
        self._pending.append((query, locate(row), scores[row, query]))
        self._count += len(query)
        if self._count > PENDING:
            self._thin()

    def result(self) -> Neighbours:
        """Return the best rows of all that were offered."""
        query, positions, _ = self._thinned()
        for number in range(len(self._best)):
            self._settle(number, positions[query == number])
        return Neighbours(np.stack([ids for _, ids in self._best]), np.stack([scores for scores, _ in self._best]))

    def _raise(self, floor: npt.NDArray[np.float64]) -> None:
        """Raise the floors, rounded down."""
        self._floor = np.maximum(self._floor, np.nextafter(floor.astype(np.float32), np.float32(-np.inf)))

    def _thinned(self) -> tuple[Positions, Positions, Vectors]:
        """Return what of the pending is not below the k-th best by more than rounding explains, by query."""
        query, positions, scores = (np.concatenate(parts) for parts in zip(*self._pending, strict=True))
        order = np.lexsort((-scores, query))
        query, positions, scores = query[order], positions[order], scores[order]
        starts = np.searchsorted(query, np.arange(len(self._best) + 1))
        full = np.flatnonzero(np.diff(starts) >= self._k)
        floor = np.full(len(self._best), -np.inf)
        floor[full] = scores[starts[full] + self._k - 1] - 2 * self._slack[full]
        self._raise(floor)
        kept = scores >= self._floor[query]
        return query[kept], positions[kept], scores[kept]

    def _thin(self) -> None:
        """Thin the pending; score now those of queries with very many, such as of equal vectors."""
        query, positions, scores = self._thinned()
        crowded = np.bincount(query, minlength=len(self._best)) > max(4 * self._k, PENDING // (4 * len(self._best)))
        for number in np.flatnonzero(crowded):
            self._settle(int(number), positions[query == number])
        kept = ~crowded[query]
        self._pending = [(query[kept], positions[kept], scores[kept])]
        self._count = int(kept.sum())

    def _settle(self, number: int, positions: Positions) -> None:
        """Score a query's candidates in float64 and keep the k best, the lower id first where scores are equal."""
        scores, ids = self._best[number]
        for start in range(0, len(positions), PENDING):
            part = positions[start : start + PENDING]
            scores = np.concatenate([scores, exact(self._vectors, part, self._exact[number])])
            ids = np.concatenate([ids, self._ids[part]])
            order = np.lexsort((ids, -scores))[: self._k]
            scores, ids = scores[order], ids[order]
        self._best[number] = scores, ids
        if len(scores) == self._k:
            floor = np.full(len(self._best), -np.inf)
            floor[number] = np.ldexp(scores[-1], self._scale[number]) - self._slack[number]
            self._raise(floor)


def exact(vectors: Vectors, positions: Positions, query: Scores) -> Scores:
    """Return rows' inner products with a query in float64, the same whichever rows are asked for together."""
    scores = np.empty(len(positions))
    for start in range(0, len(positions), GATHERED):
        part = positions[start : start + GATHERED]
        np.multiply(vectors[part], query, dtype=np.float64).sum(axis=1, out=scores[start : start + len(part)])
    return scores


def scales(norms: Scores, largest: float) -> npt.NDArray[np.int32]:
    """Return the power of two that brings each query to length 1, or where vectors are extreme, products to 1."""
    extreme = int(np.clip(-np.frexp(largest)[1], -100, 100))
    whole: npt.NDArray[np.int32] = (extreme if abs(extreme) > 60 else 0) - np.frexp(norms)[1]
    return whole


def rounding(norms: Scores, largest: float, dimension: int) -> Scores:
    """Return how far a float32 inner product, summed in any order, and its float64 score can be from the truth.

    The standard bound γ_D·‖q‖·‖v‖ with γ_D = D·u / (1 − D·u), u = 2⁻²⁴, and what underflow may take.
    """
    unit = dimension * 2.0**-24
    gamma = unit / (1 - unit) + dimension * 2.0**-50
    return gamma * norms * largest * (1 + 1e-6) + dimension * 2.0**-148 * (1 + largest)
