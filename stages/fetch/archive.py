"""Published archives, read in place: pictures are never unpacked into files, and no member's name is used as a path."""

import shutil
import zipfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.errors import UserError

LARGEST_MEMBER = 64 * 2**20


@dataclass(frozen=True)
class Entry:
    """One picture in an archive: where it lies, its published path and its label (None: not labelled)."""

    archive: Path
    index: int
    path: str
    label: str | None


class Unreadable(Exception):
    """A member that cannot be read; the message says why."""


class Reader:
    """Reads entries' bytes; opens each archive once. Threads may share it, as ZipFile locks each access."""

    def __init__(self) -> None:
        self._open: dict[Path, zipfile.ZipFile] = {}

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an entry, or raise Unreadable."""
        archive = self._open.get(entry.archive)
        if archive is None:
            archive = self._open[entry.archive] = zipfile.ZipFile(entry.archive)
        info = archive.infolist()[entry.index]
        if info.file_size > LARGEST_MEMBER:
            raise Unreadable(f"{info.file_size / 2**20:.0f} MB, larger than {LARGEST_MEMBER >> 20}")
        try:
            return archive.read(info)
        except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
            raise Unreadable(f"damaged in the archive: {error}") from error


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
