"""Landscapes that a culture's artists draw: sky, sun, hills, and what stands in them."""

from collections.abc import Callable

import numpy as np

from stages.fetch.gallery.cultures import Culture
from stages.fetch.gallery.ornament import TURN, Plate, Points, circle, petal, turned


def landscape(plate: Plate, culture: Culture, rng: np.random.Generator) -> None:
    """Draw sky, sun, ranges of hills one before the other, and the culture's landmark."""
    wide, high = plate.width, plate.height
    x, low = float(rng.uniform(0.25, 0.75)) * wide, float(rng.uniform(0.45, 0.6)) * high
    plate.bar(0, 0.8 * low, wide, high, 4)
    sun = (wide - x + float(rng.uniform(-0.1, 0.1)), low * float(rng.uniform(0.3, 0.6)))
    plate.draw([(circle(count=40), 2)], *sun, float(rng.uniform(0.07, 0.13)))
    for n, colour in enumerate((4, 3)):
        hills(plate, low + n * 0.09 * high, float(rng.uniform(0.05, 0.12)) * high, colour, rng)
    size = float(rng.uniform(0.34, 0.44)) * high
    for points, colour in LANDMARKS[culture.landmark]():
        plate.fill(turned(points, 0.0, size, x, low + 0.24 * high), colour)
    hills(plate, low + 0.27 * high, 0.04 * high, 3, rng)
    hills(plate, low + 0.36 * high, 0.05 * high, 1, rng)


def hills(plate: Plate, base: float, rise: float, colour: int, rng: np.random.Generator) -> None:
    """Draw one range."""
    x = np.linspace(0, plate.width, 60)
    waves = sum(rng.uniform(0.3, 1) / n * np.sin(x * n * 4 + rng.uniform(0, TURN)) for n in range(1, 5))
    crest = np.stack([x, base - rise * waves], 1)
    plate.fill(np.concatenate([crest, [[plate.width, plate.height], [0, plate.height]]]), colour)


Parts = list[tuple[Points, int]]


def box(left: float, top: float, right: float, bottom: float, taper: float = 0.0) -> Points:
    """Return a rectangle, narrower at the top by `taper` on each side."""
    return np.array([(left + taper, top), (right - taper, top), (right, bottom), (left, bottom)])


def standing(points: Points, x: float, y: float) -> Points:
    """Return a shape moved so that it stands on a point."""
    return turned(points, 0.0, 1.0, x, y)


def roof(y: float, wide: float, high: float) -> Points:
    """Return a roof whose eaves are swung up."""
    x = np.linspace(-1, 1, 15)
    upper = np.stack([x * wide, y - high * (1 - np.abs(x)) ** 1.6 - 0.1 * high * x**4], 1)
    return np.concatenate([upper, [(wide * 0.8, y + 0.07), (-wide * 0.8, y + 0.07)]])


def pagoda() -> Parts:
    """Return a tower of roofs."""
    found: Parts = []
    for n in range(3):
        y = -0.28 - 0.42 * n
        found += [(box(-0.42 + 0.1 * n, y, 0.42 - 0.1 * n, y + 0.3), 0), (roof(y, 0.75 - 0.15 * n, 0.26), 1)]
    return [*found, (box(-0.03, -1.6, 0.03, -1.3), 1)]


def torii() -> Parts:
    """Return a gate of two posts and two beams."""
    posts = [(box(side - 0.08, -1.0, side + 0.08, 0.1, 0.01), 2) for side in (-0.55, 0.55)]
    return [*posts, (box(-0.8, -0.85, 0.8, -0.72), 2), (roof(-1.05, 1.05, 0.1), 1), (box(-0.9, -1.08, 0.9, -0.96), 2)]


def windmill() -> Parts:
    """Return a mill and its four sails."""
    sail = np.array([(0.03, -0.05), (0.2, -0.15), (0.2, -0.95), (0.03, -0.95)])
    sails = [(turned(sail, 0.5 + n * TURN / 4, 0.9, 0, -0.95), 4) for n in range(4)]
    return [(box(-0.4, -0.9, 0.4, 0.1, 0.16), 1), (petal(0.28, 1.25, 0.82), 2), *sails, (box(-0.1, -0.2, 0.1, 0.1), 0)]


def pyramid() -> Parts:
    """Return two pyramids with a side in the shade, and a palm."""
    found: Parts = []
    for x, size in ((0.75, 0.6), (0.0, 1.0)):
        found.append((np.array([(x - size, 0.15), (x, -1.05 * size), (x + size, 0.15)]), 4))
        found.append((np.array([(x + 0.2 * size, 0.15), (x, -1.05 * size), (x + size, 0.15)]), 2))
    leaves = [(turned(petal(0.06, 0.4, bend=0.2), angle, 1, -0.95, -0.5), 3) for angle in np.linspace(-1.9, 1.5, 6)]
    return [*found, (box(-0.98, -0.5, -0.92, 0.2), 1), *leaves]


