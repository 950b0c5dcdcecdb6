"""Pictures drawn by the project: animals that differ in ears, snout and whiskers, and in nothing else on purpose.

Everything a photograph varies, varies here too: pose, scale, coat, light, background, blur, noise, JPEG quality,
size. A picture is a function of (seed, number).
"""

import io
import math
from collections.abc import Iterator, Sequence
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from stages.config.schema import Synthetic
from stages.core.concurrency import create_process_pool
from stages.core.console import track

CANVAS = 256
Point = tuple[float, float]
Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]


class Sitter(Protocol):
    """Whoever has a portrait."""

    def portrait(self, rng: np.random.Generator) -> Image.Image:
        """Draw head and shoulders, upright and facing the viewer, on a transparent canvas."""


@dataclass(frozen=True)
class Animal:
    """What tells one kind from another."""

    name: str
    ears: str
    snout: float
    whiskers: bool

    def portrait(self, rng: np.random.Generator) -> Image.Image:
        """Draw head and shoulders, upright and facing the viewer, on a transparent canvas."""
        return portrait(rng, self)


CAT = Animal("cat", ears="pointed", snout=0.16, whiskers=True)
DOG = Animal("dog", ears="floppy", snout=0.36, whiskers=False)
FOX = Animal("fox", ears="pointed", snout=0.36, whiskers=False)


def drawings(animals: Sequence[Sitter], spec: Synthetic, seed: int) -> Iterator[bytes]:
    """Yield one JPEG for each animal, drawn on all cores, in order."""
    jobs = [(animal, spec.smallest, spec.largest, seed, number) for number, animal in enumerate(animals)]
    with create_process_pool() as pool:
        yield from track(pool.map(photograph, jobs, chunksize=16), len(jobs), "drawing")


def broken(number: int, sample: bytes) -> bytes:
    """Return a file that is no picture: truncated, empty, text, or a header with nothing behind it."""
    return (sample[: len(sample) // 3], b"", b"<html>404 Not Found</html>", b"\x89PNG\r\n\x1a\n" + bytes(64))[
        number % 4
    ]


def photograph(job: tuple[Sitter, int, int, int, int]) -> bytes:
    """Draw one animal on a background and encode it as JPEG."""
    animal, smallest, largest, seed, number = job
    rng = np.random.default_rng((seed, number))
    longest = int(rng.integers(max(smallest, largest // 2), largest + 1))
    shortest = max(smallest, int(longest * rng.uniform(0.6, 1)))
    size = (longest, shortest) if rng.random() < 0.7 else (shortest, longest)
    picture = scenery(rng, size)
    figure = pose(rng, animal.portrait(rng), min(size))
    place = [int(rng.uniform(-0.08, 1.08) * (whole - part)) for whole, part in zip(size, figure.size, strict=True)]
    picture.paste(figure, (place[0], place[1]), figure)
    picture = develop(rng, picture)
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(50, 96)))
    return file.getvalue()


def scenery(rng: np.random.Generator, size: tuple[int, int]) -> Image.Image:
    """Return a background: soft blotches of colour and a few plain shapes that mean nothing."""
    rows, columns = (int(count) for count in rng.integers(2, 6, 2))
    blotches = np.array([[colour(rng) for _ in range(columns)] for _ in range(rows)], dtype=np.uint8)
    picture = Image.fromarray(blotches).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(0, 7))):
        x, y = rng.uniform(-0.2, 1, 2) * size
        w, h = rng.uniform(0.05, 0.4, 2) * size
        box = (float(x), float(y), float(x + w), float(y + h))
        (pen.ellipse, pen.rectangle, partial(triangle, pen))[int(rng.integers(3))](box, fill=colour(rng))
    return picture


def triangle(pen: ImageDraw.ImageDraw, box: Box, fill: Colour) -> None:
    """Draw a triangle into a box."""
    left, top, right, bottom = box
    pen.polygon([(left, bottom), (right, bottom), ((left + right) / 2, top)], fill=fill)


def colour(rng: np.random.Generator) -> Colour:
    """Return a colour of any hue, rarely a loud one."""
    red, green, blue = hsv_to_rgb(rng.random(), rng.uniform(0.1, 0.65), rng.uniform(0.25, 0.95))
    return int(255 * red), int(255 * green), int(255 * blue)


def shade(base: Colour, factor: float) -> Colour:
    """Return a colour made lighter (> 1) or darker (< 1)."""
    red, green, blue = (max(0, min(255, int(part * factor))) for part in base)
    return red, green, blue


