"""The float32 scan: every kept row's inner product with every query, in pieces that fit the cache."""

from collections.abc import Iterator

import numpy as np

from stages.index.ranking import Ranking, Vectors
from stages.index.rows import Runs

SCORES = 1 << 18  # scores at a time
SHORT = 64  # rows; shorter runs are gathered
GATHERED = 256  # rows gathered at a time


def scan(vectors: Vectors, runs: Runs, ranking: Ranking) -> None:
    """Offer a ranking the scores of all rows of the runs."""
    lengths = runs.stops - runs.starts
    short = lengths < SHORT
    piece = max(1, SCORES // len(ranking.queries))
    for start, stop in spans(Runs(runs.starts[~short], runs.stops[~short]), piece):
        ranking.offer(np.arange(start, stop), product(ranking.queries, vectors[start:stop]))
    scattered = Runs(runs.starts[short], runs.stops[short]).positions()
    for start in range(0, len(scattered), GATHERED):
        positions = scattered[start : start + GATHERED]
        ranking.offer(positions, product(ranking.queries, vectors[positions]))


def spans(runs: Runs, most: int) -> Iterator[tuple[int, int]]:
    """Yield the runs' first and last position, long ones in pieces."""
    for start, stop in zip(runs.starts.tolist(), runs.stops.tolist(), strict=True):
        for first in range(start, stop, most):
            yield first, min(first + most, stop)


def product(queries: Vectors, rows: Vectors) -> Vectors:
    """Return inner products in float32 (Q x n)."""
    return (rows @ queries[0])[None] if len(queries) == 1 else queries @ rows.T