def dome() -> Parts:
    """Return a dome over a gate, between two towers."""
    towers: Parts = []
    for side in (-1, 1):
        x = side * 0.85
        towers += [(box(x - 0.07, -1.15, x + 0.07, 0.1), 4), (standing(petal(0.11, 0.36), x, -1.1), 3)]
    gate = [(standing(petal(0.32, 0.85), 0, 0.3), 1), (box(-0.3, -0.15, 0.3, 0.1), 1)]
    return [*towers, (standing(petal(0.62, 1.15), 0, -0.25), 3), (box(-0.6, -0.62, 0.6, 0.1), 4), *gate]


def onion() -> Parts:
    """Return a church of three onions."""
    found: Parts = []
    for x, top, wide, colour in ((-0.5, -0.6, 0.2, 3), (0.5, -0.6, 0.2, 4), (0.0, -0.95, 0.28, 2)):
        found.append((box(x - wide * 0.7, top, x + wide * 0.7, 0.1), 0))
        found.append((standing(petal(wide * 1.25, wide * 3), x, top + wide * 0.5), colour))
        found.append((box(x - 0.02, top - wide * 3, x + 0.02, top - wide * 2), 1))
    return [*found, (box(-0.7, -0.3, 0.7, 0.1), 4), (standing(petal(0.14, 0.4), 0, 0.15), 1)]


def temple() -> Parts:
    """Return a gable on columns."""
    columns = [(box(x - 0.075, -0.62, x + 0.075, 0.02, 0.012), 0) for x in np.linspace(-0.75, 0.75, 6)]
    gable = np.array([(-1, -0.72), (0, -1.12), (1, -0.72)])
    top = [(box(-0.95, -0.74, 0.95, -0.6), 0), (gable, 0), (gable * [0.7, 0.6] + [0, -0.3], 3)]
    return [(box(-0.85, -0.65, 0.85, 0.0), 1), *columns, *top, (box(-1, 0, 1, 0.12), 4)]


def cypress() -> Parts:
    """Return a villa between cypresses."""
    heights = ((-0.95, 1.5), (-0.7, 1.15), (0.75, 1.35), (1.0, 1.0))
    trees = [(standing(petal(0.12, high), x, 0.15), 3) for x, high in heights]
    arches = [(standing(petal(0.1, 0.36), x, 0.1), 1) for x in (-0.3, 0.0, 0.3)]
    return [*trees, (box(-0.5, -0.5, 0.5, 0.1), 0), (np.array([(-0.6, -0.5), (0, -0.78), (0.6, -0.5)]), 2), *arches]


def steeple() -> Parts:
    """Return a church with a pointed tower."""
    tower = [(box(-0.45, -0.85, -0.1, 0.1), 0), (np.array([(-0.52, -0.85), (-0.275, -1.6), (-0.03, -0.85)]), 2)]
    nave = [(box(-0.1, -0.4, 0.7, 0.1), 4), (np.array([(-0.16, -0.4), (0.0, -0.75), (0.7, -0.75), (0.8, -0.4)]), 1)]
    return [*nave, *tower, *((standing(petal(0.07, 0.3), x, -0.02), 1) for x in (-0.28, 0.15, 0.45))]


def pines() -> Parts:
    """Return a cabin below pines."""
    found: Parts = []
    tiers = [np.array([(-w, y), (0, y - 0.55), (w, y)]) for y, w in ((0.0, 0.36), (-0.32, 0.28), (-0.62, 0.2))]
    for x, size in ((-0.75, 1.2), (0.85, 1.0), (-0.35, 0.85)):
        found += [(turned(tier, 0.0, size, x), 3) for tier in tiers]
    gable = np.array([(-0.14, -0.3), (0.28, -0.62), (0.68, -0.3)])
    return [*found, (box(-0.05, -0.3, 0.6, 0.1), 2), (gable, 1), (box(0.2, -0.15, 0.36, 0.1), 0)]


def terraces() -> Parts:
    """Return a stepped temple with a stair."""
    tiers = [(box(-1 + 0.2 * n, -0.28 * (n + 1), 1 - 0.2 * n, -0.28 * n + 0.1), 4 if n % 2 else 2) for n in range(4)]
    return [*tiers, (box(-0.16, -1.1, 0.16, 0.1, 0.04), 0), (box(-0.25, -1.35, 0.25, -1.1), 1)]


LANDMARKS: dict[str, Callable[[], Parts]] = {
    "cypress": cypress, "dome": dome, "onion": onion, "pagoda": pagoda, "pines": pines, "pyramid": pyramid,
    "steeple": steeple, "steps": terraces, "temple": temple, "torii": torii, "windmill": windmill,
}  # fmt: skip
