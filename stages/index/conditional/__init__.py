"""Conditional maximum-inner-product search over vectors in blocks of equal labels, on disk.

`ConditionalIndex.load(folder).query(vectors, k=10, where=among("Culture", ["dutch"]) & ~among("Museum", ["Met"]))`
"""

from stages.index.conditional.approximate import ApproximateIndex
from stages.index.conditional.index import ConditionalIndex
from stages.index.conditional.ranking import Neighbours
from stages.index.conditional.where import UnknownColumn, UnknownLabel, Where, among, where_of

__all__ = [
    "ApproximateIndex", "ConditionalIndex", "Neighbours", "UnknownColumn", "UnknownLabel", "Where", "among", "where_of",
]  # fmt: skip
