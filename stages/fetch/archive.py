"""Published archives, read in place: pictures are never unpacked into files, and no member's name is used as a path."""

import shutil
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.errors import UserError

LARGEST_MEMBER = 64 * 2**20
DAMAGE = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError)


@dataclass(frozen=True)
class Entry:
    """One picture in an archive: where it lies, its published path, its label (None: not labelled).

    `remark` is what its layout finds wrong with it; an `unwanted` picture is dropped for that.
    """

    archive: Path
    index: int
    path: str
    label: str | None
    remark: str | None = None
    unwanted: bool = False


class Unreadable(Exception):
    """A member that cannot be read; the message says why."""


class Reader:
    """Reads entries' bytes; opens each archive once. Threads may share it, as ZipFile locks each access."""

    def __init__(self) -> None:
        self._open: dict[Path, zipfile.ZipFile] = {}

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an entry, or raise Unreadable."""
        archive, info = self._find(entry)
        if info.file_size > LARGEST_MEMBER:
            raise Unreadable(f"{info.file_size / 2**20:.0f} MB, larger than {LARGEST_MEMBER >> 20}")
        try:
            return archive.read(info)
        except DAMAGE as error:
            raise Unreadable(f"damaged in the archive: {error}") from error

    def start(self, entry: Entry, count: int) -> bytes:
        """Return the first bytes of an entry, fewer where it is shorter or damaged."""
        archive, info = self._find(entry)
        try:
            with archive.open(info) as file:
                return file.read(count)
        except DAMAGE:
            return b""

    def close(self) -> None:
        """Close the archives."""
        for archive in self._open.values():
            archive.close()

    def _find(self, entry: Entry) -> tuple[zipfile.ZipFile, zipfile.ZipInfo]:
        archive = self._open.get(entry.archive)
        if archive is None:
            archive = self._open[entry.archive] = zipfile.ZipFile(entry.archive)
        return archive, archive.infolist()[entry.index]


def names(archive: Path) -> list[tuple[int, str]]:
    """Return (index, name) of every file in a zip."""
    try:
        with zipfile.ZipFile(archive) as opened:
            return [(index, info.filename) for index, info in enumerate(opened.infolist()) if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise UserError(f"{archive}: not a zip archive, or a damaged one ({error}); fetch it again") from error


def expand(archive: Path, scratch: Path) -> list[Path]:
    """Return the archive and the archives inside it, which are copied to scratch under names of our own."""
    found = [archive]
    for index, name in names(archive):
        if name.lower().endswith(".zip"):
            inner = scratch / f"{index}.zip"
            scratch.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(archive) as opened, inner.open("wb") as file:
                shutil.copyfileobj(opened.open(opened.infolist()[index]), file, 2**20)
            found.append(inner)
    return found


def pack(target: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write an uncompressed zip whose bytes depend on nothing but names and contents."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            archive.writestr(zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0)), content)


def pack_folder(folder: Path, target: Path) -> None:
    """Pack every file of a folder, in sorted order, into a zip."""
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    if not files:
        raise UserError(f"{folder}: the folder is empty")
    pack(target, ((file.relative_to(folder).as_posix(), file.read_bytes()) for file in files))
