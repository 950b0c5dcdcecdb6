"""An index folder: the searchable vectors, and for every id its metadata and a small picture."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.index.conditional import ApproximateIndex, ConditionalIndex, UnknownLabel, among
from stages.index.conditional.generation import consistent
from stages.index.conditional.stored import LISTS

METADATA, THUMBS = "metadata.jsonl", "thumbs.bin"
FEATURISER = "featuriser"


class Records:
    """Byte strings in one memory-mapped file, found by their numbers; `<stem>.offsets.npy` says where each lies."""

    def __init__(self, file: Path) -> None:
        self._offsets = np.load(offsets_of(file), mmap_mode="r")
        if self._offsets[-1] != file.stat().st_size:
            raise ValueError(f"{file}: {file.stat().st_size} bytes, {offsets_of(file).name} says {self._offsets[-1]}")
        self._bytes: npt.NDArray[np.uint8] = (
            np.memmap(file, np.uint8, "r") if file.stat().st_size else np.empty(0, np.uint8)
        )

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __getitem__(self, number: int) -> bytes:
        if not 0 <= number < len(self):
            raise IndexError(f"{number} is out of range; there are 0 to {len(self) - 1}")
        return self._bytes[self._offsets[number] : self._offsets[number + 1]].tobytes()


def offsets_of(file: Path) -> Path:
    """Return the file that says where the records of another begin."""
    return file.with_name(f"{file.stem}.offsets.npy")


def opened(folder: Path, threads: int) -> tuple[ConditionalIndex, Records, Records]:
    """Open an index folder's index, metadata and thumbnails."""
    kind = ApproximateIndex if (folder / LISTS).exists() else ConditionalIndex
    return kind(folder, threads), Records(folder / METADATA), Records(folder / THUMBS)


class Collection:
    """What can be searched: read-only, shared by threads; it stays readable when the folder is replaced."""

    def __init__(self, folder: Path | str, threads: int = 0) -> None:
        place = Path(folder)
        self.index, self._records, self._thumbs = consistent(place, lambda: opened(place, threads))
        self.about: dict[str, Any] = self.index.stored.about
        self.name: str = self.about["name"]
        self.columns: list[str] = self.about["columns"]
        self.blocks: list[str] = self.about["blocks"]
        self.show: list[str] = self.about["show"]
        self.noun: str = self.about["noun"]

    def __len__(self) -> int:
        return len(self._records)

    def metadata(self, id: int) -> dict[str, str]:  # noqa: A002  # as everywhere here: a row's number
        """Return column → value of an id, or raise IndexError."""
        found: dict[str, str] = json.loads(self._records[id])
        return found

    def thumbnail(self, id: int) -> bytes:  # noqa: A002
        """Return an id's small picture, a JPEG, or raise IndexError."""
        return self._thumbs[id]

    def find(self, key: str) -> int:
        """Return the id of what is published under a name, or raise KeyError."""
        column = self.about["id_column"]
        try:
            (found,) = self.index.ids(among(column, [key]))
        except UnknownLabel as error:
            raise KeyError(key) from error
        return int(found)

    @property
    def facets(self) -> dict[str, dict[str, int]]:
        """For every column of the blocks: label → how many there are."""
        found: dict[str, dict[str, int]] = self.about["facets"]
        return found
