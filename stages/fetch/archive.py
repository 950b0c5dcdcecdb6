"""Published archives, read in place: pictures are never unpacked into files, and no member's name is used as a path."""

import io
import os
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from stages.errors import UserError
from stages.fetch.members import BLOCK, Members, Unreadable, inflated, is_tar, opened, opener
from stages.fetch.scratch import Scratch

LARGEST_MEMBER = 64 * 2**20
NESTED = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
DEEPEST = 3  # archives within archives
ABSENT = -1  # the index of a picture that is published, but not in the archive


@dataclass(frozen=True, slots=True)
class Entry:
    """One picture in an archive: where it lies, its published path, label (None: not labelled) and split, if any.

    `remark` is what its layout finds wrong with it; an `unwanted` picture is dropped for that.
    """

    archive: Path
    index: int
    path: str
    label: str | None
    remark: str | None = None
    unwanted: bool = False
    split: str | None = None


class Reader:
    """Reads entries' bytes; opens each archive once. Threads may share it; in another process it opens them anew."""

    def __init__(self) -> None:
        self._open: dict[Path, Members] = {}
        self._lock = threading.Lock()

    def __reduce__(self) -> "tuple[type[Reader], tuple[()]]":
        return Reader, ()

    def read(self, entry: Entry) -> bytes:
        """Return the bytes of an entry, or raise Unreadable."""
        if entry.index == ABSENT:
            raise Unreadable("not in the archive")
        members = self._find(entry)
        size = members.size(entry.index)
        if size > LARGEST_MEMBER:
            raise Unreadable(f"{size / 2**20:.0f} MB, larger than {LARGEST_MEMBER >> 20}")
        return b"".join(members.blocks(entry.index))

    def start(self, entry: Entry, count: int) -> bytes:
        """Return the first bytes of an entry, fewer where it is shorter or damaged."""
        with closing(self._find(entry).blocks(entry.index, count)) as blocks:
            try:
                return next(blocks, b"")
            except Unreadable:
                return b""

    def close(self) -> None:
        """Close the archives."""
        while self._open:
            self._open.popitem()[1].close()

    def _find(self, entry: Entry) -> Members:
        with self._lock:
            if entry.archive not in self._open:
                self._open[entry.archive] = opened(entry.archive, entry.archive.name)
            return self._open[entry.archive]


def names(archive: Path) -> list[tuple[int, str]]:
    """Return (index, name) of every file in a zip or a tar that is not compressed."""
    with closing(opened(archive, str(archive))) as members:
        return members.names


def lines(archive: Path, name: str) -> Iterator[bytes]:
    """Yield the lines of one file in an archive; memory does not grow with their number."""
    with closing(opened(archive, str(archive))) as members:
        index = next((index for index, found in members.names if found == name), None)
        if index is None:
            raise UserError(f"{archive.name}: no {name} in it; fetch it again")
        rest = b""
        for block in members.blocks(index):
            *whole, rest = (rest + block).split(b"\n")
            yield from whole
        if rest:
            yield rest


def walk(archive: Path, scratch: Path) -> list[tuple[Path, int, str]]:
    """Return (archive, index, name) of every file in an archive and in those inside it.

    What cannot be read in place, an inner archive or a compressed tar, is copied to scratch under names of our own;
    of one that is refused, nothing stays there.
    """
    copies = Scratch(archive, scratch)
    try:
        return walked(archive, copies)
    except UserError:
        copies.clear()
        raise


def walked(archive: Path, copies: Scratch) -> list[tuple[Path, int, str]]:
    """Return what `walk` does."""
    found: list[tuple[Path, int, str]] = []
    waiting = [(archive, str(archive), 0)]
    for number, (path, shown, depth) in enumerate(waiting):
        plain = uncompressed(path, shown, copies, f"{number}.tar", keep=depth == 0)
        with closing(opened(plain, shown)) as members:
            found += [(plain, index, name) for index, name in members.names]
            inner = [(index, name) for index, name in members.names if is_nested(name)] if depth < DEEPEST else []
            for index, name in inner:
                copy = copy_out(members, index, copies, f"{len(waiting)}.archive", f"{shown}: {name}")
                waiting.append((copy, f"{archive}: {name}", depth + 1))
    return found


