"""From an archive's entries to the packed store: decoded shard by shard, then split.

Threads, not processes, within a shard: Pillow and hashlib work outside Python's lock, and no picture is copied.
"""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.config.schema import Preprocess
from stages.core.archive import ArchiveReader, Entry, Unreadable
from stages.core.concurrency import Advance, Executor, LocalExecutor, map_ordered
from stages.core.files import atomic_file
from stages.core.image import Pixels, Undecodable, header, load_rgb
from stages.core.image import resize as fit
from stages.preprocess.split import assign, leaks
from stages.preprocess.store import IMAGES, MANIFEST, SCHEMA, Writer

AHEAD = 8


@dataclass(frozen=True)
class Picture:
    """A decoded entry, or why there is none."""

    pixels: Pixels | None
    sha256: str | None = None
    width: int = 0
    height: int = 0
    dropped: str | None = None


@dataclass(frozen=True)
class Shard:
    """Adjacent entries, and the number of their shard."""

    number: int
    entries: list[Entry]

    def __len__(self) -> int:
        return len(self.entries)


@dataclass(frozen=True)
class Packer:
    """Writes a shard: its pictures, and its slice of the manifest but for the split, which follows from all of them."""

    folder: Path
    size: int
    resize: str
    reader: ArchiveReader = field(default_factory=ArchiveReader, compare=False)

    def __call__(self, shard: Shard, threads: int, advance: Advance) -> None:
        """Decode, resize and hash a shard's entries on so many threads."""
        images = self.folder / IMAGES.format(shard.number)
        decode = partial(picture, self.reader, self.size, self.resize)
        with ThreadPoolExecutor(threads) as pool, atomic_file(images) as scratch, Writer(scratch, self.size) as writer:
            rows = []
            found = map_ordered(pool, decode, shard.entries, AHEAD * threads)
            for entry, one in zip(shard.entries, found, strict=True):
                rows.append(row(entry, one, None if one.pixels is None else writer.append(one.pixels)))
                advance(1)
        write_manifest(self.folder, shard.number, pa.Table.from_pylist(rows, schema=SCHEMA))


def picture(reader: ArchiveReader, size: int, resize: str, entry: Entry) -> Picture:
    """Decode and resize an entry, unless its layout does not want it."""
    sha256 = None
    try:
        data = reader.read(entry)
        sha256 = hashlib.sha256(data).hexdigest()
        if entry.unwanted:
            return Picture(None, sha256, dropped=entry.remark)
        image = header(data)
        width, height = image.size
        return Picture(np.asarray(fit(load_rgb(image, size), size, resize)), sha256, width, height)
    except (Unreadable, Undecodable) as error:
        return Picture(None, sha256, dropped=entry.remark if entry.unwanted else str(error))


def row(entry: Entry, found: Picture, place: int | None) -> dict[str, Any]:
    """Return a picture's row of the manifest."""
    known: dict[str, Any] = {
        "path": entry.path,
        "label": entry.label,
        "sha256": found.sha256,
        "remark": entry.remark,
        "dropped": found.dropped,
    }
    return known if place is None else known | {"row": place, "width": found.width, "height": found.height}


def pack(entries: list[Entry], config: Preprocess, folder: Path, engine: Executor | None = None) -> pa.Table:
    """Write the store's shards into the folder and return the whole manifest, in the order of the archive."""
    for layout in (IMAGES, MANIFEST):
        (folder / layout).parent.mkdir()
    packer = Packer(folder, config.size, config.resize)
    pieces = [Shard(number, part) for number, part in enumerate(parts(entries, config.shard_size))]
    with closing(packer.reader):
        for _ in (engine or LocalExecutor()).map("packing", packer, pieces):
            pass
    return split(entries, config, folder, len(pieces))


def parts(entries: list[Entry], most: int) -> Iterator[list[Entry]]:
    """Yield adjacent entries, at most so many; where a part ends depends on names, not on how many come before."""
    start = 0
    for place, entry in enumerate(entries):
        if place > start and (place - start == most or begins(entry.path, most)):
            yield entries[start:place]
            start = place
    yield entries[start:]


def begins(path: str, most: int) -> bool:
    """Return whether a shard of at most so many pictures begins with one of this path: every (most / 2)th does."""
    drawn = hashlib.blake2b(path.encode(errors="surrogateescape"), digest_size=8).digest()
    return int.from_bytes(drawn) % max(1, most // 2) == 0


def split(entries: list[Entry], config: Preprocess, folder: Path, count: int) -> pa.Table:
    """Write into each of `count` slices of the manifest which split its pictures are in; return them as one."""
    slices = [pq.read_table(folder / MANIFEST.format(number)) for number in range(count)]
    whole = pa.concat_tables(slices)
    labels = [None if entry.unwanted else entry.label for entry in entries]
    published = [None if entry.unwanted else entry.split for entry in entries]
    digests = [sha or "" for sha in whole["sha256"].to_pylist()]
    whole = without(whole, leaks(digests, labels, published))
    splits = assign(digests, labels, config.split, config.seed, published)
    kept = whole["row"].is_valid()
    whole = put(whole, "split", [name if here else None for name, here in zip(splits, kept.to_pylist(), strict=True)])
    start = 0
    for number, part in enumerate(slices):
        write_manifest(folder, number, whole.slice(start, len(part)))
        start += len(part)
    return whole


def without(manifest: pa.Table, found: list[str | None]) -> pa.Table:
    """Return a manifest without the pictures that leak into another split; their pixels stay, and nobody's row."""
    if not any(found):
        return manifest
    rows = manifest.to_pylist()
    gone = {"row": None, "width": None, "height": None}
    left = [
        one if why is None or one["row"] is None else one | gone | {"dropped": why}
        for one, why in zip(rows, found, strict=True)
    ]
    return pa.Table.from_pylist(left, schema=SCHEMA)


def put(table: pa.Table, name: str, values: list[str | None]) -> pa.Table:
    """Return a table with another column of strings in the place of one."""
    return table.set_column(table.schema.get_field_index(name), name, pa.array(values, pa.string()))


def write_manifest(folder: Path, number: int, rows: pa.Table) -> None:
    """Write a shard's slice of the manifest: a row for every picture that was published, kept or dropped."""
    with atomic_file(folder / MANIFEST.format(number)) as scratch:
        pq.write_table(rows, scratch)
