"""The two kinds of archive, zip and tar, behind one face: members by number, read in place, by several threads."""

import bz2
import errno
import gzip
import lzma
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from posixpath import normpath
from typing import Any, Protocol

from stages.errors import UserError

BLOCK = 2**20
BROKEN = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError,
    ValueError, OverflowError, EOFError, OSError,
)  # fmt: skip
Opener = Callable[[Path], Any]
OPENERS: dict[bytes, Opener] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\x00": lzma.open}


class Unreadable(Exception):
    """A member that cannot be read; the message says why."""


class Members(Protocol):
    """An archive, opened."""

    names: list[tuple[int, str]]
    """(index, name) of every file."""

    def size(self, index: int) -> int:
        """Return how long a member is, bytes."""

    def blocks(self, index: int, size: int = BLOCK) -> Generator[bytes, None, None]:
        """Yield a member's bytes, `size` at a time; raise Unreadable where it is damaged."""

    def close(self) -> None:
        """Close the file."""


class Zip:
    """A zip; ZipFile locks each access."""

    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)
        self.names = [(index, info.filename) for index, info in enumerate(self._file.infolist()) if not info.is_dir()]

    def size(self, index: int) -> int:
        """Return how long a member is, bytes."""
        return self._file.infolist()[index].file_size

    def blocks(self, index: int, size: int = BLOCK) -> Generator[bytes, None, None]:
        """Yield a member's bytes, `size` at a time; raise Unreadable where it is damaged."""
        try:
            with self._file.open(self._file.infolist()[index]) as file:
                while block := file.read(size):
                    yield block
        except BROKEN as error:
            refuse_disk(error)
            raise Unreadable(f"damaged in the archive: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()


@dataclass(frozen=True)
class Span:
    """Where a member of a tar lies, bytes, or its `fault`: why it cannot be read."""

    start: int
    length: int
    fault: str | None = None


class Tar:
    """A tar that is not compressed; its headers are read once, its members by position.

    A hard link has the bytes of the file it leads to; symbolic links and devices are no members.
    """

    def __init__(self, path: Path) -> None:
        self._spans = list(spans(path))
        self.names = [(index, name) for index, (name, _) in enumerate(self._spans)]
        self._file = path.open("rb")

    def size(self, index: int) -> int:
        """Return how long a member is, bytes."""
        return self._spans[index][1].length

    def blocks(self, index: int, size: int = BLOCK) -> Generator[bytes, None, None]:
        """Yield a member's bytes, `size` at a time; raise Unreadable where it is cut short or has a fault."""
        span = self._spans[index][1]
        if span.fault:
            raise Unreadable(span.fault)
        start, end = span.start, span.start + span.length
        while start < end:
            block = os.pread(self._file.fileno(), min(size, end - start), start)
            if not block:
                raise Unreadable(f"cut short in the archive: {end - start} of {span.length} bytes are missing")
            start += len(block)
            yield block

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def spans(path: Path) -> Iterator[tuple[str, Span]]:
    """Yield name and place of every file in a tar; raise TarError where it does not end as a tar ends."""
    before: dict[str, Span | None] = {}
    with tarfile.open(path, "r:", encoding="utf-8", errors="replace") as archive:
        last_offset = -1
        for info in archive:
            if archive.offset <= last_offset:
                raise tarfile.ReadError("its members overlap")
            last_offset = archive.offset
            span = before[normpath(info.name)] = span_of(info, before)
            if span:
                yield info.name, span
        end = archive.offset
    with path.open("rb") as file:
        file.seek(end)
        last = file.read(tarfile.BLOCKSIZE)
    if last != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("a broken header" if last else "it ends without an end mark")


def span_of(info: tarfile.TarInfo, before: Mapping[str, Span | None]) -> Span | None:
    """Return where a member's bytes lie, those of a hard link at a member before it; None where it is no file."""
    if info.issparse():
        return Span(0, 0, "sparse member")
    if info.islnk():
        lost = Span(0, 0, f"hard link to {info.linkname}, which is not before it in the archive")
        return before.get(normpath(info.linkname), lost)
    return Span(info.offset_data, info.size) if info.isreg() else None


def is_tar(path: Path) -> bool:
    """Return whether a file begins with a tar's header."""
    with path.open("rb") as file:
        head = file.read(tarfile.BLOCKSIZE)
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "replace")
    except tarfile.TarError:
        return False
    return True


def opener(path: Path) -> Opener | None:
    """Return what opens a compressed file, None where it is not compressed."""
    with path.open("rb") as file:
        head = file.read(max(map(len, OPENERS)))
    return next((found for magic, found in OPENERS.items() if head.startswith(magic)), None)


def is_archive(path: Path) -> bool:
    """Return whether a file is, by its content, a zip, a tar, or compressed."""
    return is_tar(path) or opener(path) is not None or zipfile.is_zipfile(path)


def refuse_disk(error: Exception) -> None:
    """Raise an error again that is the disk's and not that of the bytes: these lead to positions that no file has."""
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise error


def opened(path: Path, shown: str) -> Members:
    """Open a zip or a tar, told apart by content; a UserError calls it by the name shown."""
    # A tar first: one that ends with a zip looks like that zip, which may have anything before it.
    try:
        return Tar(path) if is_tar(path) else Zip(path)
    except BROKEN as error:
        refuse_disk(error)
        what = "a damaged tar" if is_tar(path) else "not a zip archive and no tar, or a damaged one"
        raise UserError(f"{shown}: {what} ({error}); fetch it again") from error


def inflated(path: Path, shown: str) -> Iterator[bytes]:
    """Yield what a compressed file holds, a block at a time; a UserError calls it by the name shown."""
    opening = opener(path)
    assert opening is not None
    try:
        with opening(path) as source:
            while block := source.read(BLOCK):
                yield block
    except BROKEN as error:
        refuse_disk(error)
        raise UserError(f"{shown}: damaged, or only a part of it ({error}); fetch it again") from error
