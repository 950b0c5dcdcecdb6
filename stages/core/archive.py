"""Zip and tar archives, read in place: images are never unpacked into files, and no member's name is used as a path."""

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath
from typing import Any, Protocol

from stages.core.errors import UserError

ABSENT = -1  # the index of an entry that was published, but is not in the archive
MAX_MEMBER_BYTES = 64 * 2**20
MAX_DEPTH = 3  # archives within archives
BLOCK_SIZE = 2**20

# What may be written for one archive; see BoundedExtractor.
MAX_EXPANSION = 20  # times its size
EXTRA_BYTES = 2**30  # on top of that
MIN_FREE_BYTES = 2**30  # of the disk

_MIB, _GIB = 2**20, 2**30
_NESTED_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
_DECOMPRESSORS: dict[bytes, Callable[[Path], Any]] = {  # by a file's first bytes
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_DAMAGE = (  # what the standard library raises on hostile bytes
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, RuntimeError,
    ValueError, OverflowError, EOFError, OSError,
)  # fmt: skip


class Unreadable(Exception):
    """An image that cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An image in an archive.

    Attributes:
        archive: The zip or uncompressed tar that holds it.
        index: Its place there, or ABSENT.
        path: Its published path.
        label: None if it has none.
        remark: What is wrong with it by the rules of its dataset, if anything.
        unwanted: Whether it is dropped for that.
        split: The published split, if any.
    """

    archive: Path
    index: int
    path: str
    label: str | None
    remark: str | None = None
    unwanted: bool = False
    split: str | None = None


class ArchiveReader:
    """Reads entries and keeps their archives open. Threads may share it; another process opens the archives itself."""

    def __init__(self) -> None:
        self._archives: dict[Path, Archive] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[ArchiveReader], tuple[()]]":
        return ArchiveReader, ()

    def read(self, entry: Entry) -> bytes:
        """Reads an entry.

        Raises:
            Unreadable: It is absent, damaged or larger than MAX_MEMBER_BYTES.
        """
        if entry.index == ABSENT:
            raise Unreadable("not in the archive")
        archive = self._open(entry.archive)
        size = archive.size(entry.index)
        if size > MAX_MEMBER_BYTES:
            raise Unreadable(f"{size / _MIB:.0f} MB, larger than {MAX_MEMBER_BYTES // _MIB}")
        return b"".join(archive.iter_blocks(entry.index))

    def read_prefix(self, entry: Entry, size: int) -> bytes:
        """Reads the first bytes of an entry: fewer than `size` if it is shorter, none if it is damaged."""
        with closing(self._open(entry.archive).iter_blocks(entry.index, size)) as blocks:
            try:
                return next(blocks, b"")
            except Unreadable:
                return b""

    def close(self) -> None:
        """Closes the archives."""
        while self._archives:
            self._archives.popitem()[1].close()

    def _open(self, path: Path) -> "Archive":
        with self._lock:
            if path not in self._archives:
                self._archives[path] = open_archive(path, path.name)
            return self._archives[path]


def list_members(archive: Path) -> list[tuple[int, str]]:
    """Lists index and name of every file in a zip or an uncompressed tar."""
    with closing(open_archive(archive, str(archive))) as opened:
        return opened.members


def iter_lines(archive: Path, name: str) -> Iterator[bytes]:
    """Yields the lines of a text file in an archive, in bounded memory."""
    with closing(open_archive(archive, str(archive))) as opened:
        index = next((index for index, member in opened.members if member == name), None)
        if index is None:
            raise UserError(f"{archive.name}: no {name} in it; fetch it again")
        rest = b""
        for block in opened.iter_blocks(index):
            *lines, rest = (rest + block).split(b"\n")
            yield from lines
        if rest:
            yield rest


