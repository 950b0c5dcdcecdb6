"""The feature cache: what a network that no longer changes says of an image, computed once, found again by content.

A folder holds the features of one network in shards: `<number>.npy` (float32, N x …), then `<number>.keys.npy`;
without its keys a shard is not there. So a killed process loses one shard at most.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock

from stages.config import project
from stages.console import track
from stages.files import atomic_file
from stages.machine import cores
from stages.parallel import ordered

HOME = "data/cache/features"
BATCH = 64
SHARD_BYTES = 64 * 2**20
KEY = np.dtype("S16")

Array = npt.NDArray[Any]
Keys = npt.NDArray[np.bytes_]
Positions = npt.NDArray[np.int64]
Featurise = Callable[[Positions], Array]


def home(key: str, probe: Array) -> Path:
    """Return the folder of the network that a key names and that says this of a fixed picture.

    What it says tells apart what no name shows, an option of the network say.
    """
    for number in count():
        folder = project() / HOME / (f"{key}-{number}" if number else key)
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
    with ThreadPoolExecutor(cores()) as pool:
        return np.array(list(ordered(pool, key_of, images, 8 * cores())), KEY)


def key_of(*parts: Array | bytes) -> bytes:
    """Return the key that follows from these parts."""
    found = hashlib.blake2b(digest_size=KEY.itemsize)
    for part in parts:
        found.update(part if isinstance(part, bytes) else np.ascontiguousarray(part).data)
    return found.digest()


class Rows:
    """Features in the order asked for; `rows[positions]` copies some of them from disk."""

    def __init__(self, shards: list[Array], shard: Positions, row: Positions) -> None:
        self._shards, self._shard, self._row = shards, shard, row
        self.dtype = shards[0].dtype
        self.shape = (len(row), *shards[0].shape[1:])

    def __len__(self) -> int:
        return len(self._row)

    def __getitem__(self, positions: slice | Positions) -> Array:
        shard, row = self._shard[positions], self._row[positions]
        found = np.empty((len(row), *self.shape[1:]), self.dtype)
        for number in np.unique(shard):
            inside = shard == number
            found[inside] = self._shards[number][row[inside]]
        return found

    def part(self, start: int, stop: int) -> "Rows":
        """Return the features from `start` up to `stop`, still on disk."""
        return Rows(self._shards, self._shard[start:stop], self._row[start:stop])


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


class Cache:
    """The shards of one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rows(self, keys: Keys, featurise: Featurise, words: str) -> Rows:
        """Return the features of every key; `featurise` is asked for those that are not there, by their positions.

        Processes that want the same ones wait for the first. `words` names the progress.
        """
        with FileLock(self.folder / ".lock"):
            known = [np.empty(0, KEY), *(shard.keys for shard in self._shards())]
            missing = unknown(keys, np.concatenate(known))
            if len(missing):
                self._add(missing, keys, featurise, words)
            return locate(keys, self._shards())

    def _shards(self) -> list[Shard]:
        found = (shard_of(file) for file in sorted(self.folder.glob("[0-9]*.keys.npy")))
        return [shard for shard in found if shard is not None]

    def _add(self, missing: Positions, keys: Keys, featurise: Featurise, words: str) -> None:
        held: list[Array] = []
        begun, starts = 0, range(0, len(missing), BATCH)
        for start in track(starts, len(starts), words):
            end = start + BATCH
            held.append(featurise(missing[start:end]))
            if sum(part.nbytes for part in held) >= SHARD_BYTES or end >= len(missing):
                self._write(keys[missing[begun:end]], np.concatenate(held))
                held, begun = [], end

    def _write(self, keys: Keys, features: Array) -> None:
        last = max((int(file.name.partition(".")[0]) for file in self.folder.glob("[0-9]*.npy")), default=-1)
        save(self.folder / f"{last + 1:06d}.npy", features)
        save(self.folder / f"{last + 1:06d}.keys.npy", keys)


def locate(keys: Keys, shards: Sequence[Shard]) -> Rows:
    """Return where the features of these keys lie; only the shards that hold some of them stay open."""
    sizes = [len(shard.keys) for shard in shards]
    number = np.repeat(np.arange(len(shards)), sizes)
    row = np.concatenate([np.arange(size) for size in sizes])
    everything = np.concatenate([shard.keys for shard in shards])
    order = np.argsort(everything, kind="stable")
    place = order[np.searchsorted(everything, keys, sorter=order)]
    used, which = np.unique(number[place], return_inverse=True)
    return Rows([np.load(shards[index].file, mmap_mode="r") for index in used], which, row[place])


def unknown(keys: Keys, known: Keys) -> Positions:
    """Return where keys that are not known stand for the first time."""
    _, first = np.unique(keys, return_index=True)
    first.sort()
    return np.asarray(first[~np.isin(keys[first], known)], np.int64)
