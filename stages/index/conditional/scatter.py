"""Rows, read in order, to their places in a file: a sort on disk that needs no memory for all of them."""

from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from stages.index.conditional.queries import Positions


def scatter(file: BinaryIO, rows: npt.NDArray[Any], places: Positions) -> None:
    """Write rows (contiguous) where each belongs (bytes from the file's begin), those that are neighbours at once."""
    order = np.argsort(places)
    rows, places = rows[order], places[order]
    starts = np.flatnonzero(np.diff(places, prepend=-1) != rows[:1].nbytes)
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(rows)], strict=True):
        file.seek(int(places[start]))
        file.write(rows[start:stop].data)
