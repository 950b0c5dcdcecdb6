"""From an archive's entries to the packed store: hashed, split, decoded on all cores, written in order.

Threads, not processes: Pillow and hashlib work outside Python's lock, and no picture is copied between processes.
"""

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from stages.console import progress
from stages.fetch.archive import Entry, Reader
from stages.fetch.members import Unreadable
from stages.machine import cores
from stages.parallel import ordered
from stages.preprocess.decode import Pixels, Undecodable, fit, header, render
from stages.preprocess.split import NAMES, UNLABELLED, assign, leaks
from stages.preprocess.store import Writer
from stages.schema import Preprocess

AHEAD = 8
TOGETHER = 32  # entries hashed by one task: a task of its own for each costs more than the hash of a small picture
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class Picture:
    """A decoded entry, or why there is none."""

    pixels: Pixels | None
    width: int = 0
    height: int = 0
    dropped: str | None = None


def hashes(reader: Reader, entries: list[Entry]) -> list[str | None]:
    """Return the SHA-256 of each entry's bytes, None where they cannot be read."""
    return [digest(reader, entry) for entry in entries]


def digest(reader: Reader, entry: Entry) -> str | None:
    """Return the SHA-256 of an entry's bytes, None where they cannot be read."""
    try:
        return hashlib.sha256(reader.read(entry)).hexdigest()
    except Unreadable:
        return None


def picture(reader: Reader, size: int, resize: str, entry: Entry) -> Picture:
    """Decode and resize an entry, unless its layout does not want it."""
    if entry.unwanted:
        return Picture(None, dropped=entry.remark)
    try:
        image = header(reader.read(entry))
        width, height = image.size
        return Picture(np.asarray(fit(render(image, size), size, resize)), width, height)
    except (Unreadable, Undecodable) as error:
        return Picture(None, dropped=str(error))


def pack(entries: list[Entry], config: Preprocess, folder: Path) -> list[dict[str, Any]]:
    """Write `<split>.npy` into the folder and return the manifest's rows, in the order of the archive."""
    labels = [None if entry.unwanted else entry.label for entry in entries]
    published = [None if entry.unwanted else entry.split for entry in entries]
    workers = config.workers or cores()
    reader = Reader()
    with ThreadPoolExecutor(workers) as pool, progress() as bar, ExitStack() as stack:

        def watched(name: str, function: Callable[[T], R], items: list[T], size: Callable[[R], int]) -> Iterator[R]:
            task = bar.add_task(name, total=len(entries))
            for found in ordered(pool, function, items, AHEAD * workers):
                yield found
                bar.advance(task, size(found))

        parts = [entries[start : start + TOGETHER] for start in range(0, len(entries), TOGETHER)]
        hashed = [sha for part in watched("hashing", partial(hashes, reader), parts, len) for sha in part]
        digests = [sha or "" for sha in hashed]
        splits = assign(digests, labels, config.split, config.seed, published)
        unlabelled = any(entry.label is None and not entry.unwanted for entry in entries)
        names = (*(NAMES if any(labels) else ()), *([UNLABELLED] if unlabelled else ()))
        writers = {name: stack.enter_context(Writer(folder / f"{name}.npy", config.size)) for name in names}
        found = watched("packing", partial(picture, reader, config.size, config.resize), entries, lambda _: 1)
        kept = map(without, found, leaks(digests, labels, published))
        return [write(*item, writers) for item in zip(kept, entries, splits, hashed, strict=True)]


def without(found: Picture, leak: str | None) -> Picture:
    """Return a picture, or that it is dropped because it leaks into another split."""
    return found if leak is None or found.pixels is None else Picture(None, dropped=leak)


def write(found: Picture, entry: Entry, split: str, sha256: str | None, writers: dict[str, Writer]) -> dict[str, Any]:
    """Append a picture to its split and return its row of the manifest."""
    row: dict[str, Any] = {
        "path": entry.path,
        "label": entry.label,
        "sha256": sha256,
        "remark": entry.remark,
        "dropped": found.dropped,
    }
    if found.pixels is None:
        return row
    place = writers[split].append(found.pixels)
    return row | {"split": split, "row": place, "width": found.width, "height": found.height}