def walk_archive(archive: Path, scratch: Path) -> list[tuple[Path, int, str]]:
    """Lists every file in an archive and in the archives inside it, down to MAX_DEPTH.

    Inner archives and compressed tars cannot be read in place: they are copied to `scratch` under generated names.

    Returns:
        For each file the archive or copy that holds it, its index there, and its name.

    Raises:
        UserError: An archive is damaged or its copies would grow too large. No copy is left behind.
    """
    extractor = BoundedExtractor(archive, scratch)
    try:
        return list(_walk(archive, extractor))
    except UserError:
        extractor.clear()
        raise


def _walk(archive: Path, extractor: "BoundedExtractor") -> Iterator[tuple[Path, int, str]]:
    pending = [(archive, str(archive), 0)]
    for number, (path, display_name, depth) in enumerate(pending):  # the loop appends to it
        readable = path
        if _find_decompressor(path):
            readable = _extract_tar(path, extractor, f"{number}.tar", display_name)
            if depth:
                path.unlink()
        with closing(open_archive(readable, display_name)) as opened:
            for index, name in opened.members:
                yield readable, index, name
                if depth < MAX_DEPTH and _is_nested(name):
                    inner_name = f"{display_name}: {name}"
                    copy = extractor.write(f"{len(pending)}.archive", opened.iter_blocks(index), inner_name)
                    pending.append((copy, inner_name, depth + 1))


def _extract_tar(path: Path, extractor: "BoundedExtractor", target: str, display_name: str) -> Path:
    tar = extractor.write(target, decompress_stream(path, display_name), display_name)
    if not _is_tar(tar):
        raise UserError(
            f"{display_name}: compressed, but there is no tar in it; allowed: zip, tar, tar.gz, tar.bz2, tar.xz"
        )
    return tar


def _is_nested(name: str) -> bool:
    hidden = name.rpartition("/")[2].startswith(".")  # as macOS adds them: archives by name only
    return name.lower().endswith(_NESTED_SUFFIXES) and not hidden


