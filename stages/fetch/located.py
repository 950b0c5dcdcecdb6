"""Where the pictures of a table lie: on web servers, in buckets, on this disk, in the archive that holds the table."""

import re
import stat
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import unquote, urljoin, urlsplit

from stages.core.archive import ABSENT, ArchiveReader, Entry, Unreadable, is_archive, open_archive, walk_archive
from stages.core.download import is_remote
from stages.core.errors import MAX_SUGGESTIONS, UserError
from stages.core.files import hash_json
from stages.core.workspace import project_root
from stages.fetch import table
from stages.fetch.limits import refuse_large

REMOTE = ("http", "https", "s3", "gs")
SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://|(file):", re.IGNORECASE)
Source = Path | Entry
"""A picture that is on this disk: a file, or a member of an archive."""


@dataclass(frozen=True)
class Remote:
    """A picture that has to be fetched."""

    bucket: str
    key: str

    def cached(self, root: Path) -> Path:
        """Return the file below `root` that keeps it, whatever table names it."""
        name = hash_json(f"{self.bucket}/{self.key}")
        return root / name[:2] / name


@dataclass(frozen=True)
class Home:
    """A table, where relative addresses in it begin, and whether it may name files of this disk.

    `start` is a folder, or a URL; of a table in an archive `members` are the files beside it, by their names.
    """

    table: Path
    start: str
    trusted: bool
    members: dict[str, Entry] | None = field(default=None, repr=False)

    def find(self, address: str) -> Source | Remote:
        """Return where a picture lies, or raise Unreadable for what names none, or none that may be named."""
        scheme = SCHEME.match(address)
        if scheme is None:
            return self._beside(address)
        name = (scheme[1] or scheme[2]).lower()
        if name == "file":
            return self._on_disk(project_root() / file_path(address))
        if name not in REMOTE:
            raise Unreadable(f"{name}:// is not known; allowed: http(s)://, s3://, gs://, file:, a relative path")
        return remote(address)

    def _beside(self, address: str) -> Source | Remote:
        """Return what a relative address leads to."""
        if self.members is not None:
            missing = Entry(self.table, ABSENT, address, None)
            return self.members.get(normpath(address), missing)
        if is_remote(self.start):
            return remote(joined(self.start, address))
        return self._on_disk(project_root() / self.start / address)

    def _on_disk(self, path: Path) -> Path:
        """Return a file of this disk, or raise Unreadable where the table may not name one."""
        if not self.trusted:
            raise Unreadable("a file of this disk, and the table came from elsewhere; download the table first")
        return path


def remote(address: str) -> Remote:
    """Return bucket and key of a URL."""
    scheme, _, rest = address.partition("://")
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise Unreadable(f"no URL ({error})") from error
    if scheme.lower() not in ("http", "https"):
        bucket, _, key = rest.partition("/")
        return Remote(f"{scheme.lower()}://{bucket}", key)
    query = f"?{parts.query}" if parts.query else ""
    return Remote(f"{scheme.lower()}://{parts.netloc}", f"{parts.path.lstrip('/')}{query}")


def joined(start: str, address: str) -> str:
    """Return the URL of what lies beside another URL's file; buckets have no rules of their own for that."""
    scheme, _, rest = start.partition("://")
    if scheme in ("http", "https"):
        return urljoin(start, address)
    folder = rest.rpartition("/")[0]
    return f"{scheme}://{normpath(f'{folder}/{address}')}"


def file_path(address: str) -> Path:
    """Return the path in a file: URL; one without a root begins at the project."""
    rest = address.partition(":")[2]
    return Path(unquote(rest.removeprefix("//") if rest.startswith("///") else rest))


def home(published: Path, scratch: Path, start: str, trusted: bool) -> Home:
    """Return the table that was published, or the one in a published archive, which is copied to scratch.

    `start` is the path or URL at which the file was published; pictures named relative to it lie beside it.
    """
    if table.form(published.name):
        return Home(published, start if is_remote(start) else str(Path(start).parent), trusted)
    if not is_archive(published):
        allowed = ", ".join((*table.SUFFIXES, ".gz of these"))
        raise UserError(f"{published.name}: neither a table ({allowed}) nor an archive that holds one")
    found = walk_archive(published, scratch)
    archive = found[0][0] if found else published
    number, name = only_table(published.name, [(index, name) for path, index, name in found if path == archive])
    beside = {beneath(name, PurePosixPath(member)): Entry(path, index, member, None) for path, index, member in found}
    return Home(copied(archive, number, scratch / PurePosixPath(name).name), "", trusted, beside)


def only_table(archive: str, members: Iterable[tuple[int, str]]) -> tuple[int, str]:
    """Return (index, name) of the table that lies highest in an archive, or raise a UserError where it is not one."""
    tables = [(index, name) for index, name in members if table.form(name) and not hidden(PurePosixPath(name))]
    depths = [len(PurePosixPath(name).parts) for _, name in tables]
    top = [found for found, depth in zip(tables, depths, strict=True) if depth == min(depths)]
    if len(top) == 1:
        return top[0]
    if not top:
        raise UserError(
            f"{archive}: no table in it; expected one, {', '.join(table.SUFFIXES)}, with the pictures beside"
        )
    names = ", ".join(sorted(name for _, name in top)[:MAX_SUGGESTIONS])
    raise UserError(
        f"{archive}: {len(top)} tables in it: {names}; leave one, or unpack it and give the one's path as url"
    )


def hidden(path: PurePosixPath) -> bool:
    """Return whether a member is none of the publisher's, but a file system's own."""
    return any(part.startswith(".") or part == "__MACOSX" for part in path.parts)


def beneath(table_name: str, member: PurePosixPath) -> str:
    """Return a member's name as it is seen from the table's folder."""
    folder = PurePosixPath(table_name).parent
    return str(member.relative_to(folder)) if member.is_relative_to(folder) else f"/{member}"


def copied(archive: Path, index: int, target: Path) -> Path:
    """Copy a member of an archive to target, a block at a time."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with closing(open_archive(archive, archive.name)) as members, target.open("wb") as file:
            file.writelines(members.iter_blocks(index))
    except Unreadable as error:
        raise UserError(f"{archive.name}: {target.name}: {error}; fetch it again") from error
    return target


def read(reader: ArchiveReader, source: Source, largest: int) -> bytes:
    """Return a picture's bytes, at most so many, or raise Unreadable."""
    try:
        if isinstance(source, Entry):
            content = reader.read(source)
            refuse_large(len(content), largest)
            return content
        state = source.stat()
        if not (stat.S_ISREG(state.st_mode) or stat.S_ISDIR(state.st_mode)):
            raise Unreadable("a device or a pipe, no file")
        refuse_large(state.st_size, largest)
        return source.read_bytes()
    except FileNotFoundError:
        raise Unreadable("no such file") from None
    except OSError as error:
        raise Unreadable(error.strerror or "cannot be read") from error
    except ValueError as error:  # NUL, or what this system cannot write in a name
        raise Unreadable(f"no path of a file ({error})") from error
    except UserError as error:
        raise Unreadable(str(error)) from error
