"""What a culture's artists compose: medallions, patterns, friezes, frames, and landscapes with what stands in them."""

from collections.abc import Callable

import numpy as np

from stages.fetch.gallery.cultures import Culture
from stages.fetch.gallery.ornament import MOTIFS, TURN, Plate, Points, circle, petal, turned


def medallion(plate: Plate, culture: Culture, rng: np.random.Generator) -> None:
    """Draw a motif, a ring of them around it, and rings that hold both."""
    x, y, order = plate.width / 2, plate.height / 2, culture.order
    motif, half = MOTIFS[culture.motif](order), min(plate.width, plate.height) / 2
    reach, turn = half * rng.uniform(0.6, 0.66), rng.uniform(0, TURN / order)
    for radius, colour in ((0.94, 1), (0.88, 4), (0.84, 0), (0.36, 1), (0.34, 3)):
        plate.draw([(circle(count=60), colour)], x, y, half * radius)
    size = min(0.24, 1.5 / order) * half
    for n in range(order):
        angle = turn + TURN * n / order
        plate.draw(motif, x + reach * np.sin(angle), y - reach * np.cos(angle), size, angle)
        between = angle + TURN / order / 2
        spot = (x + half * 0.77 * np.sin(between), y - half * 0.77 * np.cos(between))
        plate.draw([(circle(), 1), (circle(0.6), 2)], *spot, half * 0.05)
    plate.draw([(circle(), 0)], x, y, half * 0.31)
    plate.draw(motif, x, y, half * 0.27, turn if order > 4 else 0.0)


def pattern(plate: Plate, culture: Culture, rng: np.random.Generator) -> None:
    """Draw a motif again and again, every other row shifted, with dots between."""
    motif, columns = MOTIFS[culture.motif](culture.order), int(rng.integers(3, 6))
    step = plate.width / columns
    turns = culture.order % 4 == 0
    for row in range(-1, int(plate.height / step) + 2):
        for column in range(-1, columns + 1):
            x, y = (column + 0.5 + 0.5 * (row % 2)) * step, (row + 0.5) * step
            plate.draw(motif, x, y, step * 0.42, np.pi * (row % 2) if turns else 0.0)
            plate.draw([(circle(), 1), (circle(0.55), 4)], x + step / 2, y, step * 0.07)


def frieze(plate: Plate, culture: Culture, rng: np.random.Generator) -> None:
    """Draw bands of different heights: motifs, borders, plain ones between lines."""
    top, number = 0.0, int(rng.integers(3))
    motif = MOTIFS[culture.motif](culture.order)
    while top < plate.height:
        high = plate.height * float(rng.uniform(0.07, 0.12) if number % 2 else rng.uniform(0.2, 0.3))
        if number % 2:
            plate.bar(0, top, plate.width, top + high, 1 + number // 2 % 4)
            BORDERS[culture.border](plate, 0.0, top, plate.width, high, 0)
        else:
            for n in range(int(plate.width / high) + 1):
                plate.draw(motif, (n + 0.5) * high, top + high / 2, high * 0.42)
        plate.bar(0, top, plate.width, top + 0.012, 1)
        top, number = top + high, number + 1


def framed(plate: Plate, culture: Culture, broad: float) -> None:
    """Draw a frame of so broad a border over the plate's edges."""
    wide, high = plate.width, plate.height
    for top in (0.0, high - broad):
        plate.bar(0.0, top, wide, top + broad, 2)
    for left in (0.0, wide - broad):
        plate.bar(left, 0.0, left + broad, high, 2)
    border = BORDERS[culture.border]
    for top in (0.0, high - broad):
        border(plate, 0.0, top, wide, broad, 0)
    for left in (0.0, wide - broad):
        border(plate, left, 0.0, broad, high, 0)
    for inset in (0.0, broad):
        outline(plate, inset)


def outline(plate: Plate, inset: float) -> None:
    """Draw a line along the plate's edges, so far within them."""
    left, top, right, bottom = inset - 0.008, inset - 0.008, plate.width - inset + 0.008, plate.height - inset + 0.008
    plate.bar(left, top, right, top + 0.016, 1)
    plate.bar(left, bottom - 0.016, right, bottom, 1)
    plate.bar(left, top, left + 0.016, bottom, 1)
    plate.bar(right - 0.016, top, right, bottom, 1)


Border = Callable[[Plate, float, float, float, float, int], None]


def repeated(shapes: list[Points], turns: bool = False) -> Border:
    """Return a border of shapes in the unit square, side by side along a band."""

    def drawn(plate: Plate, left: float, top: float, wide: float, high: float, colour: int) -> None:
        upright, broad = high > wide, min(wide, high)
        count = max(1, round(max(wide, high) / broad))
        step = max(wide, high) / count
        for n in range(count):
            x, y = (left + wide / 2, top + (n + 0.5) * step) if upright else (left + (n + 0.5) * step, top + high / 2)
            for number, points in enumerate(shapes):
                angle = np.pi / 2 * upright + np.pi * (turns and n % 2)
                plate.fill(turned(points, angle, broad * 0.42, x, y), (colour, 3, 4)[number % 3])

    return drawn


def outlined(*corners: float) -> Points:
    """Return a polygon from x, y, x, y, …"""
    return np.array(corners).reshape(-1, 2)


MEANDER = outlined(
    -1, 0.7, -1, -0.8, 0.8, -0.8, 0.8, 0.5, -0.3, 0.5, -0.3, -0.1,
    0.1, -0.1, 0.1, 0.15, 0.45, 0.15, 0.45, -0.45, -0.65, -0.45, -0.65, 0.7,
)  # fmt: skip
STAIR = outlined(-1, 0.8, -1, 0.3, -0.5, 0.3, -0.5, -0.3, 0.5, -0.3, 0.5, 0.3, 1, 0.3, 1, 0.8)
BORDERS: dict[str, Border] = {
    "arches": repeated([petal(0.75, 0.9, -0.8), petal(0.4, 0.5, -0.5)], turns=True),
    "diamonds": repeated([outlined(0, -0.9, 0.9, 0, 0, 0.9, -0.9, 0), circle(0.3)]),
    "key": repeated([MEANDER]),
    "laurel": repeated([turned(petal(0.3, 0.95), side, y=0.3) for side in (1.1, -1.1)], turns=True),
    "scallops": repeated([circle(0.95), circle(0.65), circle(0.35)]),
    "steps": repeated([STAIR]),
    "stripes": repeated([outlined(-0.45, -1.2, 0.1, -1.2, 0.1, 1.2, -0.45, 1.2)]),
    "triangles": repeated([outlined(-1, 0.8, 0, -0.9, 1, 0.8), circle(0.22, 0, 0.35)]),
}
