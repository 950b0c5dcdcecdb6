"""Content-Encoding: gzip and deflate, of bodies that come and bodies that go."""

import gzip
import zlib

WORTH = 1024  # a smaller response gains nothing
EITHER = zlib.MAX_WBITS | 32  # a gzip or a zlib header


class Bloated(Exception):
    """A body that is larger than allowed once it is decompressed."""


class Damaged(Exception):
    """A body that is not of its encoding, or cut off."""


class Unknown(Exception):
    """An encoding that is not understood."""


def decompress(body: bytes, encoding: str, limit: int) -> bytes:
    """Return the plain body; never more than `limit` bytes are unpacked."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    if name not in ("gzip", "deflate"):
        raise Unknown(f"Content-Encoding {name[:40]} is not understood; send gzip, deflate or none")
    stream = zlib.decompressobj(EITHER)
    try:
        plain = stream.decompress(body, limit + 1)
    except zlib.error as error:
        raise Damaged(f"the body is not {name}: {error}") from error
    if len(plain) > limit:
        raise Bloated(f"The body is larger than {limit / 2**20:g} MB once it is decompressed")
    if not stream.eof or stream.unused_data:
        raise Damaged(f"the body is not one stream of {name}: it is cut off, or something follows it")
    return plain


def compress(body: bytes, accepted: str) -> tuple[bytes, str]:
    """Return a body and its encoding, none where the client accepts none or it is not worth it."""
    parts = (part.partition(";q=") for part in accepted.lower().replace(" ", "").split(","))
    names = [name for name, _, quality in parts if quality.strip("0.") or not quality]
    if len(body) < WORTH:
        return body, ""
    if "gzip" in names:
        return gzip.compress(body, 1, mtime=0), "gzip"
    if "deflate" in names:
        return zlib.compress(body, 1), "deflate"
    return body, ""
