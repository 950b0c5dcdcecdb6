"""Queries made ready for a float32 scan, and how far its scores can be from the truth."""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from stages.index.conditional.pages import Matrix

GATHERED = 32  # rows scored at a time in float64: their products stay in the cache

Positions = npt.NDArray[np.int64]
Vectors = npt.NDArray[np.float32]
Scores = npt.NDArray[np.float64]


class Queries:
    """Queries (float32, Q x D) as given, and scaled by powers of two so that no product overflows."""

    def __init__(self, given: Vectors, largest: float) -> None:
        norms = np.sqrt(np.square(given, dtype=np.float64).sum(axis=1))
        self.given = given
        self.scale = scales(norms, largest)
        self.scaled: Vectors = np.ldexp(given, self.scale[:, None])
        self.slack = rounding(np.ldexp(norms, self.scale), largest, given.shape[1])

    def __len__(self) -> int:
        return len(self.given)


def exact(vectors: Matrix, positions: Positions, queries: Vectors, numbers: Positions) -> Scores:
    """Return the inner product (float64) of each row with the query of that number, whatever is asked for beside it.

    Quickest where the rows of a query stand together.
    """
    scores = np.empty(len(positions))
    products = np.empty((GATHERED, queries.shape[1]))
    turns = np.flatnonzero(np.diff(numbers)) + 1
    for first, last in pairwise([0, *turns.tolist(), len(numbers)]):
        for start in range(first, last, GATHERED):
            some = slice(start, min(start + GATHERED, last))
            part = products[: some.stop - start]
            np.multiply(vectors[positions[some]], queries[numbers[start]], out=part, dtype=np.float64)
            part.sum(axis=1, out=scores[some])
    return scores


def scales(norms: Scores, largest: float) -> npt.NDArray[np.int32]:
    """Return the power of two that brings each query to length 1, or where vectors are extreme, products to 1."""
    extreme = int(np.clip(-np.frexp(largest)[1], -100, 100))
    scale: npt.NDArray[np.int32] = (extreme if abs(extreme) > 60 else 0) - np.frexp(norms)[1]
    return scale


def rounding(norms: Scores, largest: float, dimension: int) -> Scores:
    """Return how far a float32 inner product, summed in any order, and its float64 score can be from the truth.

    The standard bound γ_D·‖q‖·‖v‖ with γ_D = D·u / (1 − D·u), u = 2⁻²⁴, and what underflow may take.
    """
    unit = dimension * 2.0**-24
    gamma = unit / (1 - unit) + dimension * 2.0**-50
    return gamma * norms * largest * (1 + 1e-6) + dimension * 2.0**-148 * (1 + largest)
