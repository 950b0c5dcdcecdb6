"""An index folder, opened: what searches read, memory-mapped."""

import json
import math
import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from stages.files import write_json
from stages.index.conditional.generation import DESCRIPTION
from stages.index.conditional.labels import Labels
from stages.index.conditional.queries import Positions, Vectors
from stages.index.conditional.rows import Rows

VECTORS, IDS, CODES, BLOCKS = "vectors.npy", "ids.npy", "codes.npy", "blocks.npy"


class Stored:
    """Vectors (float32, N x D) and ids (int64, N) in block order, their labels, and what index.json says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.about: dict[str, Any] = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
        self.columns: list[str] = self.about["columns"]
        self.blocks: list[str] = self.about["blocks"]
        self.count, self.dimension = int(self.about["count"]), int(self.about["dimension"])
        self.largest = float(self.about["largest_norm"])
        self.vectors: Vectors = mapped(folder / VECTORS, (self.count, self.dimension))
        self.ids: Positions = mapped(folder / IDS, (self.count,))
        self.labels = Labels(folder, self.columns)
        self._codes = mapped(folder / CODES, (self.count, len(self.columns)))
        self._starts: Positions = np.load(folder / BLOCKS)
        self.rows = Rows(self._codes, self.labels, self.blocks, self._starts)

    def save(self, folder: Path) -> None:
        """Write the same files to an empty folder, whatever has become of this one."""
        arrays: dict[str, npt.NDArray[Any]] = {VECTORS: self.vectors, IDS: self.ids, CODES: self._codes}
        for name, array in (arrays | {BLOCKS: self._starts}).items():
            np.save(folder / name, array)
        self.labels.save(folder)
        write_json(folder / DESCRIPTION, self.about)


def mapped(file: Path, shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Open an array, memory-mapped; raise ValueError where it is not of that shape."""
    with file.open("rb") as opened:  # once: np.load would open it a second time, when it may be another
        np.lib.format.read_magic(opened)
        found, fortran, dtype = np.lib.format.read_array_header_1_0(opened)
        begin = opened.tell()
        if found != shape:
            raise ValueError(f"{file}: shape {found}, {DESCRIPTION} says {shape}")
        if opened.seek(0, os.SEEK_END) < begin + dtype.itemsize * math.prod(shape):
            raise ValueError(f"{file}: cut short; make the index again")
        order: Literal["F", "C"] = "F" if fortran else "C"
        return np.asarray(np.memmap(opened, dtype, "r", begin, shape, order))