def portrait(rng: np.random.Generator, animal: Animal) -> Image.Image:
    """Draw head and shoulders, upright and facing the viewer, on a transparent canvas."""
    layer = Image.new("RGBA", (CANVAS, CANVAS), (0, 0, 0, 0))
    pen = ImageDraw.Draw(layer)
    coat = colour(rng)
    inner = shade(coat, float(rng.uniform(0.55, 1.6)))
    wide, high = rng.uniform(52, 68), rng.uniform(50, 64)
    centre = (CANVAS / 2, CANVAS * 0.46)
    oval(pen, (CANVAS / 2, CANVAS * 0.98), wide * rng.uniform(1.0, 1.4), high * 1.5, shade(coat, 0.9))
    if animal.ears == "pointed":
        ears(rng, pen, centre, wide, high, coat, inner)
    oval(pen, centre, wide, high, coat)
    markings(rng, pen, centre, wide, high, inner)
    if animal.ears == "floppy":
        lops(rng, pen, centre, wide, high, shade(coat, float(rng.uniform(0.5, 0.85))))
    face(rng, pen, animal, centre, wide, high, inner)
    return layer


def oval(pen: ImageDraw.ImageDraw, centre: Point, wide: float, high: float, fill: Colour) -> None:
    """Draw an ellipse by its centre and half axes."""
    x, y = centre
    pen.ellipse((x - wide, y - high, x + wide, y + high), fill=fill)


def ears(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, centre: Point, wide: float, high: float,
    coat: Colour, inner: Colour,
) -> None:  # fmt: skip
    """Draw two ears that stand up to a point."""
    x, y = centre
    rise = rng.uniform(0.75, 1.05) * high
    for side in (-1, 1):
        for scale, fill in ((1.0, coat), (0.55, inner)):
            base = [(x + side * wide * 0.55 + d * wide * 0.45 * scale, y - high * 0.55) for d in (-1, 1)]
            pen.polygon([*base, (x + side * wide * 0.8, y - high * 0.55 - rise * scale)], fill=fill)


def lops(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, centre: Point, wide: float, high: float, fill: Colour
) -> None:
    """Draw two ears that hang down beside the head."""
    x, y = centre
    length = rng.uniform(0.7, 1.0) * high
    for side in (-1, 1):
        oval(pen, (x + side * wide * 0.98, y - high * 0.2 + length * 0.5), wide * 0.3, length, fill)


def markings(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, centre: Point, wide: float, high: float, fill: Colour
) -> None:
    """Draw patches or stripes; both kinds may have them."""
    x, y = centre
    for _ in range(int(rng.integers(0, 4))):
        dx, dy = rng.uniform(-0.5, 0.5, 2)
        thin = rng.uniform(0.06, 0.3)
        oval(pen, (x + dx * wide, y + dy * high), wide * thin, high * rng.uniform(0.1, 0.3), fill)


def face(
    rng: np.random.Generator, pen: ImageDraw.ImageDraw, animal: Animal, centre: Point,
    wide: float, high: float, muzzle: Colour,
) -> None:  # fmt: skip
    """Draw eyes, snout, nose and, where the animal has them, whiskers."""
    x, y = centre
    iris = colour(rng)
    for side in (-1, 1):
        eye = (x + side * wide * 0.4, y - high * 0.18)
        oval(pen, eye, wide * 0.15, high * 0.13, shade(iris, 1.3))
        oval(pen, eye, wide * (0.05 if animal.whiskers else 0.1), high * 0.11, (10, 10, 10))
    tip = (x, y + high * (0.2 + animal.snout))
    oval(
        pen,
        (x, y + high * (0.3 + animal.snout / 2)),
        wide * (0.22 + animal.snout * 0.6),
        high * animal.snout * 1.5,
        muzzle,
    )
    oval(pen, tip, wide * (0.06 + animal.snout * 0.3), high * (0.05 + animal.snout * 0.2), (25, 20, 20))
    if animal.whiskers:
        ink = shade((200, 200, 200), float(rng.uniform(0.1, 1.25)))
        for side in (-1, 1):
            for tilt in (-0.25, 0.0, 0.25):
                end = (x + side * wide * 1.35, tip[1] + high * tilt)
                pen.line([(x + side * wide * 0.2, tip[1]), end], fill=ink, width=2)


def pose(rng: np.random.Generator, figure: Image.Image, room: int) -> Image.Image:
    """Turn, mirror, stretch and scale a figure to a share of the room (pixels)."""
    if rng.random() < 0.5:
        figure = figure.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    share = rng.uniform(0.65, 1.15) * room
    width, height = int(share * rng.uniform(0.85, 1.15)), int(share)
    figure = figure.resize((width, height), Image.Resampling.BILINEAR)
    return figure.rotate(float(rng.normal(0, 14)), Image.Resampling.BILINEAR, expand=True)


def develop(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Light from one side, exposure, blur and sensor noise."""
    width, height = picture.size
    angle = rng.uniform(0, 2 * math.pi)
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    light = 1 + rng.uniform(0, 0.35) * (math.cos(angle) * x[None, :] + math.sin(angle) * y[:, None])
    pixels = np.asarray(picture, np.float32) * (light * rng.uniform(0.6, 1.3)).astype(np.float32)[..., None]
    coarse = rng.normal(0, rng.uniform(0, 14), (height // 2 + 1, width // 2 + 1)).astype(np.float32)
    pixels += np.repeat(np.repeat(coarse, 2, 0), 2, 1)[:height, :width, None]
    lit = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return lit.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 1.6) * max(picture.size) / 400)))
