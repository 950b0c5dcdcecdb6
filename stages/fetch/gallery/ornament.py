"""Ornaments: motifs, and how they are laid out, as polygons on a plate in whatever colours a technique wants."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from stages.fetch.synthetic import Colour

SIDE = 320  # pixels of a plate
FINE = 2  # a plate is drawn larger by this, so that edges are smooth
Points = npt.NDArray[Any]
Shapes = list[tuple[Points, int]]
"""Polygons in the unit circle, and the number of each one's colour: 0 ground, 1 ink, 2 to 4 others."""

TURN = 2 * np.pi


def circle(radius: float = 1.0, x: float = 0.0, y: float = 0.0, count: int = 28) -> Points:
    """Return a circle."""
    angle = np.linspace(0, TURN, count, endpoint=False)
    return np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1)


def petal(width: float, length: float = 1.0, start: float = 0.0, bend: float = 0.0) -> Points:
    """Return a petal that points up, `bend` to the side."""
    t = np.linspace(0, 1, 14)
    side = width * np.sin(np.pi * t) ** 0.8
    middle = bend * t**2
    rise = -(start + (length - start) * t)
    return np.concatenate([np.stack([middle + side, rise], 1), np.stack([middle - side, rise], 1)[::-1]])


def turned(points: Points, angle: float, scale: float = 1.0, x: float = 0.0, y: float = 0.0) -> Points:
    """Return points turned, scaled, then moved."""
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    found: Points = points @ np.array([[cos, sin], [-sin, cos]]) + np.array([x, y])
    return found


def around(points: Points, count: int, colours: Sequence[int], offset: float = 0.0) -> Shapes:
    """Return a shape repeated around the centre, its colours in turn."""
    return [(turned(points, offset + TURN * n / count), colours[n % len(colours)]) for n in range(count)]


def wave(order: int) -> Shapes:
    """Return rings within rings."""
    return [(circle(1 - 0.19 * ring), (1, 0, 2 + order % 2, 0, 1)[ring]) for ring in range(5)]


def tulip(order: int) -> Shapes:
    """Return a tulip with two leaves."""
    leaves = [(turned(petal(0.16, 0.9), side * 1.0, y=0.8), 3) for side in (-1, 1)]
    bloom = [(turned(petal(0.3, 1.25), side * 0.42, y=0.25), 2) for side in (-1, 1)]
    stem = np.array([(-0.05, 0), (0.05, 0), (0.05, 1), (-0.05, 1)])
    return [(stem, 3), *leaves, *bloom, (turned(petal(0.24, 1.2), 0, y=0.25), 4 if order % 8 else 1)]


def lotus(order: int) -> Shapes:
    """Return an opening lotus."""
    tilts = (-1.15, 1.15, -0.75, 0.75, -0.37, 0.37, 0.0)
    fan = [(turned(petal(0.2, 1.35), tilt, y=0.45), (3, 3, 2, 2, 4, 4, 2)[n]) for n, tilt in enumerate(tilts)]
    return [*fan, (circle(0.2, 0, 0.45), 1)] if order % 4 == 0 else [*fan, (turned(petal(0.5, 0.55), np.pi, y=0.35), 1)]


def star(order: int) -> Shapes:
    """Return a star in a star."""

    def points(inner: float, scale: float) -> Points:
        angle = np.arange(2 * order) * np.pi / order
        radius = np.where(np.arange(2 * order) % 2, inner, 1.0) * scale
        return np.stack([radius * np.sin(angle), radius * np.cos(angle)], 1)

    return [(points(0.72, 1.0), 2), (points(0.55, 0.74), 0), (points(0.6, 0.55), 3), (circle(0.16), 1)]


def cloud(order: int) -> Shapes:
    """Return a curled cloud."""
    lobes = [(-0.55, 0.15, 0.42), (0.55, 0.15, 0.42), (0.0, -0.25, 0.55)]
    found: Shapes = []
    for ring, colour in ((1.0, 1), (0.82, 0), (0.6, 2), (0.32, 0)):
        found += [(circle(radius * ring, x, y), colour) for x, y, radius in lobes]
    return [*found, (turned(petal(0.16, 1.0), 1.9, y=0.35), 3 if order > 4 else 4)]


def fleur(order: int) -> Shapes:
    """Return a fleur-de-lis."""
    sides = [(turned(petal(0.2, 1.05, bend=side * 0.75), side * 0.35, y=0.3), 2) for side in (-1, 1)]
    feet = [(turned(petal(0.12, 0.6), np.pi + side * 0.5, y=0.3), 2) for side in (-1, 1)]
    bar = np.array([(-0.5, 0.2), (0.5, 0.2), (0.5, 0.36), (-0.5, 0.36)])
    return [*sides, *feet, (turned(petal(0.26, 1.3), 0, y=0.3), 4 if order > 4 else 1), (bar, 1)]


def palmette(order: int) -> Shapes:
    """Return a fan of leaves on two scrolls."""
    tilts = np.linspace(-1.5, 1.5, 7 + order % 2)
    fan = [(turned(petal(0.13, 1.25 - 0.25 * abs(tilt)), tilt, y=0.4), 1) for tilt in tilts]
    rings = ((0.3, 1), (0.19, 0), (0.09, 1))
    scrolls = [(circle(radius, side * 0.45, 0.62), colour) for side in (-1, 1) for radius, colour in rings]
    return [*fan, *scrolls, (circle(0.16, 0, 0.4), 3)]