class BoundedExtractor:
    """Writes copies of what is packed in an archive. They share one limit on their size, against zip bombs.

    Args:
        archive: The outermost archive. The limit is MAX_EXPANSION times its size, plus EXTRA_BYTES.
        folder: Where the copies go. MIN_FREE_BYTES of its disk stay free.
    """

    def __init__(self, archive: Path, folder: Path) -> None:
        self._archive, self._folder = archive, folder
        self._archive_size = archive.stat().st_size
        self._budget = MAX_EXPANSION * self._archive_size + EXTRA_BYTES
        self._copies: list[Path] = []

    def write(self, name: str, blocks: Iterable[bytes], display_name: str) -> Path:
        """Writes one copy.

        Args:
            name: The file in the folder.
            blocks: Its content.
            display_name: What error messages call it.

        Raises:
            UserError: It is damaged, or exceeds the limit.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / name
        self._copies.append(target)
        try:
            with target.open("wb") as file:
                for block in blocks:
                    self._spend(len(block), display_name)
                    file.write(block)
        except Unreadable as error:
            raise UserError(f"{display_name}: {error}; fetch it again") from error
        return target

    def clear(self) -> None:
        """Removes every copy."""
        for copy in self._copies:
            copy.unlink(missing_ok=True)

    def _spend(self, size: int, display_name: str) -> None:
        archive = f"{self._archive.name} ({self._archive_size / _MIB:.1f} MB)"
        self._budget -= size
        if self._budget < 0:
            raise UserError(
                f"{display_name}: unpacked, it takes {archive} beyond {MAX_EXPANSION} times its size and "
                f"{EXTRA_BYTES / _GIB:g} GB, which is what may be written; if that is meant, unpack it by hand and "
                "give the folder as fetch.url"
            )
        free = shutil.disk_usage(self._folder).free
        if free - size < MIN_FREE_BYTES:
            raise UserError(
                f"{display_name}: no room to unpack {archive}: {free / _GIB:.1f} GB are free at {self._folder}, and "
                f"{MIN_FREE_BYTES / _GIB:g} GB of them stay free; make room, or unpack it by hand elsewhere and give "
                "the folder as fetch.url"
            )


class Archive(Protocol):
    """An open archive. Threads may share it."""

    members: list[tuple[int, str]]
    """Index and name of every file."""

    def size(self, index: int) -> int:
        """Tells the size of a member in bytes."""

    def iter_blocks(self, index: int, size: int = BLOCK_SIZE) -> Generator[bytes, None, None]:
        """Yields a member's bytes, at most `size` at a time.

        Raises:
            Unreadable: It is damaged.
        """

    def close(self) -> None:
        """Closes the file."""


def open_archive(path: Path, display_name: str) -> Archive:
    """Opens a zip or an uncompressed tar, whatever its name.

    Args:
        path: The file.
        display_name: What error messages call it.

    Raises:
        UserError: It is neither, or damaged.
    """
    is_tar = _is_tar(path)  # asked first: a tar that ends with a zip passes for that zip, too
    try:
        return _TarArchive(path) if is_tar else _ZipArchive(path)
    except _DAMAGE as error:
        _reraise_disk_error(error)
        problem = "a damaged tar" if is_tar else "not a zip archive and no tar, or a damaged one"
        raise UserError(f"{display_name}: {problem} ({error}); fetch it again") from error


class _ZipArchive:
    def __init__(self, path: Path) -> None:
        self._file = zipfile.ZipFile(path)
        self._infos = self._file.infolist()
        self.members = [(index, info.filename) for index, info in enumerate(self._infos) if not info.is_dir()]

    def size(self, index: int) -> int:
        return self._infos[index].file_size

    def iter_blocks(self, index: int, size: int = BLOCK_SIZE) -> Generator[bytes, None, None]:
        try:
            with self._file.open(self._infos[index]) as file:
                while block := file.read(size):
                    yield block
        except _DAMAGE as error:
            _reraise_disk_error(error)
            raise Unreadable(f"damaged in the archive: {error}") from error

    def close(self) -> None:
        self._file.close()


@dataclass(frozen=True)
class TarMember:
    """Where a tar holds a member's bytes; `fault` says why it cannot be read, if so."""

    start: int
    length: int
    fault: str | None = None


class _TarArchive:
    """An uncompressed tar. Its headers are read once; members are read by position.

    A hard link has the bytes of the file it points to; symbolic links and devices are left out.
    """

    def __init__(self, path: Path) -> None:
        named = list(_scan_tar(path))
        self._members = [member for _, member in named]
        self.members = [(index, name) for index, (name, _) in enumerate(named)]
        self._file = path.open("rb")

    def size(self, index: int) -> int:
        return self._members[index].length

    def iter_blocks(self, index: int, size: int = BLOCK_SIZE) -> Generator[bytes, None, None]:
        member = self._members[index]
        if member.fault:
            raise Unreadable(member.fault)
        start, end = member.start, member.start + member.length
        while start < end:
            block = os.pread(self._file.fileno(), min(size, end - start), start)
            if not block:
                raise Unreadable(f"cut short in the archive: {end - start} of {member.length} bytes are missing")
            start += len(block)
            yield block

    def close(self) -> None:
        self._file.close()


def _scan_tar(path: Path) -> Iterator[tuple[str, TarMember]]:
    members: dict[str, TarMember | None] = {}
    with tarfile.open(path, "r:", encoding="utf-8", errors="replace") as archive:
        last_offset = -1
        for info in archive:
            if archive.offset <= last_offset:
                raise tarfile.ReadError("its members overlap")
            last_offset = archive.offset
            member = members[normpath(info.name)] = _locate_member(info, members)
            if member:
                yield info.name, member
        end = archive.offset
    with path.open("rb") as file:  # tarfile takes a broken header for the end
        file.seek(end)
        last_block = file.read(tarfile.BLOCKSIZE)
    if last_block != tarfile.NUL * tarfile.BLOCKSIZE:
        raise tarfile.ReadError("a broken header" if last_block else "it ends without an end mark")


