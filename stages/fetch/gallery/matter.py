"""Matter and light: what techniques render with, on arrays of colours, 0 to 1."""

from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

from stages.fetch.synthetic import Colour

Field = npt.NDArray[Any]
"""Floats: H x W x 3 where it is colours, else H x W."""

LIGHT = np.array([-0.5, -0.6, 0.62], np.float32)


def tone(image: Image.Image) -> Field:
    """Return how light an image is, 0 to 1."""
    return np.asarray(image.convert("L"), np.float32) / 255


def colours(image: Image.Image) -> Field:
    """Return an image's colours, 0 to 1."""
    return np.asarray(image, np.float32) / 255


def picture(field: Field) -> Image.Image:
    """Return colours, 0 to 1, as an image."""
    return Image.fromarray((np.clip(field, 0, 1) * 255).astype(np.uint8))


def grid(shape: tuple[int, ...]) -> tuple[Field, Field]:
    """Return x and y of every pixel."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    return x, y


def noise(rng: np.random.Generator, shape: tuple[int, ...], cells: int, stretch: float = 1.0) -> Field:
    """Return smooth noise, about -1 to 1, with so many cells across, stretched along x."""
    coarse = rng.normal(0, 0.6, (cells, max(2, int(cells / stretch)))).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def mixed(one: npt.ArrayLike, other: npt.ArrayLike, share: Field) -> Field:
    """Return one colour or image, where share is 1, and the other, where it is 0."""
    amount: Field = share[..., None]
    found: Field = np.asarray(one, np.float32) * amount + np.asarray(other, np.float32) * (1 - amount)
    return found


def part(colour: Colour) -> Field:
    """Return a colour, 0 to 1."""
    return np.array(colour, np.float32) / 255


def lit(height: Field, shine: float) -> tuple[Field, Field]:
    """Return how much light falls on a relief, and how much of it is mirrored."""
    dy, dx = np.gradient(height)
    steep = np.sqrt(dx * dx + dy * dy + 1)
    light = LIGHT / np.linalg.norm(LIGHT)
    half = light + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    diffuse, mirrored = ((x * -dx + y * -dy + z) / steep for x, y, z in (light / light[2], half / half[2]))
    return np.clip(diffuse * light[2], 0, 1), np.clip(mirrored * half[2], 0, 1) ** shine


def smooth(image: Image.Image, radius: float) -> Image.Image:
    """Return an image blurred."""
    return image.filter(ImageFilter.GaussianBlur(radius))


def shown(thing: Image.Image, mask: Field, rng: np.random.Generator) -> Image.Image:
    """Return a thing before a soft backdrop, with its shadow."""
    wide, high = thing.width + 60, thing.height + 60
    x, y = grid((high, wide))
    level, warm = rng.uniform(0.35, 0.88), rng.uniform(-0.03, 0.03)
    wall = level + 0.12 * (1 - y / high) - 0.1 * np.hypot(x / wide - 0.5, y / high - 0.4)
    backdrop = wall[..., None] + np.array([warm, 0, -warm])
    outline = Image.fromarray((mask * 255).astype(np.uint8))
    shade = Image.new("L", (wide, high))
    shade.paste(outline, (38, 42))
    page = picture(backdrop * (1 - 0.5 * tone(smooth(shade, 9))[..., None]))
    page.paste(thing, (30, 30), outline)
    return page


def lathe(rng: np.random.Generator, high: int, knots: int) -> Field:
    """Return the radius of a turned body at every height, shares of the half width."""
    widths = rng.uniform(0.35, 0.95, knots)
    widths[[0, -1]] = rng.uniform(0.25, 0.5), rng.uniform(0.35, 0.6)
    widths[knots // 2] = rng.uniform(0.8, 0.98)
    places = np.linspace(0, high - 1, knots)
    steps = np.interp(np.arange(high), places, widths)
    window = np.hanning(high // knots * 2 + 1)
    return np.convolve(np.pad(steps, len(window) // 2, mode="edge"), window / window.sum(), "valid").astype(np.float32)


def turned_body(texture: Field, radius: Field) -> tuple[Field, Field, Field]:
    """Wrap a texture around a body; return its colours, where it is, and how far each pixel is round the side."""
    high, wide = texture.shape[:2]
    x, _ = grid((high, wide))
    across = (x - wide / 2) / (wide / 2 * radius[:, None])
    inside = np.clip((1 - np.abs(across)) * wide / 4, 0, 1)
    side = np.arcsin(np.clip(across, -1, 1))
    column = ((side / np.pi + 0.5) * (wide - 1)).astype(int)
    return texture[np.arange(high)[:, None], column], inside, side
