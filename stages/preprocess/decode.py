"""The one decode and resize: preprocess, predict and the services all call `pixels`, so they cannot drift apart.

Needs Pillow and NumPy only; package puts this very file into other servers' archives, where Python may be 3.9.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from functools import partial

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

# Image.open(formats=…) knows a format only once its plugin is imported.
from PIL import (  # isort: skip
    BmpImagePlugin,  # noqa: F401
    GifImagePlugin,  # noqa: F401
    JpegImagePlugin,  # noqa: F401
    PngImagePlugin,  # noqa: F401
    TiffImagePlugin,  # noqa: F401
    WebPImagePlugin,  # noqa: F401
)

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = 25_000_000
REDUCING_GAP = 2.0
BAND = 2**20  # pixels that are laid on white at once: a large picture is then held twice, not five times

Pixels = npt.NDArray[np.uint8]

# Pillow warns about large pictures while it opens them; `header` refuses them by its own, lower limit.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")


class Undecodable(ValueError):
    """Bytes that are no picture, or a broken one; the message says which."""


class NotAPicture(Undecodable):
    """Bytes of no format that is read here."""


class TooLarge(Undecodable):
    """A picture with more pixels than allowed, refused by its header."""


def header(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Open a picture without decoding it, or raise Undecodable or TooLarge."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise NotAPicture("empty" if not data else f"not one of {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders raise anything on hostile bytes
        raise Undecodable(f"broken header: {error}") from error
    if image.width * image.height > max_pixels:
        raise TooLarge(f"{image.width} x {image.height} pixels, more than {max_pixels / 1e6:g} megapixels")
    return image


def decode(data: bytes, size: int | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Return an upright RGB picture: first frame, EXIF orientation applied, transparency on white.

    With `size`, a large JPEG is decoded at 1/2, 1/4 or 1/8, never below 2 x size (DCT scaling): much faster,
    and after the resize within 1.5 grey levels on average of the full decode.
    """
    return render(header(data, max_pixels), size)


def render(image: Image.Image, size: int | None = None) -> Image.Image:
    """Decode an opened picture, as `decode` says."""
    try:
        if size is not None:
            image.draft("RGB", (int(REDUCING_GAP * size),) * 2)
        image.load()
        return to_rgb(upright(image))
    except Exception as error:  # decoders raise anything on hostile bytes
        raise Undecodable(f"broken {image.format}: {error}") from error


def upright(image: Image.Image) -> Image.Image:
    """Apply the EXIF orientation; EXIF that cannot be read counts as none. A picture that is upright is not copied."""
    try:
        turned = image.getexif().get(ExifTags.Base.Orientation, 1) != 1
        return ImageOps.exif_transpose(image) if turned else image
    except Exception:  # broken EXIF beside intact pixels
        return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert any mode to RGB: 16 bits scaled to 8, transparency laid on white."""
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if image.mode.startswith("I"):
        shift = 8 if np.max(image.getextrema()) > 255 else 0
        return banded(image, partial(shallow, shift=shift))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return banded(image, on_white)
    return image if image.mode == "RGB" else image.convert("RGB")


def banded(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Return an RGB picture, converted a few rows at a time."""
    whole, rows = Image.new("RGB", image.size), max(1, BAND // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        whole.paste(convert(band), (0, top))
    return whole


def shallow(band: Image.Image, shift: int) -> Image.Image:
    """Return deep grey pixels as 8 bits."""
    return Image.fromarray((np.asarray(band) >> shift).astype(np.uint8)).convert("RGB")


def on_white(band: Image.Image) -> Image.Image:
    """Return pixels with their transparency laid on white."""
    opaque = Image.new("RGBA", band.size, "white")
    return Image.alpha_composite(opaque, band.convert("RGBA")).convert("RGB")


def fit(image: Image.Image, size: int, resize: str) -> Image.Image:
    """Return a size x size picture: squashed (bilinear), or shrunk to fit and centred on black (Lanczos)."""
    if resize == "squash":
        return image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    scale = min(1.0, size / image.width, size / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(inner, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    canvas = Image.new("RGB", (size, size))
    canvas.paste(small, ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return canvas


def pixels(data: bytes, size: int, resize: str, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Return an encoded picture as uint8, size x size x 3 (RGB), or raise Undecodable or TooLarge."""
    return np.asarray(fit(decode(data, size, max_pixels), size, resize))
