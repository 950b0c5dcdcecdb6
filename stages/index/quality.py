"""How good an index is: whether what it finds first is alike in what is known of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.index.collection import Collection
from stages.index.conditional import ConditionalIndex

SAMPLE = 2000
BATCH = 64


def quality(collection: Collection, k: int, seed: int) -> dict[str, Any]:
    """Return how many pictures there are, and precision@k for every column of the blocks."""
    found: dict[str, Any] = {"pictures": len(collection), "features": collection.index.dimension}
    for column in collection.blocks:
        found[column] = precision(collection.index, collection.index.values(column), k, seed)
    return found


def precision(index: ConditionalIndex, labels: Sequence[str], k: int, seed: int) -> dict[str, float]:
    """Return precision@k of a column over at most 2,000 rows, and what chance would give.

    It is the share of a row's k best others that have its label; rows whose label nobody else has are left out.
    """
    counts = Counter(labels)
    asked = [row for row, label in enumerate(labels) if label and counts[label] > 1]
    chosen = np.sort(np.random.default_rng(seed).permutation(asked)[:SAMPLE])
    if not len(chosen):
        return {}
    known = np.array(labels, dtype=object)
    shares = [
        share
        for start in range(0, len(chosen), BATCH)
        for share in alike(index, chosen[start : start + BATCH], known, k)
    ]
    chance = [(counts[labels[row]] - 1) / (len(labels) - 1) for row in chosen]
    return {f"precision_at_{k}": float(np.mean(shares)), "chance": float(np.mean(chance)), "queries": len(chosen)}


def alike(index: ConditionalIndex, rows: npt.NDArray[np.int64], labels: npt.NDArray[Any], k: int) -> list[float]:
    """Return for each row which share of its k best others has its label."""
    found = index.query(np.stack([index.vector(int(row)) for row in rows]), k + 1)
    best = [[other for other in ids if other != row][:k] for row, ids in zip(rows, found.ids.tolist(), strict=True)]
    return [float(np.mean(labels[others] == labels[row])) for row, others in zip(rows, best, strict=True)]