def paisley(order: int) -> Shapes:
    """Return a drop whose tip is bent."""
    drop = turned(petal(0.55, 1.75, bend=0.6), -0.3, y=0.8)
    return [
        (drop, 2),
        (drop * 0.76, 4),
        (drop * 0.5, 3),
        *((circle(0.07, 0.16 * n - 0.16, 0.25 - 0.2 * n), 1) for n in range(2 + order % 3)),
    ]


def acanthus(order: int) -> Shapes:
    """Return a leaf with lobes, and its rib."""
    angle = np.linspace(0, TURN, 90, endpoint=False)
    radius = 0.72 + 0.2 * np.cos(angle * (order + 1)) + 0.08 * np.cos(angle * 2)
    leaf = np.stack([0.8 * radius * np.sin(angle), -radius * np.cos(angle)], 1)
    return [(leaf, 3), (turned(leaf, 0, 0.66), 2), (petal(0.07, 0.9, -0.8), 1)]


def rosette(order: int) -> Shapes:
    """Return two rings of petals."""
    outer, inner = around(petal(0.9 / order + 0.1), order, (2, 4)), around(petal(0.12, 0.6), order, (3,), np.pi / order)
    return [*outer, *inner, (circle(0.24), 1), (circle(0.12), 4)]


def sunburst(order: int) -> Shapes:
    """Return a sun with rays."""
    ray = np.array([(-0.16, -0.5), (0.0, -1.05), (0.16, -0.5)])
    return [*around(ray, order, (2, 4)), (circle(0.55), 1), (circle(0.46), 4), (circle(0.24), 2)]


def diamond(order: int) -> Shapes:
    """Return diamonds within each other."""
    whole = np.array([(0, -1), (0.8, 0), (0, 1), (-0.8, 0)], float)
    return [(whole * scale, colour) for scale, colour in ((1.0, 1), (0.78, 2 + order % 3), (0.5, 0), (0.28, 3))]


def steps(order: int) -> Shapes:
    """Return a stepped cross in a stepped cross."""
    corner = [(0.3, -1), (0.3, -0.65), (0.65, -0.65), (0.65, -0.3), (1, -0.3)]
    whole = np.concatenate([turned(np.array(corner), n * TURN / 4) for n in range(4)])
    return [(whole, 1), (whole * 0.8, 2), (whole * 0.5, 4 if order % 2 else 3), (circle(0.15), 0)]


def knot(order: int) -> Shapes:
    """Return rings through one another."""
    found: Shapes = []
    for n in range(4):
        x, y = 0.42 * np.cos(TURN * n / 4 + 0.4), 0.42 * np.sin(TURN * n / 4 + 0.4)
        rings = ((0.58, 1), (0.5, 2 + (n + order) % 3), (0.32, 1), (0.26, 0))
        found += [(circle(radius, x, y), colour) for radius, colour in rings]
    return found


MOTIFS: dict[str, Callable[[int], Shapes]] = {
    "acanthus": acanthus,
    "cloud": cloud,
    "diamond": diamond,
    "fleur": fleur,
    "knot": knot,
    "lotus": lotus,
    "paisley": paisley,
    "palmette": palmette,
    "rosette": rosette,
    "star": star,
    "steps": steps,
    "sunburst": sunburst,
    "tulip": tulip,
    "wave": wave,
}


class Plate:
    """A surface to draw on, in five colours; lengths are shares of its side."""

    def __init__(self, colours: Sequence[Colour], width: float = 1.0, height: float = 1.0) -> None:
        self.colours, self.width, self.height = colours, width, height
        self._side = SIDE * FINE
        self._image = Image.new("RGB", (int(self._side * width), int(self._side * height)), colours[0])
        self.pen = ImageDraw.Draw(self._image)

    def fill(self, points: Points, colour: int) -> None:
        """Fill a polygon."""
        self.pen.polygon([(x, y) for x, y in (points * self._side).tolist()], fill=self.colours[colour])

    def draw(self, shapes: Shapes, x: float, y: float, radius: float, angle: float = 0.0) -> None:
        """Draw a motif at a place."""
        for points, colour in shapes:
            self.fill(turned(points, angle, radius, x, y), colour)

    def ring(self, x: float, y: float, radius: float, colour: int, thick: float = 0.012) -> None:
        """Draw a circle's line."""
        box = [(part) * self._side for part in (x - radius, y - radius, x + radius, y + radius)]
        self.pen.ellipse(box, outline=self.colours[colour], width=max(1, int(thick * self._side)))

    def bar(self, left: float, top: float, right: float, bottom: float, colour: int) -> None:
        """Fill a rectangle."""
        self.fill(np.array([(left, top), (right, top), (right, bottom), (left, bottom)]), colour)

    def image(self) -> Image.Image:
        """Return what was drawn."""
        size = self._image.width // FINE, self._image.height // FINE
        return self._image.resize(size, Image.Resampling.BOX)
