"""What an index must answer, computed in float64 over everything."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from hypothesis import strategies as st

from stages.index.conditional.where import Among, Where

COLUMNS = {"Culture": 4, "Medium": 3, "Museum": 5}
Table = dict[str, list[str]]
Kept = npt.NDArray[np.bool_]


def table(rng: np.random.Generator, rows: int) -> Table:
    return {name: [f"{name} {number}" for number in rng.integers(0, many, rows)] for name, many in COLUMNS.items()}


def keeps(where: Where | None, labels: Table) -> Kept:
    """Return which rows a filter keeps, row by row."""
    rows = len(next(iter(labels.values())))
    if where is None:
        return np.ones(rows, dtype=np.bool_)

    def among(condition: Among) -> Kept:
        return np.array([label in condition.labels for label in labels[condition.column]], dtype=np.bool_)

    return where.evaluate(among)


def best(
    vectors: npt.NDArray[np.float32], query: npt.NDArray[np.float32], k: int, kept: Kept
) -> tuple[list[int], list[float]]:
    """Return ids and scores of the k best, the lower id first where scores are equal."""
    scores = (vectors.astype(np.float64) * query.astype(np.float64)).sum(axis=1)
    ids = np.flatnonzero(kept)
    ids = ids[np.lexsort((ids, -scores[ids]))][:k]
    return ids.tolist(), scores[ids].tolist()


def wheres(labels: Table) -> st.SearchStrategy[Where | None]:
    """Draw filters over labels that occur: sets, empty ones too, joined and negated."""

    def leaf(column: str) -> st.SearchStrategy[Where]:
        known: Sequence[str] = sorted(set(labels[column]))
        return st.builds(lambda some: Among(column, tuple(sorted(some))), st.sets(st.sampled_from(known)))

    leaves = st.sampled_from(sorted(labels)).flatmap(leaf)
    joined = st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(lambda left, right: left & right, inner, inner),
            st.builds(lambda left, right: left | right, inner, inner),
            st.builds(lambda one: ~one, inner),
        ),
        max_leaves=5,
    )
    return st.none() | joined


def drawn(rng: np.random.Generator, rows: int, dimension: int, kind: str) -> npt.NDArray[np.float32]:
    """Return vectors: of integers (exact ties), with duplicates, all equal, tiny or huge."""
    vectors = rng.standard_normal((rows, dimension))
    if kind == "integers":
        vectors = rng.integers(-2, 3, (rows, dimension)).astype(np.float64)
    if kind == "duplicates":
        vectors = vectors[rng.integers(0, max(1, rows // 4), rows)]
    if kind == "equal":
        vectors[:] = vectors[0]
    if kind in SCALES:
        vectors *= SCALES[kind]
    return vectors.astype(np.float32)


SCALES = {"tiny": 1e-30, "huge": 1e30, "largest": 6e37, "subnormal": 1e-41}
KINDS = ("plain", "integers", "duplicates", "equal", *SCALES)
