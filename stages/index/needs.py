"""What an index needs, said before it is made: bytes on disk, and of memory where it answers."""

import shutil
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from stages.config.schema import Index
from stages.core.console import console
from stages.core.errors import UserError, nearest_existing
from stages.index.conditional.approximate import lists_of
from stages.index.conditional.stored import allowed
from stages.index.records import Columns, lines, thumb
from stages.preprocess.store import Everything

SAMPLED = 32  # pictures and rows of metadata whose size stands for the others'
MATCH = 8  # bytes of a match as Parquet packs it, about
NUMBER = 8  # bytes of an id, an offset or a position

Needs = dict[str, dict[str, int]]


def needs(config: Index, everything: Everything, resize: str, table: Columns, dimension: int, network: Path) -> Needs:
    """Return the bytes that an index takes: on disk, by part, and in memory, mapped from disk or resident.

    Those of metadata, thumbnails and matches are estimates from a sample.
    """
    count, row = len(everything), 4 * dimension
    lists = lists_of(count, config.approximate.lists) if config.mode == "approximate" else 0
    sampled = np.linspace(0, count - 1, min(count, SAMPLED)).astype(np.int64)
    pairs = zip(everything.images[sampled], everything.sizes[sampled], strict=True)
    small = (thumb(picture, size, resize, config.thumbnail) for picture, size in pairs)
    matched = sum(
        min(config.matches.top_k, many) for column in config.partition_by for many in table.counts(column).values()
    )
    disk = {
        "vectors": count * row,
        "lists": (count * (row + NUMBER) + lists * row) if lists else 0,
        "rows": count * (3 * NUMBER + 4 * len(table)) + table.nbytes,
        "metadata": mean(map(len, lines(everything.metadata.take(sampled)))) * count,
        "thumbnails": mean(map(len, small)) * count,
        "matches": count * matched * MATCH,
        "featuriser": sum(file.stat().st_size for file in network.glob("model.*")),
        "feature cache": count * row,
    }
    beside = disk["rows"] + disk["featuriser"]
    return {"disk": disk, "memory": {"vectors": disk["vectors"], "lists": disk["lists"], "beside": beside}}


def mean(sizes: Iterable[int]) -> int:
    """Return the mean of some sizes, rounded up."""
    known = list(sizes)
    return -(-sum(known) // max(1, len(known)))


def tell(name: str, found: Needs, memory_mb: int) -> None:
    """Print what an index needs."""
    disk, memory = found["disk"], found["memory"]
    mapped = (memory["vectors"], memory["lists"])
    most = allowed(memory_mb, sum(mapped))
    held = sum(mapped) if most is None else min(sum(mapped), most)
    console.print(
        f"{name} needs {readable(sum(disk.values()))} on disk ({parts(disk)}); where it answers, {readable(held)} of "
        f"memory for {readable(sum(mapped))} mapped from disk, and {readable(memory['beside'])} beside"
    )


def refuse_small(name: str, found: Needs, folder: Path) -> None:
    """Raise a UserError where the disk has not the room for an index; a former one stays until the new one is whole."""
    free, disk = shutil.disk_usage(nearest_existing(folder)).free, found["disk"]
    if sum(disk.values()) > free:
        raise UserError(
            f"indexes.{name}: needs {readable(sum(disk.values()))} on disk ({parts(disk)}), {readable(free)} are free "
            f"in {folder.parent}; make room, or set indexes.{name}.matches.top_k=0 or a smaller "
            f"indexes.{name}.thumbnail"
        )


def parts(disk: dict[str, int]) -> str:
    """Return what takes a hundredth of the whole or more, the largest first."""
    whole = sum(disk.values())
    large = sorted((part for part in disk.items() if 100 * part[1] >= whole), key=lambda part: -part[1])
    return ", ".join(f"{part} {readable(size)}" for part, size in large)


def readable(size: int) -> str:
    """Return bytes as people say them."""
    return f"{size / 2**30:,.1f} GB" if size >= 2**30 else f"{max(size, 2**20) / 2**20:,.0f} MB"
