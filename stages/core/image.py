"""The one way from an encoded image to pixels: training, the command line and every service call `pixels`.

This file is copied into TorchServe archives and runs there alone: Python 3.9, Pillow and NumPy, nothing else.
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
REDUCING_GAP = 2.0  # a large image is first reduced to this multiple of its final size, by a faster method
BAND_PIXELS = 2**20  # converted at once: a large image is then held twice in memory, not five times

Pixels = npt.NDArray[np.uint8]

# Pillow warns about large images while it opens them; `header` refuses them by its own, lower limit.
Image.MAX_IMAGE_PIXELS = None
warnings.filterwarnings("ignore", category=UserWarning, module="PIL")


class Undecodable(ValueError):
    """The bytes are not an image that can be decoded; the message says why."""


class NotAPicture(Undecodable):
    """The bytes are in none of `FORMATS`."""


class TooLarge(Undecodable):
    """The image has more pixels than allowed, by its header."""


def pixels(data: bytes, size: int, mode: str, max_pixels: int = MAX_PIXELS) -> Pixels:
    """Decodes and resizes an image.

    Args:
        data: The encoded image.
        size: Height and width of the result.
        mode: How the image is made square, see `resize`.
        max_pixels: Larger images are refused before they are decoded.

    Returns:
        RGB, size x size x 3.

    Raises:
        Undecodable: The data is broken, not an image, or too large; see its subclasses.
    """
    return np.asarray(resize(decode(data, size, max_pixels), size, mode))


def decode(data: bytes, size: int | None = None, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decodes an image to RGB: its first frame, upright by its EXIF orientation, transparency on white.

    Args:
        data: The encoded image.
        size: The size it will be resized to, if known. A large JPEG is then decoded at 1/2, 1/4 or 1/8 of its size,
            never below 2 x `size` (DCT scaling). That is much faster, and after resizing the mean difference to a full
            decode is at most 1.5 gray levels.
        max_pixels: Larger images are refused before they are decoded.

    Raises:
        Undecodable: The data is broken, not an image, or too large; see its subclasses.
    """
    return load_rgb(header(data, max_pixels), size)


def header(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Opens an image without decoding its pixels.

    Raises:
        Undecodable: The header is broken, in none of `FORMATS`, or announces more than `max_pixels`.
    """
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise NotAPicture("empty" if not data else f"not one of {', '.join(FORMATS)}") from None
    except Exception as error:  # decoders raise anything on hostile bytes
        raise Undecodable(f"broken header: {error}") from error
    if image.width * image.height > max_pixels:
        raise TooLarge(f"{image.width} x {image.height} pixels, more than {max_pixels / 1e6:g} megapixels")
    return image


def load_rgb(image: Image.Image, size: int | None = None) -> Image.Image:
    """Decodes the pixels of an image that `header` opened; see `decode`."""
    try:
        if size is not None:
            image.draft("RGB", (int(REDUCING_GAP * size),) * 2)
        image.load()
        return _convert_to_rgb(_apply_exif_orientation(image))
    except Exception as error:  # decoders raise anything on hostile bytes
        raise Undecodable(f"broken {image.format}: {error}") from error


def resize(image: Image.Image, size: int, mode: str) -> Image.Image:
    """Makes an image square.

    Args:
        image: An RGB image.
        size: Height and width of the result.
        mode: "squash" stretches it (bilinear); otherwise it is shrunk to fit and centered on black (Lanczos).
    """
    if mode == "squash":
        return image.resize((size, size), Image.Resampling.BILINEAR, reducing_gap=REDUCING_GAP)
    scale = min(1.0, size / image.width, size / image.height)
    inner = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    small = image.resize(inner, Image.Resampling.LANCZOS, reducing_gap=REDUCING_GAP)
    canvas = Image.new("RGB", (size, size))
    canvas.paste(small, ((size - inner[0]) // 2, (size - inner[1]) // 2))
    return canvas


def _apply_exif_orientation(image: Image.Image) -> Image.Image:
    try:
        # Asked first, as exif_transpose copies an image that is upright already.
        upright = image.getexif().get(ExifTags.Base.Orientation, 1) == 1
        return image if upright else ImageOps.exif_transpose(image)
    except Exception:  # broken EXIF beside intact pixels
        return image


def _convert_to_rgb(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels")
    if image.mode.startswith("I"):  # 16 or 32 bits: scaled, where Pillow would clip
        shift = 8 if np.max(image.getextrema()) > 255 else 0
        return _convert_in_bands(image, partial(_reduce_depth, shift=shift))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _convert_in_bands(image, _flatten_alpha)
    return image if image.mode == "RGB" else image.convert("RGB")


def _convert_in_bands(image: Image.Image, convert: Callable[[Image.Image], Image.Image]) -> Image.Image:
    converted, rows = Image.new("RGB", image.size), max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, rows):
        band = image.crop((0, top, image.width, min(top + rows, image.height)))
        converted.paste(convert(band), (0, top))
    return converted


def _reduce_depth(band: Image.Image, shift: int) -> Image.Image:
    return Image.fromarray((np.asarray(band) >> shift).astype(np.uint8)).convert("RGB")


def _flatten_alpha(band: Image.Image) -> Image.Image:
    white = Image.new("RGBA", band.size, "white")
    return Image.alpha_composite(white, band.convert("RGBA")).convert("RGB")
