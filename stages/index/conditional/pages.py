"""Memory-mapped rows that stay within a budget: what was read is given back to the system, which reads it again."""

import mmap
import os
import weakref
from collections.abc import Iterator
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Positions = npt.NDArray[np.int64]

AROUND = 64 << 10  # bytes that the system maps around a row that is read alone, at least
HELD = 64 << 20  # bytes that a build keeps of what passes through it: pictures, features


class Matrix(Protocol):
    """Rows that may lie on disk: a shape, and some of them by a slice or an array of positions (int64)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return N and D."""
        ...

    def __getitem__(self, rows: Any, /) -> npt.NDArray[Any]: ...


class Budget:
    """Bytes of memory that mapped rows may fill; once so many were read, all are given back. Shared by threads."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._shared: list[Any] = []
        self._lock, self._read = Lock(), 0

    def share(self, rows: Any) -> None:
        """Let one more array, map, or holder of several live from this budget."""
        self._shared.append(rows)

    def spend(self, size: int) -> None:
        """Say that so many bytes are about to be read."""
        with self._lock:
            self._read += size
            if self._read <= self.most:
                return
            self._read = size
        for rows in self._shared:
            release(rows)


class Bounded:
    """Rows that lie on disk, memory-mapped, and fill no more memory than a budget allows."""

    def __init__(self, rows: Any, budget: Budget) -> None:
        self.shape: tuple[int, ...] = rows.shape
        self._rows, self._budget = rows, budget
        self._row, self._dtype = rows[:1].nbytes, rows[:1].dtype
        budget.share(rows)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> npt.NDArray[Any]:
        if isinstance(rows, slice):
            self._budget.spend(len(range(*rows.indices(len(self)))) * self._row)
            found: npt.NDArray[Any] = self._rows[rows]
            return found
        positions = np.asarray(rows)
        taken = np.empty((positions.size, *self.shape[1:]), self._dtype)
        self._take(positions.ravel(), taken)
        return taken.reshape(*positions.shape, *self.shape[1:])

    def _take(self, positions: Positions, taken: npt.NDArray[Any]) -> None:
        """Copy single rows, as many at a time as the budget has room for."""
        each = self._row + AROUND
        step = max(1, self._budget.most // each)
        for start in range(0, len(positions), step):
            some = positions[start : start + step]
            self._budget.spend(len(some) * each)
            taken[start : start + step] = self._rows[some]


class Filed(Bounded):
    """Rows of one file: single ones are read, as a map would bring up to half a megabyte with each."""

    def __init__(self, rows: Any, budget: Budget, file: Path, begin: int) -> None:
        super().__init__(rows, budget)
        self._file, self._begin = os.open(file, os.O_RDONLY), begin
        weakref.finalize(self, os.close, self._file)

    def _take(self, positions: Positions, taken: npt.NDArray[Any]) -> None:
        places = self._begin + positions % len(self) * self._row
        for row, place in zip(taken, places.tolist(), strict=True):
            if os.preadv(self._file, [row], place) != row.nbytes:
                raise OSError(f"the file of the vectors was cut short at byte {place}; make the index again")


def release(rows: Any) -> None:
    """Give back the pages of a map, of an array on one, or of all arrays that something holds; who reads on, may."""
    for pages in list(maps(rows)):
        pages.madvise(mmap.MADV_DONTNEED)


def maps(rows: Any) -> Iterator[mmap.mmap]:
    """Yield the maps under an array, or under those that an object has, in lists or dictionaries."""
    while isinstance(rows, np.ndarray | memoryview):
        rows = rows.base if isinstance(rows, np.ndarray) else rows.obj
    if isinstance(rows, mmap.mmap):
        yield rows
    for held in getattr(rows, "__dict__", {}).values():
        for array in list(held.values() if isinstance(held, dict) else held) if isinstance(held, dict | list) else ():
            yield from maps(array)
