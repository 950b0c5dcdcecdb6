"""Copies of what cannot be read in place, bounded: a small archive may hold a disk full of zeros."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from stages.errors import UserError

GIB = 2**30
MOST_TIMES = 20  # bytes written for one of the archive
MOST_BESIDE = GIB  # bytes written beside that
LEFT_FREE = GIB  # bytes of the disk


class Scratch:
    """The folder for one archive's copies, those of archives inside it too: they share one bound."""

    def __init__(self, archive: Path, folder: Path) -> None:
        self._archive, self._folder = archive, folder
        self._packed = archive.stat().st_size
        self._left = MOST_TIMES * self._packed + MOST_BESIDE
        self._files: list[Path] = []

    def write(self, name: str, blocks: Iterable[bytes], shown: str) -> Path:
        """Write one copy, a block at a time; a UserError calls what is copied by the name shown."""
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / name
        self._files.append(target)
        with target.open("wb") as file:
            for block in blocks:
                self._spend(len(block), shown)
                file.write(block)
        return target

    def clear(self) -> None:
        """Remove every copy."""
        for file in self._files:
            file.unlink(missing_ok=True)

    def _spend(self, size: int, shown: str) -> None:
        self._left -= size
        if self._left < 0:
            raise UserError(
                f"{shown}: unpacked, it takes {self._archive.name} ({self._packed / 2**20:.1f} MB) beyond "
                f"{MOST_TIMES} times its size and {MOST_BESIDE / GIB:g} GB, which is what may be written; "
                "if that is meant, unpack it by hand and give the folder as fetch.url"
            )
        free = shutil.disk_usage(self._folder).free
        if free - size < LEFT_FREE:
            raise UserError(
                f"{shown}: no room to unpack {self._archive.name} ({self._packed / 2**20:.1f} MB): {free / GIB:.1f} GB "
                f"are free at {self._folder}, and {LEFT_FREE / GIB:g} GB of them stay free; make room, or, if so much "
                "is meant, unpack it by hand elsewhere and give the folder as fetch.url"
            )
