"""Where a secret left a trace: every byte of a folder, unpacked as deep as need be, in every form a secret may take."""

import base64
import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

DEEPEST = 4  # archives within archives
Named = tuple[str, bytes]


@dataclass(frozen=True)
class Leak:
    """A secret that was found: where, whose, and in which form."""

    where: str
    secret: str
    form: str


def forms(value: str) -> dict[str, bytes]:
    """Return what a text looks like as it is, reversed, quoted, as hex, in UTF-16, and in base64 at any offset."""
    plain = value.encode()
    found = {
        "as it is": plain,
        "reversed": plain[::-1],
        "quoted": quote(value, safe="").encode(),
        "quoted as a form": quote_plus(value).encode(),
        "hex": plain.hex().encode(),
        "UTF-16": value.encode("utf-16-le"),
    }
    for offset in range(3):
        whole = base64.b64encode(bytes(offset) + plain)
        inner = whole[(offset * 4 + 2) // 3 + (offset > 0) : len(whole) // 4 * 4 - 4]
        found |= {f"base64, {offset} in": inner, f"base64 of URLs, {offset} in": inner.translate(SAFE)}
    return found


SAFE = bytes.maketrans(b"+/", b"-_")


def leaks(folder: Path, secrets: dict[str, str]) -> list[Leak]:
    """Return every leak of secrets, by their names, in the files of a folder and in their names."""
    wanted = {name: forms(value) for name, value in secrets.items()}
    found: list[Leak] = []
    for file in sorted(folder.rglob("*")):
        shown = str(file.relative_to(folder))
        found += seen(f"{shown} (its name)", shown.encode(), wanted)
        if file.is_file() and not file.is_symlink():
            found += [
                leak for name, content in unpacked(shown, file.read_bytes()) for leak in seen(name, content, wanted)
            ]
    return found


def seen(where: str, content: bytes, wanted: dict[str, dict[str, bytes]]) -> list[Leak]:
    """Return the leaks in one content."""
    return [
        Leak(where, name, form) for name, looks in wanted.items() for form, look in looks.items() if look in content
    ]


def unpacked(name: str, content: bytes, depth: int = 0) -> Iterator[Named]:
    """Yield a file, and what is packed in it: zip (.mar, .whl), tar, gzip, zlib (git's objects), parquet."""
    yield name, content
    if depth < DEEPEST:
        for inner, found in opened(content):
            yield from unpacked(f"{name}: {inner}", found, depth + 1)


def opened(content: bytes) -> Iterator[Named]:
    """Yield what is packed in a content, nothing where it is not packed."""
    if content[:4] == b"PK\x03\x04":
        with suppress(zipfile.BadZipFile, NotImplementedError), zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield from ((info.filename, archive.read(info)) for info in archive.infolist() if not info.is_dir())
    elif content[:4] == b"PAR1":
        yield "rows", rows(content)
    elif content[257:262] == b"ustar":
        with suppress(tarfile.TarError), tarfile.open(fileobj=io.BytesIO(content)) as archive:
            yield from ((info.name, archive.extractfile(info).read()) for info in archive if info.isfile())  # type: ignore[union-attr]
    for kind, opener, errors in PACKED:
        with suppress(*errors):
            yield kind, opener(content)


PACKED = (
    ("gzip", gzip.decompress, (OSError, EOFError, zlib.error)),
    ("zlib", zlib.decompress, (zlib.error,)),
    ("bzip2", bz2.decompress, (OSError, ValueError)),
    ("xz", lzma.decompress, (lzma.LZMAError,)),
)


def rows(content: bytes) -> bytes:
    """Return a parquet file's rows as text."""
    import pyarrow.parquet as pq

    return repr(pq.read_table(io.BytesIO(content)).to_pylist()).encode()
