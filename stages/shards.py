"""Arrays on disk (.npy files) as one array of rows; a row is read when it is asked for."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

OPEN = 1024  # files that stay mapped at once; systems allow some ten thousands

Array = npt.NDArray[Any]
Numbers = npt.NDArray[np.int64]


class Sharded:
    """Rows of memory-mapped files, in any order; `[…]` copies those of a slice, an array of numbers, or one.

    It travels to other processes as the files' paths.
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
        found = np.empty((*file.shape, *self.shape[1:]), self.dtype)
        for number in np.unique(file):
            inside = file == number
            found[inside] = self._map(int(number))[row[inside]]
        return found

    def __iter__(self) -> Iterator[Array]:
        return (self[number] for number in range(len(self)))

    def __reduce__(self) -> tuple[type["Sharded"], tuple[Any, ...]]:
        return Sharded, (self._files, self._file, self._row)

    def take(self, rows: slice | Numbers) -> "Sharded":
        """Return some of the rows, still on disk."""
        return Sharded(self._files, self._file[rows], self._row[rows])

    def _map(self, number: int) -> Array:
        """Return a file's array; of many files those mapped longest ago are let go."""
        with self._lock:
            if number not in self._mapped:
                if len(self._mapped) >= OPEN:
                    self._mapped.pop(next(iter(self._mapped)))
                self._mapped[number] = np.load(self._files[number], mmap_mode="r")
            return self._mapped[number]
