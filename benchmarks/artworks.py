"""Drawn collections: unit vectors like pooled features, in clusters, with labels of which some are rare."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from stages.index.conditional import ConditionalIndex

DIMENSION, CULTURES, CLASSES, STYLES = 2048, 30, 18, 400
BLOCKS = ["Culture", "Classification"]

Vectors = npt.NDArray[np.float32]
Positions = npt.NDArray[np.int64]


class Drawn:
    """Unit vectors (float32, N x D), none negative; a row is a function of its id, so none need be kept."""

    def __init__(self, rows: int) -> None:
        self.shape = (rows, DIMENSION)
        rng = np.random.default_rng(6)
        tables: list[Vectors] = [rng.standard_normal((many, DIMENSION), np.float32) for many in (STYLES, 997, 1009)]
        self._styles, self._coarse, self._fine = tables

    def __getitem__(self, ids: Positions) -> Vectors:
        noise: Vectors = self._coarse[ids % 997] + self._fine[ids % 1009]
        rows = np.maximum(self._styles[ids * 2654435761 % 2**32 % STYLES] + noise * np.float32(0.6), np.float32(0))
        unit: Vectors = rows / np.sqrt(np.einsum("ij,ij->i", rows, rows))[:, None]
        return unit


def labels(rows: int) -> dict[str, list[str]]:
    """Return a culture and a classification for every row."""
    rng = np.random.default_rng(7)
    drawn = {}
    for name, many in zip(BLOCKS, (CULTURES, CLASSES), strict=True):
        weights = 1 / np.arange(4, many + 4)
        drawn[name] = [f"{name} {number:02}" for number in rng.choice(many, rows, p=weights / weights.sum())]
    return drawn


def build(folder: Path, rows: int) -> ConditionalIndex:
    """Index a collection."""
    return ConditionalIndex.build(folder, Drawn(rows), labels(rows), BLOCKS)


def unseen(many: int) -> Vectors:
    """Return vectors of the same kind that are in no collection drawn here."""
    return Drawn(1)[900_000 + 7 * np.arange(many)]
