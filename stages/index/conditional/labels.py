"""What the rows are called: a line of sorted labels for each column, read when first asked for."""

import json
import mmap
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from stages.core.errors import suggest
from stages.index.conditional.where import Among, UnknownColumn, UnknownLabel

FILE, OFFSETS = "labels.jsonl", "labels.offsets.npy"
NEAREST = 3  # labels that an unknown one may have meant
COMPARED = 500  # labels on either side of an unknown one that are compared with it

Codes = npt.NDArray[np.int32]
Keep = npt.NDArray[np.bool_]


class Labels(Mapping[str, list[str]]):
    """Column → its sorted labels; a label's number is its place in the list."""

    def __init__(self, folder: Path, columns: Sequence[str]) -> None:
        self._columns = {column: number for number, column in enumerate(columns)}
        self._read: dict[str, list[str]] = {}
        self._ends: npt.NDArray[np.int64] = np.load(folder / OFFSETS)
        if len(self._ends) != len(columns) + 1:
            raise ValueError(f"{folder / OFFSETS}: {len(self._ends) - 1} columns, index.json has {len(columns)}")
        with (folder / FILE).open("rb") as file:
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if columns else b""

    def save(self, folder: Path) -> None:
        """Write the same labels to another folder."""
        (folder / FILE).write_bytes(self._bytes)
        np.save(folder / OFFSETS, self._ends)

    def __getitem__(self, column: str) -> list[str]:
        if column not in self._read:
            number = self._columns[column]
            self._read[column] = json.loads(self._bytes[self._ends[number] : self._ends[number + 1]])
        return self._read[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def number(self, column: str) -> int:
        """Return a column's number, or raise UnknownColumn."""
        if column not in self._columns:
            raise UnknownColumn(f"unknown column {column!r}{suggest(column, self._columns)}")
        return self._columns[column]

    def table(self, condition: Among) -> Keep:
        """Return for each label of the condition's column whether it is among its labels, or raise UnknownLabel."""
        self.number(condition.column)
        known = self[condition.column]
        table = np.zeros(len(known), dtype=np.bool_)
        for label in condition.labels:
            place = bisect_left(known, label)
            if place == len(known) or known[place] != label:
                near = known if len(known) <= 2 * COMPARED else known[max(0, place - COMPARED) : place + COMPARED]
                raise UnknownLabel(f"{condition.column}: unknown label {label!r}{suggest(label, near, NEAREST)}")
            table[place] = True
        return table


def encode(values: Sequence[str]) -> tuple[list[str], Codes]:
    """Return the sorted labels that occur and each value's number among them (int32)."""
    labels = sorted(set(values))
    numbers = {label: number for number, label in enumerate(labels)}
    return labels, np.fromiter((numbers[value] for value in values), dtype=np.int32, count=len(values))


def write(folder: Path, labels: Mapping[str, list[str]]) -> None:
    """Write the labels of every column, a line each, and where each line begins."""
    lines = [json.dumps(names, ensure_ascii=False).encode() + b"\n" for names in labels.values()]
    (folder / FILE).write_bytes(b"".join(lines))
    np.save(folder / OFFSETS, np.cumsum([0, *map(len, lines)], dtype=np.int64))
