"""Zips and tars made to hurt: bombs, members that want to lie elsewhere, headers that lie, names nobody can write."""

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence

Member = tuple[str, bytes]
Hostile = tuple[str, bytes]
"""What is wrong with an archive, and its bytes."""
Named = Callable[[str], str]
"""A function from a word to a member's name that a layout takes for a picture's."""

LIMIT = 0xFFFFFFFF
MUCH = 80 * 2**20  # bytes; more than a member may have
OUTSIDE = {
    "steps up": "../../../../../../", "a root": "/", "two roots": "//", "a drive": "C:/", "a home": "~/",
    "a drive and backslashes": "C:\\", "backslashes": "..\\..\\..\\", "a network share": "\\\\host\\share\\",
    "steps up inside": "a/../../../", "a device's name": "/dev/shm/", "an encoded step": "%2e%2e/%2e%2e/",
    "a full-width step": "．．/．．/",
}  # fmt: skip
WORDS = {
    "a NUL": "1\0.jpg", "a newline": "1\n2", "a return": "1\r2", "an escape": "1\x1b[31m2", "a dot": ".",
    "right to left": "1\u202egpj.2", "an invisible space": "1\u200b2", "no ASCII": "1\u0301ßøл猫😀",
    "markup": "[red]1[/red]", "300 bytes": "1" * 300, "30,000 bytes": "1" * 30_000, "a quote": "1'\"`$(id)",
    "spaces": "  1  ", "a reserved name": "CON",
}  # fmt: skip


def zipped(members: Sequence[Member], packing: int = zipfile.ZIP_STORED) -> bytes:
    """Return a zip of members."""
    file = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(file, "w", packing) as archive:  # of names twice
        for name, content in members:
            info = zipfile.ZipInfo("x", (1980, 1, 1, 0, 0, 0))
            info.filename, info.compress_type = name, packing
            archive.writestr(info, content)
    return file.getvalue()


def tarred(members: Sequence[Member], *special: tarfile.TarInfo, pax: dict[str, str] | None = None) -> bytes:
    """Return a tar of members and of special ones without content."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT, pax_headers=pax or {}) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for info in special:
            archive.addfile(info)
    return file.getvalue()


def hostile(base: Sequence[Member], named: Named, picture: bytes) -> Iterator[Hostile]:
    """Yield archives of a layout's good members with a bad one each, or with a whole that lies."""
    yield from names(base, named, picture)
    yield from zips(base, named, picture)
    yield from bombs(base, named, picture)
    yield from tars(base, named, picture)
    yield from packed(base)


def names(base: Sequence[Member], named: Named, picture: bytes) -> Iterator[Hostile]:
    """Yield archives with names that lead elsewhere, collide, or cannot be written."""
    for kind, make in (("zip", zipped), ("tar", tarred)):
        for what, prefix in OUTSIDE.items():
            yield f"{kind}, {what}", make([*base, (prefix + named("99"), picture)])
        for what, word in WORDS.items():
            if kind == "zip" or "\0" not in word:
                yield f"{kind}, {what}", make([*base, (named(word)[:60_000], picture)])
        twice = named("99")
        yield f"{kind}, a name twice", make([*base, (twice, picture), (twice, picture[:-9])])
        yield f"{kind}, names that differ in case", make([*base, (twice.upper(), picture), (twice.lower(), picture)])
        yield f"{kind}, a file that is a folder too", make([*base, (twice, picture), (f"{twice}/1.jpg", picture)])


