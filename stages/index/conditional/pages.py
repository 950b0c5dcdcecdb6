"""Memory-mapped rows that stay within a budget: what was read is given back to the system, which reads it again."""

import mmap
from collections.abc import Iterator
from threading import Lock
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

AROUND = 64 << 10  # bytes that the system maps around a row that is read alone


class Matrix(Protocol):
    """Rows that may lie on disk: a shape, and some of them by a slice or an array of positions (int64)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Return N and D."""
        ...

    def __getitem__(self, rows: Any, /) -> npt.NDArray[Any]: ...


class Budget:
    """Bytes that may be read from some maps before all their pages are given back; shared by threads."""

    def __init__(self, most: int, *maps: Any) -> None:
        self.most = most
        self._maps, self._lock, self._read = maps, Lock(), 0

    def spend(self, size: int) -> None:
        """Say that so many bytes are about to be read."""
        with self._lock:
            self._read += size
            if self._read <= self.most:
                return
            self._read = size
        for one in self._maps:
            release(one)


class Bounded:
    """Rows of a memory-mapped array, or of what holds several, that keep about `most` bytes of memory at once."""

    def __init__(self, rows: Any, most: int) -> None:
        self.shape: tuple[int, ...] = rows.shape
        self.nbytes = int(np.prod(self.shape)) * rows[:1].dtype.itemsize
        self._rows, self._budget = rows, Budget(most, rows)
        self._row = self.nbytes // max(1, len(self))

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Any) -> npt.NDArray[Any]:
        if isinstance(rows, slice):
            self._budget.spend(len(range(*rows.indices(len(self)))) * self._row)
        else:
            self._budget.spend(np.size(rows) * (self._row + AROUND))
        found: npt.NDArray[Any] = self._rows[rows]
        return found


def release(rows: Any) -> None:
    """Give back the pages of a memory-mapped array, or of all those that something holds; other memory is left alone.

    Who still reads them finds the same bytes there.
    """
    for pages in {id(found): found for found in maps(rows)}.values():
        pages.madvise(mmap.MADV_DONTNEED)


def maps(rows: Any) -> Iterator[mmap.mmap]:
    """Yield the maps under an array; else under those that an object has, alone or in lists."""
    if isinstance(rows, np.ndarray):
        while isinstance(rows, np.ndarray):
            rows = rows.base
        if isinstance(rows, mmap.mmap):
            yield rows
        return
    for held in vars(rows).values():
        several = held.values() if isinstance(held, dict) else held if isinstance(held, list) else [held]
        for array in list(several):
            if isinstance(array, np.ndarray):
                yield from maps(array)
