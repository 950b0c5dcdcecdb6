"""A picture of what an index finds: each row an artwork, and its nearest in the labels of a column."""

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from stages.core.contact_sheet import write_contact_sheet
from stages.index.collection import Collection
from stages.index.conditional.where import Where, among

ROWS, LABELS = 6, 7
Tile = tuple[npt.NDArray[np.uint8], str]


def wall(collection: Collection, path: Path) -> None:
    """Write a sheet: artworks spread over the collection, each beside its nearest in the largest labels of a column."""
    filters = within(collection)
    tiles: list[Tile] = []
    for row in np.unique(np.linspace(0, len(collection) - 1, ROWS).astype(int)).tolist():
        tiles.append(tile(collection, row, collection.metadata(row)[collection.show[0]]))
        tiles.extend(nearest(collection, row, label, where) for label, where in filters.items())
    write_contact_sheet(tiles, path, columns=1 + len(filters))


def within(collection: Collection) -> dict[str, Where | None]:
    """Return the largest labels of the first column of the blocks, each as a filter; all, where there is no column."""
    if not collection.blocks:
        return {"": None}
    column = collection.blocks[0]
    counts = collection.facets[column]
    return {label: among(column, [label]) for label in sorted(sorted(counts, key=lambda one: -counts[one])[:LABELS])}


def nearest(collection: Collection, row: int, label: str, where: Where | None) -> Tile:
    """Return the tile of a row's best other among those that a filter keeps; an empty one where there is none."""
    found = collection.index.query(collection.index.vector(row), 2, where)
    pairs = zip(found.ids[0].tolist(), found.scores[0].tolist(), strict=True)
    best = next(((other, score) for other, score in pairs if other != row), None)
    if best is None:
        return np.full((8, 8, 3), 255, np.uint8), f"no other {label}"
    return tile(collection, best[0], f"{best[1]:.2f}  {label}")


def tile(collection: Collection, row: int, caption: str) -> Tile:
    """Return a picture with a caption and its heading."""
    picture = np.asarray(Image.open(io.BytesIO(collection.thumbnail(row))))
    return picture, f"{caption}\n{collection.metadata(row)[collection.show[-1]]}"
