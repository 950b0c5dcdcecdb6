"""Where a picture's file has its parts and its numbers: what a mutation can move about or set to extremes."""

import struct
import zlib
from dataclasses import dataclass

Span = tuple[int, int]
PNG = b"\x89PNG\r\n\x1a\n"
STANDALONE = {0x01, *range(0xD0, 0xD9)}  # JPEG markers without a length
FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class Field:
    """A number in a header: where it lies and how struct writes it."""

    name: str
    offset: int
    code: str


def parts(data: bytes) -> list[Span]:
    """Return start and end of every part of a file: JPEG segments, PNG and RIFF chunks, otherwise eighths."""
    found: list[Span] = []
    if data.startswith(PNG):
        found = [(start, start + 12 + length) for start, length in chunks(data, 8, ">")]
    elif data.startswith(b"RIFF"):
        found = [(start, start + 8 + length + length % 2) for start, length in chunks(data, 12, "<")]
    elif data.startswith(b"\xff\xd8"):
        found = segments(data)
    step = max(1, len(data) // 8)
    whole = [(start, min(start + step, len(data))) for start in range(0, len(data), step)]
    return found if len(found) > 2 else whole


def chunks(data: bytes, start: int, order: str) -> list[Span]:
    """Return place and length of PNG chunks (length, name, …) or RIFF chunks (name, length, …)."""
    found = []
    while start + 8 <= len(data):
        (length,) = struct.unpack_from(f"{order}I", data, start if order == ">" else start + 4)
        found.append((start, length))
        start += length + (12 if order == ">" else 8 + length % 2)
    return found


def segments(data: bytes) -> list[Span]:
    """Return start and end of a JPEG's segments; a scan's pixels belong to its last one."""
    found, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF:
        length = 0 if data[at + 1] in STANDALONE else int.from_bytes(data[at + 2 : at + 4], "big")
        end = at + 2 + length
        if data[at + 1] == 0xDA:
            while end < len(data) - 1 and not (data[end] == 0xFF and data[end + 1] not in {0, *range(0xD0, 0xD8)}):
                end += 1
        found.append((at, min(end, len(data))))
        at = end
    return found


def fields(data: bytes) -> list[Field]:
    """Return the numbers of a file's headers, none of a format that is not known here."""
    for magic, reader in READERS.items():
        if data.startswith(magic):
            return [one for one in reader(data) if one.offset + struct.calcsize(one.code) <= len(data)]
    return []


def jpeg_fields(data: bytes) -> list[Field]:
    """Return a JPEG's segment lengths, sizes, precisions, sampling factors, tables and scan parameters."""
    found = []
    for start, _ in segments(data):
        marker, body = data[start + 1] if start + 1 < len(data) else 0, start + 4
        found.append(Field(f"length of {marker:02x}", start + 2, ">H"))
        if marker in FRAMES:
            found += [Field("kind of frame", start + 1, "B"), Field("precision", body, "B")]
            found += [Field("height", body + 1, ">H"), Field("width", body + 3, ">H"), Field("colours", body + 5, "B")]
            found += [Field("sampling", body + 7 + 3 * colour, "B") for colour in range(3)]
        elif marker in (0xDA, 0xDB, 0xC4, 0xDD):
            found += [Field(f"byte {place} of {marker:02x}", body + place, "B") for place in range(12)]
        elif marker == 0xE1:
            found += [Field(f"EXIF byte {place}", body + place, "B") for place in range(6, 60)]
        elif marker == 0xEE:
            found.append(Field("Adobe's transform", body + 11, "B"))
    return found


def png_fields(data: bytes) -> list[Field]:
    """Return a PNG's IHDR and every chunk's length."""
    header = [Field("width", 16, ">I"), Field("height", 20, ">I")]
    names = ("depth", "colour type", "compression", "filter", "interlace")
    header += [Field(name, 24 + place, "B") for place, name in enumerate(names)]
    return header + [Field("length of a chunk", start, ">I") for start, _ in chunks(data, 8, ">")]


def gif_fields(data: bytes) -> list[Field]:
    """Return a GIF's screen, flags and first image descriptor."""
    names = ("screen width", "screen height")
    found = [Field(name, 6 + 2 * place, "<H") for place, name in enumerate(names)]
    found += [Field("flags", 10, "B"), Field("background", 11, "B")]
    image = data.find(b"\x2c", 13 + 3 * (2 << (data[10] & 7)) if len(data) > 10 else 13)
    found += [Field(f"image field {place}", image + 1 + 2 * place, "<H") for place in range(4)] if image > 0 else []
    return found + ([Field("image flags", image + 9, "B"), Field("code size", image + 10, "B")] if image > 0 else [])


def bmp_fields(_: bytes) -> list[Field]:
    """Return a BMP's file and picture headers."""
    longs = {"file size": 2, "offset of pixels": 10, "header size": 14, "compression": 30, "size of pixels": 34}
    longs |= {"colours": 46, "important": 50}
    found = [Field(name, offset, "<I") for name, offset in longs.items()]
    found += [Field("width", 18, "<i"), Field("height", 22, "<i")]
    return [*found, Field("planes", 26, "<H"), Field("bits", 28, "<H")]


def tiff_fields(data: bytes) -> list[Field]:
    """Return the first directory's place and length, and of each entry its tag, type, count and value."""
    order = "<" if data.startswith(b"II") else ">"
    if len(data) < 8:
        return []
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    found = [Field("place of the directory", 4, f"{order}I"), Field("entries", start, f"{order}H")]
    for entry in range(int.from_bytes(data[start : start + 2], "little" if order == "<" else "big")):
        at = start + 2 + 12 * entry
        found += [Field(f"{name} {entry}", at + place, f"{order}{code}") for name, place, code in ENTRY]
    return found


ENTRY = (("tag", 0, "H"), ("type", 2, "H"), ("count", 4, "I"), ("value", 8, "I"))


def webp_fields(data: bytes) -> list[Field]:
    """Return a WebP's sizes, every chunk's length and the first bytes of its first chunks."""
    found = [Field("size of the file", 4, "<I")]
    for start, _ in chunks(data, 12, "<")[:4]:
        found.append(Field("length of a chunk", start + 4, "<I"))
        found += [Field(f"byte {place} of a chunk", start + 8 + place, "B") for place in range(10)]
    return found


READERS = {
    b"\xff\xd8": jpeg_fields,
    PNG: png_fields,
    b"GIF": gif_fields,
    b"BM": bmp_fields,
    b"II": tiff_fields,
    b"MM": tiff_fields,
    b"RIFF": webp_fields,
}


def chunk(name: bytes, content: bytes) -> bytes:
    """Return a PNG chunk with the right length and check sum."""
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def checked(data: bytes) -> bytes:
    """Return a PNG with its first chunk's check sum made right, so that a reader believes its header."""
    if not data.startswith(PNG) or len(data) < 33:
        return data
    return data[:29] + struct.pack(">I", zlib.crc32(data[12:29])) + data[33:]