def uncompressed(path: Path, shown: str, copies: Scratch, name: str, keep: bool) -> Path:
    """Return the archive itself, or where it is compressed a copy of what it holds."""
    if opener(path) is None:
        return path
    target = copies.write(name, inflated(path, shown), shown)
    if not is_tar(target):
        raise UserError(f"{shown}: compressed, but there is no tar in it; allowed: zip, tar, tar.gz, tar.bz2, tar.xz")
    if not keep:
        path.unlink()
    return target


def is_nested(name: str) -> bool:
    """Return whether a member's name is that of an archive; hidden files, as macOS adds them, are none."""
    return name.lower().endswith(NESTED) and not name.rpartition("/")[2].startswith(".")


def copy_out(members: Members, index: int, copies: Scratch, name: str, shown: str) -> Path:
    """Return a copy of one member."""
    try:
        return copies.write(name, members.blocks(index), shown)
    except Unreadable as error:
        raise UserError(f"{shown}: {error}; fetch it again") from error


def pack(target: Path, files: Iterable[tuple[str, bytes | Path]]) -> None:
    """Write an uncompressed zip whose bytes depend on nothing but names and contents; a path stands for its file's."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in files:
            if isinstance(content, bytes):
                archive.writestr(stamped(name), content)
            else:
                add(archive, name, content)


def add(archive: zipfile.ZipFile, name: str, file: Path) -> None:
    """Copy a file into a zip, a block at a time."""
    info = stamped(name)
    info.file_size = file.stat().st_size
    with file.open("rb") as source, archive.open(info, "w") as member:
        shutil.copyfileobj(source, member, BLOCK)


def pack_tar(target: Path, files: Iterable[tuple[str, bytes]]) -> None:
    """Write a tar, its folders included, whose bytes depend on nothing but names and contents."""
    folders: set[PurePosixPath] = set()
    with tarfile.open(target, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files:
            for folder in reversed(PurePosixPath(name).parents[:-1]):
                if folder not in folders:
                    folders.add(folder)
                    archive.addfile(described(f"{folder}/", 0))
            archive.addfile(described(name, len(content)), io.BytesIO(content))


def described(name: str, size: int) -> tarfile.TarInfo:
    """Return a tar member's header, a folder's where the name ends in a slash."""
    info = tarfile.TarInfo(name)
    info.size = size
    if name.endswith("/"):
        info.type, info.mode = tarfile.DIRTYPE, 0o755
    return info


def pack_folder(folder: Path, target: Path) -> None:
    """Pack every file of a folder, and of those it links to, in sorted order, into a zip."""
    files = sorted(files_below(folder))
    if not files:
        raise UserError(f"{folder}: the folder is empty")
    for file in files:
        refuse_unwritable(file, folder)
    pack(target, ((file.relative_to(folder).as_posix(), file) for file in files))


def files_below(folder: Path, above: frozenset[Path] = frozenset()) -> Iterator[Path]:
    """Yield the files below a folder; links are followed, but for those to a folder that they lie in."""
    real = folder.resolve()
    if real in above:
        return
    for path in folder.iterdir():
        if path.is_dir():
            yield from files_below(path, above | {real})
        elif path.is_file():
            yield path


def refuse_unwritable(file: Path, folder: Path) -> None:
    """Raise a UserError for a file whose name below a folder is not in UTF-8: a zip cannot hold it."""
    try:
        str(file.relative_to(folder)).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(file).decode(errors="backslashreplace")
        raise UserError(f"{shown}: the name is not in UTF-8, as a zip needs it; rename the file") from None


def stamped(name: str) -> zipfile.ZipInfo:
    """Return a zip member's description without a time."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