def zips(base: Sequence[Member], named: Named, picture: bytes) -> Iterator[Hostile]:
    """Yield zips whose headers lie."""
    whole = zipped([*base, (named("99"), picture)])
    last = whole.rindex(b"PK\x01\x02")
    lies = {
        "encrypted": (8, "<H", 1), "an unknown packing": (10, "<H", 99), "a wrong check sum": (16, "<I", 7),
        "too small a size": (24, "<I", 9), "too large a size": (24, "<I", 10**9), "4 GB": (24, "<I", LIMIT),
        "packed in nothing": (20, "<I", 0), "a member on another disk": (34, "<H", 7),
        "a member beyond the end": (42, "<I", 10**9), "another member's place": (42, "<I", 0),
        "an extra field beyond the end": (30, "<H", 65535), "a link": (38, "<I", (stat.S_IFLNK | 0o777) << 16),
        "a device": (38, "<I", (stat.S_IFBLK | 0o666) << 16),
    }  # fmt: skip
    for what, (offset, code, value) in lies.items():
        changed = bytearray(whole)
        struct.pack_into(code, changed, last + offset, value)
        yield f"zip, {what}", bytes(changed)
    yield "zip, encrypted at both ends", whole.replace(b"PK\x03\x04\x14\0\0\0", b"PK\x03\x04\x14\0\1\0")
    yield "zip, cut in its list", whole[: last + 20]
    yield "zip, cut in a member", whole[: len(whole) // 2]
    yield "zip, a list that lies elsewhere", whole[:-6] + struct.pack("<I", 10**8) + whole[-2:]
    yield "zip, 65,535 members promised", whole[:-14] + struct.pack("<HH", 65535, 65535) + whole[-10:]
    yield "zip, zip64 that lies", zip64(whole)
    yield "zip, behind 1 MB of junk", b"junk" * 2**18 + whole
    yield "zip, before 60 kB of junk", whole + b"\0" * 60_000
    yield "zip, a zip in its comment", whole[:-2] + struct.pack("<H", len(whole)) + whole
    yield "zip, not in UTF-8", whole.replace(b"99", b"\xff\xfe")
    yield "zip, 60,000 empty members", zipped([*base, *((f"x/{number}", b"") for number in range(60_000))])
    yield "zip, of nothing", zipped([])


def zip64(whole: bytes) -> bytes:
    """Return a zip with a zip64 record that promises 2^63 members far away."""
    end = whole.rindex(b"PK\x05\x06")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 2**63, 2**63, 2**62, 2**62)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    counts = struct.pack("<HHII", 65535, 65535, LIMIT, LIMIT)
    return whole[:end] + record + locator + whole[end : end + 8] + counts + b"\0\0"


def bombs(base: Sequence[Member], named: Named, picture: bytes) -> Iterator[Hostile]:
    """Yield archives that are small and unpack to much."""
    yield "zip, a member of 80 MB in 80 kB", deflated(base, named("99"), bytes(MUCH))
    yield "zip, 80 MB in 80 kB that claims 1 kB", claimed(deflated(base, named("99"), bytes(MUCH)), 1000)
    inner = zipped([(named("98"), picture)])
    for _ in range(8):
        inner = zipped([(f"{number}.zip", inner) for number in range(4)], zipfile.ZIP_DEFLATED)
    yield "zip, 4^8 zips nested 8 deep", zipped([*base, ("nested.zip", inner)])
    yield "zip, an archive in it of 80 MB in 80 kB", deflated(base, "nested.zip", bytes(MUCH))
    large = gzip.compress(tarred([("x", bytes(MUCH))]), 1)
    yield "zip, a tar.gz in it of 80 MB", zipped([*base, ("nested.tar.gz", large)])
    yield "zip, 500 members that share one place", overlapping(base, named, picture)
    yield "tar.gz, 80 MB in 80 kB", gzip.compress(tarred([*base, (named("99"), bytes(MUCH))]), 1)


def deflated(base: Sequence[Member], name: str, content: bytes) -> bytes:
    """Return a zip with one packed member behind the good ones."""
    return zipped([*base, (name, content)], zipfile.ZIP_DEFLATED)


def claimed(whole: bytes, size: int) -> bytes:
    """Return a zip whose last member claims to be so long."""
    changed = bytearray(whole)
    struct.pack_into("<I", changed, whole.rindex(b"PK\x01\x02") + 24, size)
    return bytes(changed)


