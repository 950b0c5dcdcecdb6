"""The feature cache: what a network that no longer changes says of an image, computed once, found again by content.

A folder holds the features of one network in shards: `<number>.npy` (float32, N x …), then `<number>.keys.npy`;
without its keys a shard is not there. So a killed process loses one shard at most.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from stages.core.arrays import Array, Indices, ShardedArray
from stages.core.concurrency import Advance, Executor, LocalExecutor, map_ordered
from stages.core.files import atomic_file
from stages.core.system import cpu_count
from stages.core.workspace import project_root

HOME = "data/cache/features"
BATCH = 64
SHARD_BYTES = 64 * 2**20
KEY = np.dtype("S16")
FLOAT = 4  # bytes

Keys = npt.NDArray[np.bytes_]
Featurise = Callable[[Indices], Array]
ALONE = LocalExecutor(1)  # a network in PyTorch has threads of its own


def home(key: str, probe: Array) -> Path:
    """Return the folder of the network that a key names and that says this of a fixed picture.

    What it says tells apart what no name shows, an option of the network say.
    """
    for number in count():
        folder = project_root() / HOME / (f"{key}-{number}" if number else key)
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock"):
            if agrees(folder / "probe.npy", probe):
                return folder
    raise AssertionError("a count has no end")


def agrees(file: Path, probe: Array) -> bool:
    """Return whether a folder's probe is this one; the first to come leaves its own, if nothing else is there."""
    if not file.exists():
        if any(file.parent.glob("[0-9]*.npy")):
            return False
        save(file, probe)
    known = np.load(file)
    return known.shape == probe.shape and np.allclose(known, probe, rtol=1e-4, atol=1e-6)


def save(target: Path, array: Array) -> None:
    """Write an array beside its place and rename it into it."""
    with atomic_file(target) as scratch, scratch.open("wb") as file:
        np.save(file, array)


def image_keys(images: Iterable[Array]) -> Keys:
    """Return the key of every image (N x H x W x 3): a hash of its pixels."""
    with ThreadPoolExecutor(cpu_count()) as pool:
        return np.array(list(map_ordered(pool, key_of, images, 8 * cpu_count())), KEY)


def key_of(*parts: Array | bytes) -> bytes:
    """Return the key that follows from these parts."""
    found = hashlib.blake2b(digest_size=KEY.itemsize)
    for part in parts:
        found.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
    return found.digest()


@dataclass(frozen=True)
class Shard:
    """A file of features and the keys of its rows."""

    file: Path
    keys: Keys


def shard_of(file: Path) -> Shard | None:
    """Return the shard of a file of keys; None where one of its two files is gone or damaged."""
    features = file.with_name(file.name.replace(".keys", ""))
    try:
        keys = np.load(file)
        whole = len(keys) == len(np.load(features, mmap_mode="r"))
    except (OSError, ValueError, EOFError):
        return None
    return Shard(features, keys) if whole else None


@dataclass(frozen=True)
class Missing:
    """What one more shard is to hold: keys, and where they stand among those that are asked for."""

    number: int
    positions: Indices
    keys: Keys

    def __len__(self) -> int:
        return len(self.positions)


@dataclass(frozen=True)
class Writer:
    """Writes a shard; batches side by side, each the same whoever computes it."""

    folder: Path
    featurise: Featurise = field(compare=False)

    def __call__(self, missing: Missing, threads: int, advance: Advance) -> None:
        """Compute the features of what is missing, a batch to each thread."""
        starts = range(0, len(missing), BATCH)
        with ThreadPoolExecutor(threads) as pool:
            parts = []
            batches = (missing.positions[start : start + BATCH] for start in starts)
            for part in map_ordered(pool, self.featurise, batches, 2 * threads):
                parts.append(part)
                advance(len(part))
        save(self.folder / f"{missing.number:06d}.npy", np.concatenate(parts))
        save(self.folder / f"{missing.number:06d}.keys.npy", missing.keys)


class Cache:
    """The shards of one folder; `width` is how many numbers a feature has."""

    def __init__(self, folder: Path, width: int) -> None:
        self.folder = folder
        self.rows_each = max(1, SHARD_BYTES // (BATCH * FLOAT * width)) * BATCH

    def rows(self, keys: Keys, featurise: Featurise, words: str, engine: Executor = ALONE) -> ShardedArray:
        """Return the features of every key; `featurise` is asked for those that are not there, by their positions.

        Processes that want the same ones wait for the first. `words` names the progress.
        """
        with FileLock(self.folder / ".lock"):
            known = [np.empty(0, KEY), *(shard.keys for shard in self._shards())]
            missing = self._missing(unknown(keys, np.concatenate(known)), keys)
            for _ in engine.map(words, Writer(self.folder, featurise), missing):
                pass
            return locate(keys, self._shards())

    def _shards(self) -> list[Shard]:
        found = (shard_of(file) for file in sorted(self.folder.glob("[0-9]*.keys.npy")))
        return [shard for shard in found if shard is not None]

    def _missing(self, positions: Indices, keys: Keys) -> list[Missing]:
        """Return the shards to come; their numbers follow those that are there."""
        last = max((int(file.name.partition(".")[0]) for file in self.folder.glob("[0-9]*.npy")), default=-1)
        starts = range(0, len(positions), self.rows_each)
        parts = [positions[start : start + self.rows_each] for start in starts]
        return [Missing(number, part, keys[part]) for number, part in enumerate(parts, last + 1)]


def locate(keys: Keys, shards: Sequence[Shard]) -> ShardedArray:
    """Return where the features of these keys lie, of those shards only that hold some."""
    sizes = [len(shard.keys) for shard in shards]
    number = np.repeat(np.arange(len(shards)), sizes)
    row = np.concatenate([np.arange(size) for size in sizes])
    everything = np.concatenate([shard.keys for shard in shards])
    order = np.argsort(everything, kind="stable")
    place = order[np.minimum(np.searchsorted(everything, keys, sorter=order), len(order) - 1)]
    lost = int((everything[place] != keys).sum())
    if lost:
        raise OSError(
            f"{lost} of {len(keys)} features are not among those that were written; is the disk a shared one?"
        )
    used, which = np.unique(number[place], return_inverse=True)
    return ShardedArray([shards[index].file for index in used], which, row[place])


def unknown(keys: Keys, known: Keys) -> Indices:
    """Return where keys that are not known stand for the first time."""
    _, first = np.unique(keys, return_index=True)
    first.sort()
    return np.asarray(first[~np.isin(keys[first], known)], np.int64)
