"""A picture of what an index finds: each row an artwork, and its nearest in the labels of a column."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from stages.index.collection import Collection
from stages.index.where import among
from stages.preprocess.store import Everything
from stages.sheet import sheet

ROWS, LABELS = 6, 7
Tile = tuple[npt.NDArray[np.uint8], str]


def wall(collection: Collection, everything: Everything, path: Path) -> None:
    """Write a sheet: artworks spread over the collection, each beside its nearest in the largest labels of a column."""
    column = collection.blocks[0] if collection.blocks else None
    facets = collection.facets[column] if column else {}
    labels = sorted(sorted(facets, key=lambda label: -facets[label])[:LABELS])
    tiles: list[Tile] = []
    for row in np.unique(np.linspace(0, len(collection) - 1, ROWS).astype(int)).tolist():
        tiles.append(tile(collection, everything, row, collection.metadata(row)[collection.show[0]]))
        for label in labels or [None]:
            tiles.extend(nearest(collection, everything, row, column, label))
    sheet(tiles, path, columns=1 + max(1, len(labels)))


def nearest(
    collection: Collection, everything: Everything, row: int, column: str | None, label: str | None
) -> list[Tile]:
    """Return the tile of a row's best other within a label; an empty one where there is none."""
    where = among(column, [label]) if column and label is not None else None
    found = collection.index.query(collection.index.vector(row), 2, where)
    others = [pair for pair in zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True) if pair[0] != row]
    if not others:
        return [(np.full((8, 8, 3), 255, np.uint8), f"{label}: no other")]
    best, score = others[0]
    return [tile(collection, everything, best, f"{score:.2f}  {label or ''}")]


def tile(collection: Collection, everything: Everything, row: int, caption: str) -> Tile:
    """Return a picture with a caption and its heading."""
    return np.asarray(everything.images[row : row + 1])[
        0
    ], f"{caption}\n{collection.metadata(row)[collection.show[-1]]}"
