"""What kind of picture bytes are, told by how they begin; whether all of it can be decoded shows in preprocess."""

import re

from stages.core.errors import UserError

KINDS = {
    "jpg": re.compile(rb"\xff\xd8\xff"),
    "png": re.compile(rb"\x89PNG\r\n\x1a\n"),
    "webp": re.compile(rb"RIFF....WEBP", re.DOTALL),
    "gif": re.compile(rb"GIF8[79]a"),
    "tif": re.compile(rb"II[*+]\0|MM\0[*+]"),
    "bmp": re.compile(rb"BM"),
}
PAGE = re.compile(rb"\s*<(!doctype|html|head|body|\?xml|svg)", re.IGNORECASE)
LONGEST = 256


def kind(content: bytes) -> str:
    """Return the suffix for a picture's bytes, or raise a UserError for what is none."""
    start = content[:LONGEST].removeprefix(b"\xef\xbb\xbf")
    for suffix, magic in KINDS.items():
        if magic.match(content):
            return suffix
    if not content:
        raise UserError("empty")
    found = "a page (HTML or XML), no picture" if PAGE.match(start) else "not one of"
    raise UserError(found if PAGE.match(start) else f"{found} {', '.join(KINDS)}")
