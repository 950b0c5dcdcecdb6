"""From an archive's entries to the packed store: hashed, split, decoded on all cores, written in order."""

import hashlib
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from stages.console import progress
from stages.errors import UserError
from stages.fetch.archive import Entry, Reader, Unreadable
from stages.machine import cores
from stages.preprocess.decode import Pixels, Resize, Undecodable, decode, fit, header
from stages.preprocess.split import NAMES, UNLABELLED, assign
from stages.preprocess.store import Writer
from stages.schema import Preprocess

CHUNK = 32
CHUNK_BYTES = 8 * 2**20
T = TypeVar("T")
R = TypeVar("R")

READER = Reader()


@dataclass(frozen=True)
class Picture:
    """A decoded entry, or why there is none."""

    pixels: Pixels | None
    width: int = 0
    height: int = 0
    dropped: str | None = None


def digests(entries: Sequence[Entry]) -> list[str | None]:
    """Return the SHA-256 of each entry's bytes, None where they cannot be read."""
    found: list[str | None] = []
    for entry in entries:
        try:
            found.append(hashlib.sha256(READER.read(entry)).hexdigest())
        except Unreadable:
            found.append(None)
    return found


def pictures(job: tuple[Sequence[Entry], int, Resize]) -> list[Picture]:
    """Decode and resize entries."""
    entries, size, resize = job
    return [picture(entry, size, resize) for entry in entries]


def picture(entry: Entry, size: int, resize: Resize) -> Picture:
    """Decode and resize one entry."""
    import numpy as np

    try:
        data = READER.read(entry)
        width, height = header(data).size
        image = decode(data, size)
    except (Unreadable, Undecodable) as error:
        return Picture(None, dropped=str(error))
    return Picture(np.asarray(fit(image, size, resize)), width, height)


def workers(wanted: int) -> int:
    """Return how many processes to use; 0 asks for one for each core."""
    return wanted or cores()


def chunks(items: Sequence[T], size: int = 1) -> list[Sequence[T]]:
    """Cut a sequence into pieces that are worth a trip to another process, and small as size x size pictures."""
    step = max(1, min(CHUNK, CHUNK_BYTES // (3 * size * size)))
    return [items[start : start + step] for start in range(0, len(items), step)]


def ordered(pool: Executor, function: Callable[[T], R], jobs: Iterable[T], ahead: int) -> Iterator[R]:
    """Yield function(job) in order, with at most `ahead` jobs under way: a slow reader bounds the memory."""
    waiting: deque[Future[R]] = deque()
    for job in jobs:
        waiting.append(pool.submit(function, job))
        if len(waiting) >= ahead:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def pack(entries: list[Entry], config: Preprocess, folder: Path) -> list[dict[str, Any]]:
    """Write `<split>.npy` into the folder and return the manifest's rows, in the order of the archive."""
    try:
        return pack_all(entries, config, folder)
    except BrokenProcessPool as error:
        raise UserError(
            "preprocess: a decoding process was killed, mostly for want of memory; "
            "try fewer of them: datasets.<name>.preprocess.workers=1"
        ) from error


def pack_all(entries: list[Entry], config: Preprocess, folder: Path) -> list[dict[str, Any]]:
    """Hash, split, decode and write."""
    count = workers(config.workers)
    context = multiprocessing.get_context("forkserver")
    with ProcessPoolExecutor(count, context) as pool, progress() as bar:
        hashed = hash_all(pool, entries, bar, 3 * count)
        splits = assign([sha or "" for sha in hashed], [entry.label for entry in entries], config.split, config.seed)
        with ExitStack() as stack:
            names = (*NAMES, *([UNLABELLED] if UNLABELLED in splits else []))
            writers = {name: stack.enter_context(Writer(folder / f"{name}.npy", config.size)) for name in names}
            jobs = ((chunk, config.size, config.resize) for chunk in chunks(entries, config.size))
            task = bar.add_task("packing", total=len(entries))
            rows: list[dict[str, Any]] = []
            for batch in ordered(pool, pictures, jobs, 3 * count):  # type: ignore[arg-type]
                for found in batch:
                    place = len(rows)
                    rows.append(write(found, entries[place], splits[place], hashed[place], writers))
                bar.advance(task, len(batch))
    return rows


def hash_all(pool: Executor, entries: list[Entry], bar: Any, ahead: int) -> list[str | None]:
    """Return every entry's SHA-256."""
    task = bar.add_task("hashing", total=len(entries))
    found: list[str | None] = []
    for batch in ordered(pool, digests, chunks(entries), ahead):
        found += batch
        bar.advance(task, len(batch))
    return found


def write(found: Picture, entry: Entry, split: str, sha256: str | None, writers: dict[str, Writer]) -> dict[str, Any]:
    """Append a picture to its split and return its row of the manifest."""
    row: dict[str, Any] = {"path": entry.path, "label": entry.label, "sha256": sha256, "dropped": found.dropped}
    if found.pixels is None:
        return row
    place = writers[split].append(found.pixels)
    return row | {"split": split, "row": place, "width": found.width, "height": found.height}
