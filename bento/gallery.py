"""What can be searched: an index folder, its featuriser, and the words of its filters."""

from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bento.filters import Choice, Vocabulary
from bento.refusals import UnknownArtwork
from stages.core.image import MAX_PIXELS
from stages.core.onnx_model import OnnxModel
from stages.index.collection import FEATURISER, Collection
from stages.index.conditional.generation import consistent

Vector = npt.NDArray[np.float32]


class Match(NamedTuple):
    """An artwork, by its row's number, and how similar it is: the cosine, at most 1."""

    row: int
    score: float


class Gallery:
    """An index and its featuriser; safe to ask from several threads."""

    def __init__(self, folder: Path, threads: int = 0, max_pixels: int = MAX_PIXELS) -> None:
        self.collection, self.featuriser = consistent(
            folder, lambda: (Collection(folder, threads), OnnxModel(folder / FEATURISER, threads, max_pixels))
        )
        self.name = folder.name

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """The columns and labels in any case."""
        return Vocabulary(self.collection.index.labels, self.collection.blocks)

    def row(self, key: str) -> int:
        """Return the row of a published id, or raise UnknownArtwork."""
        try:
            return self.collection.find(key)
        except KeyError:
            raise UnknownArtwork(key, self.name, len(self.collection)) from None

    def vector(self, picture: bytes) -> Vector:
        """Return the features of an encoded picture (float32, D), or raise Undecodable."""
        features: Vector = self.featuriser.run(self.featuriser.decode(picture)[None])[0]
        return features

    def kept(self, choice: Choice) -> int:
        """Return how many artworks a choice keeps; raise UnknownColumn or UnknownLabel."""
        return self.collection.index.count(self.vocabulary.where(choice))

    def like(self, vector: Vector, n: int, choice: Choice, but: int | None = None) -> list[Match]:
        """Return the n best of those that a choice keeps, the best first, without row `but`."""
        more = n if but is None else n + 1
        found = self.collection.index.query(vector, more, self.vocabulary.where(choice))
        pairs = zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True)
        return [Match(row, score) for row, score in pairs if row != but][:n]

    def spread(self, n: int, choice: Choice) -> list[int]:
        """Return n rows that lie evenly in what a choice keeps, in ascending order."""
        rows = self.collection.index.ids(self.vocabulary.where(choice))
        return list(dict.fromkeys(rows[np.linspace(0, len(rows) - 1, min(n, len(rows))).astype(int)].tolist()))