def _locate_member(info: tarfile.TarInfo, earlier: Mapping[str, TarMember | None]) -> TarMember | None:
    if info.issparse():
        return TarMember(0, 0, "sparse member")
    if info.islnk():
        broken = TarMember(0, 0, f"hard link to {info.linkname}, which is not before it in the archive")
        return earlier.get(normpath(info.linkname), broken)
    return TarMember(info.offset_data, info.size) if info.isreg() else None


def is_archive(path: Path) -> bool:
    """Tells whether a file is, by its content, a zip, a tar, or compressed."""
    return _is_tar(path) or _find_decompressor(path) is not None or zipfile.is_zipfile(path)


def decompress_stream(path: Path, display_name: str) -> Iterator[bytes]:
    """Yields the content of a gzip, bzip2 or xz file in blocks; error messages call it by the display name."""
    decompress = _find_decompressor(path)
    assert decompress is not None
    try:
        with decompress(path) as file:
            while block := file.read(BLOCK_SIZE):
                yield block
    except _DAMAGE as error:
        _reraise_disk_error(error)
        raise UserError(f"{display_name}: damaged, or only a part of it ({error}); fetch it again") from error


def _is_tar(path: Path) -> bool:
    with path.open("rb") as file:
        header = file.read(tarfile.BLOCKSIZE)
    try:
        tarfile.TarInfo.frombuf(header, "utf-8", "replace")
    except tarfile.TarError:
        return False
    return True


def _find_decompressor(path: Path) -> Callable[[Path], Any] | None:
    with path.open("rb") as file:
        header = file.read(max(map(len, _DECOMPRESSORS)))
    return next((opener for magic, opener in _DECOMPRESSORS.items() if header.startswith(magic)), None)


def _reraise_disk_error(error: Exception) -> None:
    # Damaged bytes raise OSError too: without a number, or with EINVAL for positions that no file has.
    if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
        raise error


def write_zip(target: Path, files: Iterable[tuple[str, bytes | Path]]) -> None:
    """Writes an uncompressed zip whose bytes depend on names and contents alone.

    Args:
        target: The zip.
        files: Name and content of each member; a path stands for the content of its file.
    """
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
            if isinstance(content, bytes):
                archive.writestr(info, content)
                continue
            info.file_size = content.stat().st_size
            with content.open("rb") as source, archive.open(info, "w") as member:
                shutil.copyfileobj(source, member, BLOCK_SIZE)


def write_tar(target: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Writes an uncompressed tar, folders included, whose bytes depend on names and contents alone."""
    folders: set[PurePosixPath] = set()
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            for folder in reversed(PurePosixPath(name).parents[:-1]):
                if folder not in folders:
                    folders.add(folder)
                    folder_info = tarfile.TarInfo(f"{folder}/")
                    folder_info.type, folder_info.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(folder_info)
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))


def zip_folder(folder: Path, target: Path) -> None:
    """Packs every file of a folder, linked ones too, into a zip, sorted.

    Raises:
        UserError: The folder is empty, or a file's name is not in UTF-8.
    """
    files = sorted(_iter_files(folder))
    if not files:
        raise UserError(f"{folder}: the folder is empty")
    names = [_member_name(file, folder) for file in files]
    write_zip(target, zip(names, files, strict=True))


def _iter_files(folder: Path, parents: frozenset[Path] = frozenset()) -> Iterator[Path]:
    real = folder.resolve()
    if real in parents:  # a link back to a folder that it lies in
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from _iter_files(path, parents | {real})
        elif path.is_file():
            yield path


def _member_name(file: Path, folder: Path) -> str:
    name = file.relative_to(folder).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError:
        printable = os.fsencode(file).decode(errors="backslashreplace")
        raise UserError(f"{printable}: the name is not in UTF-8, as a zip needs it; rename the file") from None
    return name
