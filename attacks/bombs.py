"""Pictures made to hurt: few bytes that claim or unpack to many, files of two formats at once, and impostors."""

import struct
import zlib
from collections.abc import Iterator
from functools import cache

from attacks.drawn import animated, file, picture, saved
from attacks.formats import PNG, chunk

Named = tuple[str, bytes]


@cache
def crafted() -> tuple[Named, ...]:
    """Return every hostile picture that is made by hand, with a name that says what it is."""
    return (*bombs(), *frames(), *pages(), *polyglots(), *impostors())


def png(width: int, height: int, depth: int = 8, colour: int = 2, extra: bytes = b"", whole: bool = True) -> bytes:
    """Return a black PNG of any size, its rows compressed a thousandfold; not whole: its pixels end at once."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\0" * (1 + (width * samples * depth + 7) // 8)
    packer = zlib.compressobj(1)
    body = b"".join(packer.compress(row) for _ in range(height if whole else 1)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    palette = chunk(b"PLTE", bytes(range(6))) if colour == 3 else b""
    return PNG + chunk(b"IHDR", header) + extra + palette + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def text(name: bytes, size: int) -> bytes:
    """Return a compressed text chunk that unpacks to so many bytes."""
    keys = {b"zTXt": b"comment\0\0", b"iTXt": b"comment\0\1\0\0\0", b"iCCP": b"profile\0\0"}
    return chunk(name, keys[name] + zlib.compress(b"a" * size, 9))


def bombs() -> Iterator[Named]:
    """Yield pictures that are small as files and large in memory, by their header or in spite of it."""
    yield "PNG of 30,000 x 30,000 pixels, 1 bit", png(30_000, 30_000, 1, 0)
    yield "PNG of 30,000 x 30,000 pixels, cut short", png(30_000, 30_000, whole=False)
    yield "PNG of 2^31 - 1 pixels a side", tall(2**31 - 1)
    yield "PNG of 1 x 25,000,001 pixels", png(1, 25_000_001, 1, 0, whole=False)
    yield "PNG of 24,999,999 x 1 pixels", png(24_999_999, 1, 1, 0)
    yield "PNG of 25 megapixels, RGBA", png(5000, 5000, 8, 6)
    yield "PNG of 25 megapixels, 16 bits", png(5000, 5000, 16, 0)
    for name in (b"zTXt", b"iTXt", b"iCCP"):
        yield f"PNG with {name.decode()} of 60 MB", png(8, 8, extra=text(name, 60_000_000))
    yield "PNG with 100 zTXt of 1 MB", png(8, 8, extra=text(b"zTXt", 1_000_000) * 100)
    yield "PNG with 20,000 chunks", png(8, 8, extra=chunk(b"tEXt", b"a\0b") * 20_000)
    yield (
        "PNG with 50 MB more pixels than it says",
        png(8, 8)[:-12] + chunk(b"IDAT", zlib.compress(b"\0" * 50_000_000)),
    )


def tall(side: int) -> bytes:
    """Return a PNG that claims so many pixels a side and holds one row of eight."""
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return PNG + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


def frames() -> Iterator[Named]:
    """Yield animations and page files with more than anyone needs."""
    gif = animated("GIF")
    image = gif.rfind(b"\x21\xf9\x04")
    yield "GIF of 2,000 frames", gif[:image] + gif[image:-1] * 2_000 + b";"
    yield "GIF with a screen of 65,535 x 65,535", gif[:6] + b"\xff" * 4 + gif[10:]
    yield "GIF whose comment never ends", gif[:-1] + b"\x21\xfe" + (b"\xff" + b"a" * 255) * 4000
    yield "GIF without any frame", gif[:13] + b";"


def pages() -> Iterator[Named]:
    """Yield TIFFs whose tags ask for more than their pixels need, or lead nowhere."""
    whole = bytearray(file("TIFF", "RGB"))
    (start,) = struct.unpack_from("<I", whole, 4)
    following = start + 2 + 12 * struct.unpack_from("<H", whole, start)[0]
    whole[following : following + 4] = struct.pack("<I", start)
    yield "TIFF whose directories go in a circle", bytes(whole)
    for packing, name in ((1, "plain"), (5, "LZW"), (7, "JPEG"), (8, "deflate")):
        yield (
            f"TIFF of one tile of 65,536 x 65,536, {name}",
            tiff({259: packing, 322: 65536, 323: 65536, 324: 8, 325: 9}),
        )
        yield f"TIFF of 4,096 samples a pixel, {name}", tiff({259: packing, 277: 4096, 273: 8, 279: 9})
        yield f"TIFF of strips of 2^32 - 1 bytes, {name}", tiff({259: packing, 273: 8, 278: 2**32 - 1, 279: 2**32 - 1})


def tiff(tags: dict[int, int]) -> bytes:
    """Return a grey TIFF of 48 x 36 pixels with these tags too, each a number, and next to no pixels."""
    whole = {256: 48, 257: 36, 258: 8, 259: 1, 262: 1, 277: 1} | tags
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in sorted(whole.items()))
    return b"II*\0" + struct.pack("<IH", 8, len(whole)) + entries + bytes(64)


def polyglots() -> Iterator[Named]:
    """Yield files that are a picture and something else."""
    jpeg, whole, gif = file("JPEG", "RGB"), file("PNG", "RGB"), file("GIF", "P")
    page = b"<script>alert(1)</script>"
    yield "JPEG and ZIP", jpeg + b"PK\x05\x06" + b"\0" * 18
    comment = b"\xff\xfe" + struct.pack(">H", len(page) + 2) + page
    yield "JPEG with a web page in its comment", jpeg[:2] + comment + jpeg[2:]
    yield "JPEG and PNG", jpeg + whole
    yield "PNG and JPEG", whole + jpeg
    yield "PNG and pickle", whole + b"\x80\x04cposix\nsystem\n."
    yield "GIF and JavaScript", b"GIF89a=1;/*" + gif[11:] + b"*/alert(1)"
    yield "JPEG in a JPEG's thumbnail, 200 deep", deep(jpeg)


def deep(jpeg: bytes) -> bytes:
    """Return a JPEG with 200 comments, each a JPEG."""
    comment = b"\xff\xfe" + struct.pack(">H", len(jpeg) + 2) + jpeg
    return jpeg[:2] + comment * 200 + jpeg[2:]


def impostors() -> Iterator[Named]:
    """Yield what is no picture, or none of a format that is read here."""
    yield "nothing", b""
    yield "one byte", b"\xff"
    yield "zeros", b"\0" * 4096
    yield "text", b"not a picture\n" * 100
    yield "PDF", b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n"
    yield "SVG", b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
    yield "EPS", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"
    yield "HEIC", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 64
    yield "ICO", saved(picture(), "ICO")
    yield "PPM of 2^31 pixels a side", b"P6 2147483647 2147483647 255\n" + b"\0" * 64
    yield "FITS", b"SIMPLE  =                    T".ljust(2880)
    for name, magic in MAGICS.items():
        yield f"only the first bytes of a {name}", magic
        yield f"the first bytes of a {name}, then noise", magic + bytes(range(256)) * 16


MAGICS = {
    "JPEG": b"\xff\xd8\xff\xe0", "PNG": PNG, "GIF": b"GIF89a", "BMP": b"BM", "TIFF": b"II*\0",
    "big-endian TIFF": b"MM\0*", "BigTIFF": b"II+\0\x08\0\0\0", "WebP": b"RIFF\x10\0\0\0WEBPVP8 ",
}  # fmt: skip
