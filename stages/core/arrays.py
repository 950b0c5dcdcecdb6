"""Many .npy files as one array that stays on disk."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_OPEN_FILES = 1024  # mapped at once; systems allow some ten thousands

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


class ShardedArray:
    """Rows of memory-mapped .npy files, as one array in any order.

    Indexing with a number, a slice or an array of numbers reads those rows and returns a copy. Threads may share the
    array. Pickled, it is the files' paths.

    Args:
        files: The files. Their arrays agree in type, and in shape but for the first axis.
        file: For each row of the whole, which file holds it.
        row: For each row of the whole, which row of that file it is.
    """

    def __init__(self, files: Sequence[Path], file: npt.ArrayLike, row: npt.ArrayLike) -> None:
        self._files = list(files)
        self._file, self._row = np.asarray(file, np.int32), np.asarray(row, np.int32)
        self._mapped: dict[int, Array] = {}
        self._lock = Lock()
        first = self._map(0)
        self.dtype = first.dtype
        self.shape: tuple[int, ...] = (len(self._row), *first.shape[1:])

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, rows: Any) -> Array:
        file, row = self._file[rows], self._row[rows]
        if file.ndim == 0:
            return np.array(self._map(int(file))[row])
        values = np.empty((*file.shape, *self.shape[1:]), self.dtype)
        for number in np.unique(file):
            mask = file == number
            values[mask] = self._map(int(number))[row[mask]]
        return values

    def __iter__(self) -> Iterator[Array]:
        return (self[number] for number in range(len(self)))

    def __reduce__(self) -> tuple[type["ShardedArray"], tuple[Any, ...]]:
        return ShardedArray, (self._files, self._file, self._row)

    def take(self, rows: slice | Indices) -> "ShardedArray":
        """Selects rows without reading them."""
        return ShardedArray(self._files, self._file[rows], self._row[rows])

    def _map(self, number: int) -> Array:
        with self._lock:
            if number not in self._mapped:
                if len(self._mapped) >= MAX_OPEN_FILES:
                    self._mapped.pop(next(iter(self._mapped)))  # mapped longest ago
                self._mapped[number] = np.load(self._files[number], mmap_mode="r")
            return self._mapped[number]
