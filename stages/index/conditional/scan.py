"""The float32 scan: every kept row's inner product with every query, at the speed of memory."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TypeVar

import numpy as np

from stages.index.conditional.pages import Matrix
from stages.index.conditional.plan import FEW, Plan
from stages.index.conditional.portions import portions
from stages.index.conditional.queries import Positions, Vectors
from stages.index.conditional.ranking import Ranking

WIDTH = 8  # queries; a matrix product with fewer takes longer than with as many
SCORES = 1 << 18  # scores at a time
PIECE = 4 << 20  # bytes of rows that a thread reads at a time
PRODUCT = 32 << 20  # bytes of rows in a matrix product
COPY = 512 << 10  # bytes of rows gathered at a time
ALONE = 8 << 20  # bytes of rows below which a second thread costs more than it gains

T = TypeVar("T")
Piece = tuple[slice | Positions, slice]


def scan(vectors: Matrix, plan: Plan, ranking: Ranking, threads: int) -> None:
    """Offer a ranking the scores of all rows of a plan."""
    row = 4 * vectors.shape[1]
    queries = ranking.queries.scaled
    few = len(queries) <= FEW
    work = single if few else product
    padded = queries if few else np.pad(queries, ((0, max(0, WIDTH - len(queries))), (0, 0)))
    most, piece = SCORES // len(padded), max(1, (PIECE if few else PRODUCT) // row)
    for portion in portions(plan, most, min(piece, most), max(1, COPY // row if few else piece)):
        scores = np.empty((portion.count, len(padded)), dtype=np.float32)
        hands = threads if few and portion.count * row > ALONE else 1
        share(partial(work, vectors, padded, scores), portion.pieces, hands)
        if len(portion.gaps):
            scores[portion.gaps] = -np.inf
        ranking.offer(portion.locate, scores[:, : len(queries)])


def single(vectors: Matrix, queries: Vectors, scores: Vectors, piece: Piece) -> None:
    """Score a piece query by query, on one core."""
    rows = vectors[piece[0]]
    for number, query in enumerate(queries):
        np.vecdot(rows, query, out=scores[piece[1], number])


def product(vectors: Matrix, queries: Vectors, scores: Vectors, piece: Piece) -> None:
    """Score a piece as a matrix product, on as many cores as BLAS has."""
    np.matmul(vectors[piece[0]], queries.T, out=scores[piece[1]])


def share(work: Callable[[T], None], items: Iterable[T], threads: int) -> None:
    """Do the work for all items in this thread, with others' help where there are more."""
    left = iter(items)

    def some() -> None:
        for item in left:
            work(item)

    helpers = [pool(threads).submit(some) for _ in range(threads - 1)]
    some()
    for helper in helpers:
        if not helper.cancel():  # one that never began has nothing to say
            helper.result()


@cache
def pool(threads: int) -> ThreadPoolExecutor:
    """Return the threads that scans share."""
    return ThreadPoolExecutor(threads, thread_name_prefix="scan")
