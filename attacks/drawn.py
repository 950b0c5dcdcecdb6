"""Whole pictures of every format and kind that is read here, from which the mutated ones are made."""

import io
from typing import Any

import numpy as np
from PIL import Image

SIZE = (48, 36)


def drawn() -> list[bytes]:
    """Return one small picture of every kind, each a whole and honest file."""
    return [file(kind, mode, **options) for kind, mode, options in KINDS] + [animated("GIF"), animated("WEBP"), exif()]


KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {"quality": 85}),
    ("JPEG", "RGB", {"progressive": True, "subsampling": 0}),
    ("JPEG", "RGB", {"restart_marker_rows": 1, "icc_profile": b"profile" * 40}),
    ("JPEG", "L", {}),
    ("JPEG", "CMYK", {}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "LA", {}),
    ("PNG", "P", {"transparency": 0}),
    ("PNG", "1", {}),
    ("PNG", "I;16", {}),
    ("GIF", "P", {"transparency": 0}),
    ("BMP", "RGB", {}),
    ("BMP", "P", {}),
    ("BMP", "1", {}),
    ("TIFF", "RGB", {}),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    ("TIFF", "RGB", {"compression": "jpeg"}),
    ("TIFF", "1", {"compression": "group4"}),
    ("TIFF", "I;16", {"compression": "tiff_deflate"}),
    ("TIFF", "CMYK", {}),
    ("WEBP", "RGB", {"quality": 70}),
    ("WEBP", "RGBA", {"lossless": True}),
]


def picture(mode: str = "RGB", shift: int = 0) -> Image.Image:
    """Return a smooth picture of 48 x 36 pixels in a mode."""
    coarse = np.random.default_rng(shift).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    smooth = Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC)
    if mode == "I;16":
        return Image.fromarray(np.asarray(smooth.convert("L")).astype(np.uint16) * 257)
    return smooth.convert(mode)


def file(kind: str, mode: str, **options: Any) -> bytes:
    """Return a picture's file."""
    return saved(picture(mode), kind, **options)


def animated(kind: str) -> bytes:
    """Return a file of three frames."""
    first, *others = (picture("RGB", shift) for shift in range(3))
    return saved(first, kind, save_all=True, append_images=others, duration=40, loop=0)


def exif() -> bytes:
    """Return a JPEG turned on its side by its EXIF, which also holds rationals and a text."""
    tags = Image.Exif()
    tags[0x0112], tags[0x011A], tags[0x010E] = 6, 72.0, "a cat"
    return saved(picture(), "JPEG", exif=tags.tobytes())


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Encode a picture."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()
