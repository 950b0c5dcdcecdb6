"""An index folder, opened: what searches read, memory-mapped."""

import json
import math
import os
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from stages.core.files import write_json
from stages.core.system import total_memory
from stages.index.conditional.generation import DESCRIPTION
from stages.index.conditional.labels import Labels
from stages.index.conditional.pages import Budget, Filed, Matrix
from stages.index.conditional.queries import Positions, Vectors
from stages.index.conditional.rows import Rows

VECTORS, IDS, CODES, BLOCKS = "vectors.npy", "ids.npy", "codes.npy", "blocks.npy"
LISTS = "faiss.index"  # of an approximate index
COPIED = 4096  # rows at a time
SHARE = 0.5  # of the machine's memory that vectors may fill where nothing else is said


class Stored:
    """Vectors (float32, N x D) and ids (int64, N) in block order, their labels, and what index.json says."""

    def __init__(self, folder: Path, memory_mb: int | None = None) -> None:
        self.folder = folder
        self.about: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        self.columns: list[str] = self.about["columns"]
        self.blocks: list[str] = self.about["blocks"]
        self.count, self.dimension = int(self.about["count"]), int(self.about["dimension"])
        self.largest = float(self.about["largest_norm"])
        vectors = mapped(folder / VECTORS, (self.count, self.dimension))
        lists = (folder / LISTS).stat().st_size if (folder / LISTS).exists() else 0
        most = allowed(self.about.get("memory_mb", 0) if memory_mb is None else memory_mb, vectors.nbytes + lists)
        self.budget = None if most is None else Budget(most)
        self.vectors: Matrix = vectors if self.budget is None else bounded(vectors, folder / VECTORS, self.budget)
        self.ids: Positions = mapped(folder / IDS, (self.count,))
        self.labels = Labels(folder, self.columns)
        self._codes = mapped(folder / CODES, (self.count, len(self.columns)))
        self._starts: Positions = np.load(folder / BLOCKS)
        self.rows = Rows(self._codes, self.labels, self.blocks, self._starts)

    def save(self, folder: Path) -> None:
        """Write the same files to an empty folder, whatever has become of this one."""
        for name, array in {IDS: self.ids, CODES: self._codes, BLOCKS: self._starts}.items():
            np.save(folder / name, array)
        self._save_vectors(folder / VECTORS)
        self.labels.save(folder)
        write_json(folder / DESCRIPTION, self.about)

    def _save_vectors(self, file: Path) -> None:
        with file.open("wb") as out:
            head = {"descr": "<f4", "fortran_order": False, "shape": (self.count, self.dimension)}
            np.lib.format.write_array_header_1_0(out, head)
            for start in range(0, self.count, COPIED):
                out.write(np.ascontiguousarray(self.vectors[start : start + COPIED]).data)


def allowed(memory_mb: int, size: int) -> int | None:
    """Return how many bytes of vectors and lists stay in memory at once, None for all; 0 MiB: what the machine has."""
    if memory_mb:
        return memory_mb << 20 if size > memory_mb << 20 else None
    has = total_memory()
    return None if has is None or size <= SHARE * has else int(SHARE * has)


def mapped(file: Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Open an array, memory-mapped; raise ValueError where it is not of that shape."""
    with file.open("rb") as opened:  # once: np.load would open it a second time, when it may be another
        found, fortran, dtype = header(opened)
        begin = opened.tell()
        if found != shape:
            raise ValueError(f"{file}: shape {found}, {DESCRIPTION} says {shape}")
        if opened.seek(0, os.SEEK_END) < begin + dtype.itemsize * math.prod(shape):
            raise ValueError(f"{file}: cut short; make the index again")
        order: Literal["F", "C"] = "F" if fortran else "C"
        return np.asarray(np.memmap(opened, dtype, "r", begin, shape, order))


def header(opened: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read an array's shape, order and type, up to where its numbers begin."""
    np.lib.format.read_magic(opened)
    return np.lib.format.read_array_header_1_0(opened)


def bounded(vectors: Vectors, file: Path, budget: Budget) -> Filed:
    """Return a file's vectors within a budget."""
    with file.open("rb") as opened:
        header(opened)
        return Filed(vectors, budget, file, opened.tell())