def overlapping(base: Sequence[Member], named: Named, picture: bytes) -> bytes:
    """Return a zip whose list names one member 500 times."""
    whole = zipped([*base, (named("99"), picture)])
    last, end = whole.rindex(b"PK\x01\x02"), whole.rindex(b"PK\x05\x06")
    entries = whole[last:end] * 499
    count, size = len(base) + 500, struct.unpack_from("<I", whole, end + 12)[0] + len(entries)
    return whole[:end] + entries + whole[end : end + 8] + struct.pack("<HHI", count, count, size) + whole[end + 16 :]


def tars(base: Sequence[Member], named: Named, picture: bytes) -> Iterator[Hostile]:
    """Yield tars with members that are no files, and headers that lie."""
    kinds = {
        "a symbolic link": tarfile.SYMTYPE, "a hard link": tarfile.LNKTYPE, "a device": tarfile.BLKTYPE,
        "a character device": tarfile.CHRTYPE, "a pipe": tarfile.FIFOTYPE, "a sparse member": tarfile.GNUTYPE_SPARSE,
        "a kind nobody knows": b"Z",
    }  # fmt: skip
    for what, kind in kinds.items():
        info = tarfile.TarInfo(named("99"))
        info.type, info.linkname = kind, "/etc/passwd"
        yield f"tar, {what}", tarred(base, info)
    folder = tarfile.TarInfo("linked")
    folder.type, folder.linkname = tarfile.SYMTYPE, "/tmp"
    yield "tar, a file below a linked folder", tarred([], folder)[:512] + tarred([*base, ("linked/1.jpg", picture)])
    yield "tar, a path for all members", tarred(base, pax={"path": "../../" + named("99")})
    yield "tar, a size for all members", tarred(base, pax={"size": "999999999999"})
    yield "tar, a size that is no number", tarred(base, pax={"size": "many"})
    sparse = tarfile.TarInfo(named("99"))
    sparse.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(2**60)}
    yield "tar, sparse by PAX", tarred(base, sparse)
    long = tarfile.TarInfo("x" * 2**20)
    yield "tar, a name of 1 MB", tarred(base, long)
    whole = tarred([*base, (named("99"), picture)])
    for what, size in {"2^60 bytes": b"\x80" + b"\0" * 3 + struct.pack(">Q", 2**60), "-1 byte": b"\xff" * 12}.items():
        yield f"tar, a member of {what}", resized(whole, size)
    yield "tar, cut short", whole[: len(whole) // 2]
    yield "tar, without an end", whole[:-10240]
    yield "tar, a wrong check sum", whole[:148] + b"0000000\0" + whole[156:]


def resized(whole: bytes, size: bytes) -> bytes:
    """Return a tar whose first header holds another size, its check sum made right."""
    header = bytearray(whole[:512])
    header[124:136] = size
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + whole[512:]


def packed(base: Sequence[Member]) -> Iterator[Hostile]:
    """Yield compressed files that are broken, wrong or packed again and again."""
    whole = tarred(base)
    for kind, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        once = pack(whole)
        yield f"tar.{kind}, cut short", once[: len(once) // 2]
        yield f"tar.{kind}, with junk behind it", once + b"junk" * 100
        yield f"tar.{kind}, wrong in the middle", once[: len(once) // 2] + b"\0\xff" * 20 + once[len(once) // 2 + 40 :]
        yield f"{kind}, of no tar", pack(b"a,b\n1,2\n")
        for _ in range(9):
            once = pack(once)
        yield f"tar.{kind}, ten times over", once
    yield "tar.gz, a wrong length", gzip.compress(whole)[:-4] + struct.pack("<I", 1)
    yield "zlib, not gzip", zlib.compress(whole)
    yield "nothing", b""
    yield "zeros", bytes(10240)
    yield "a web page", b"<html>log in</html>"
