"""Write an index folder in one pass over the vectors, sorted into blocks of equal labels; memory stays flat."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from stages.core.files import hash_file, write_json
from stages.index.conditional import labels
from stages.index.conditional.generation import DESCRIPTION
from stages.index.conditional.labels import Codes
from stages.index.conditional.pages import Matrix
from stages.index.conditional.queries import Positions
from stages.index.conditional.scatter import scatter
from stages.index.conditional.stored import BLOCKS, CODES, IDS, VECTORS

PART = 64 << 20  # bytes of vectors in memory at a time
HASHED = (IDS, CODES, BLOCKS, labels.FILE, labels.OFFSETS)


class Watch(Protocol):
    """What shows progress: yields the items, as `console.track` does."""

    def __call__(self, items: Iterable[int], total: int, description: str, /) -> Iterable[int]:
        """Yield the items."""
        ...


def quietly(items: Iterable[int], total: int, description: str) -> Iterable[int]:  # noqa: ARG001
    """Show no progress."""
    return items


def write(
    folder: Path,
    vectors: Matrix,
    columns: Mapping[str, Sequence[str]],
    blocks: Sequence[str],
    about: Mapping[str, Any],
    watch: Watch,
) -> None:
    """Write every file of an index, its description last."""
    check(folder, vectors, columns, blocks)
    folder.mkdir(parents=True, exist_ok=True)
    encoded = {column: labels.encode(values) for column, values in columns.items()}
    keys = [encoded[column][1] for column in blocks]
    order = sort(keys, vectors.shape[0])
    labels.write(folder, {column: names for column, (names, _) in encoded.items()})
    np.save(folder / IDS, order)
    np.save(folder / CODES, sorted_codes([codes for _, codes in encoded.values()], order))
    np.save(folder / BLOCKS, boundaries(keys, order))
    largest, digest = write_vectors(folder / VECTORS, vectors, order, watch)
    hashes = {name: hash_file(folder / name) for name in HASHED} | {VECTORS: digest}
    own = {"count": len(order), "dimension": vectors.shape[1], "blocks": list(blocks), "columns": list(columns)}
    write_json(folder / DESCRIPTION, {**about, **own, "largest_norm": largest, "sha256": dict(sorted(hashes.items()))})


def check(folder: Path, vectors: Matrix, columns: Mapping[str, Sequence[str]], blocks: Sequence[str]) -> None:
    """Refuse what cannot become an index, before anything is written."""
    if (folder / DESCRIPTION).exists():
        raise ValueError(f"{folder}: holds an index that may be in use; build beside it and rename")
    if len(vectors.shape) != 2 or not all(vectors.shape):
        raise ValueError(f"vectors: shape {tuple(vectors.shape)}; an index needs rows of one or more numbers")
    for column, values in columns.items():
        if len(values) != vectors.shape[0]:
            raise ValueError(f"column {column!r}: {len(values)} labels for {vectors.shape[0]} vectors")
    for column in blocks:
        if column not in columns or list(blocks).count(column) > 1:
            raise ValueError(f"blocks: {column!r} is named twice or no column; columns are {', '.join(columns)}")


def sort(keys: Sequence[Codes], count: int) -> Positions:
    """Return the rows' ids (int64) in block order: by the first key, the next …, then by id."""
    ordered: list[npt.NDArray[Any]] = [np.arange(count), *reversed(keys)]
    return np.lexsort(ordered)


def boundaries(keys: Sequence[Codes], order: Positions) -> Positions:
    """Return each block's first position, and the number of rows (int64, B + 1)."""
    changes = np.zeros(len(order), dtype=np.bool_)
    changes[0] = True
    for key in keys:
        changes[1:] |= np.diff(key[order]) != 0
    return np.append(np.flatnonzero(changes), len(order))


def sorted_codes(codes: Sequence[Codes], order: Positions) -> Codes:
    """Return the labels' numbers (int32, N x C) in block order, each column contiguous."""
    table = np.empty((len(order), len(codes)), dtype=np.int32, order="F")
    for number, column in enumerate(codes):
        table[:, number] = column[order]
    return table


def write_vectors(file: Path, vectors: Matrix, order: Positions, watch: Watch) -> tuple[float, str]:
    """Write the vectors in block order; return their largest norm, rounded up, and the file's SHA-256.

    They are read by id and written to their places: both lie near each other, as rows of a block are ordered by id.
    """
    largest, row = 0.0, 4 * vectors.shape[1]
    step = max(1, PART // row)
    starts, places = range(0, len(order), step), np.empty_like(order)
    places[order] = np.arange(len(order))
    with file.open("wb") as out:
        head = {"descr": "<f4", "fortran_order": False, "shape": (len(order), vectors.shape[1])}
        np.lib.format.write_array_header_1_0(out, head)
        begin = out.tell()
        for start in watch(starts, len(starts), "index"):
            ids = np.arange(start, min(start + step, len(order)))
            rows = np.ascontiguousarray(vectors[ids], dtype="<f4")
            largest = max(largest, longest(rows, ids))
            scatter(out, rows, begin + places[ids] * row)
    return math.nextafter(largest, math.inf), hash_file(file)


def longest(rows: npt.NDArray[np.float32], ids: Positions) -> float:
    """Return the largest norm of some rows; raise ValueError naming a row that is not finite."""
    squares = np.einsum("ij,ij->i", rows, rows, dtype=np.float64)
    if not np.isfinite(squares).all():
        raise ValueError(f"row {int(ids[~np.isfinite(squares)].min())}: its vector is not finite")
    return float(np.sqrt(squares.max()))
