"""Dogs drawn by the project: breeds that differ in coat, ears and build, under the names that WordNet gives them.

A coat's hue is shared by several breeds, light and background by all, so that no mean colour tells them apart.
"""

from collections.abc import Callable
from colorsys import hsv_to_rgb
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from stages.core.errors import UserError
from stages.fetch.synthetic import CANVAS, Colour, Point, oval, shade

Range = tuple[float, float]
INK = (22, 18, 18)
COATS: dict[str, tuple[Range, Range, Range]] = {  # hue, saturation, value
    "black": ((0.00, 1.00), (0.02, 0.15), (0.10, 0.20)),
    "liver": ((0.03, 0.06), (0.50, 0.65), (0.25, 0.38)),
    "fawn": ((0.08, 0.11), (0.30, 0.45), (0.68, 0.85)),
    "red": ((0.05, 0.08), (0.60, 0.75), (0.55, 0.75)),
    "grey": ((0.55, 0.65), (0.04, 0.14), (0.42, 0.60)),
    "white": ((0.08, 0.14), (0.01, 0.08), (0.88, 0.98)),
}


@dataclass(frozen=True)
class Breed:
    """What tells one breed from another; lengths are shares of the head's."""

    folder: str
    coat: str
    second: str
    pattern: str
    ears: str
    ear: float
    wide: float
    high: float
    snout: float
    shaggy: bool = False

    def portrait(self, rng: np.random.Generator) -> Image.Image:
        """Draw head and shoulders, upright and facing the viewer, on a transparent canvas."""
        return Head(self, rng).drawn()


KENNEL = (
    Breed("n02085620-Chihuahua", "fawn", "fawn", "plain", "pointed", 1.15, 0.85, 0.80, 0.30),
    Breed("n02086240-Shih-Tzu", "white", "grey", "patches", "floppy", 0.95, 1.05, 0.95, 0.15, shaggy=True),
    Breed("n02100236-German_short-haired_pointer", "liver", "white", "ticked", "floppy", 0.90, 0.85, 1.10, 0.70),
    Breed("n02110958-pug", "fawn", "black", "mask", "folded", 0.40, 1.15, 0.95, 0.15),
    Breed("n02106550-Rottweiler", "black", "red", "points", "folded", 0.60, 1.15, 1.05, 0.50),
    Breed("n02107142-Doberman", "black", "red", "points", "pointed", 0.90, 0.75, 1.15, 0.75),
    Breed("n02109525-Saint_Bernard", "white", "red", "patches", "floppy", 0.70, 1.20, 1.15, 0.55),
    Breed("n02110185-Siberian_husky", "grey", "white", "spectacles", "pointed", 0.60, 1.00, 1.00, 0.45),
    Breed("n02111889-Samoyed", "white", "white", "plain", "pointed", 0.45, 1.10, 1.00, 0.40, shaggy=True),
    Breed("n02112018-Pomeranian", "red", "fawn", "plain", "pointed", 0.40, 0.95, 0.80, 0.25, shaggy=True),
    Breed("n02113799-standard_poodle", "black", "black", "topknot", "floppy", 1.05, 0.70, 1.10, 0.65, shaggy=True),
    Breed("n02088364-beagle", "red", "white", "blaze", "floppy", 1.05, 0.85, 0.95, 0.45),
    Breed("n02106662-German_shepherd", "fawn", "black", "mask", "pointed", 0.85, 0.95, 1.10, 0.70),
    Breed("n02092339-Weimaraner", "grey", "grey", "plain", "floppy", 1.00, 0.80, 1.15, 0.70),
    Breed("n02096585-Boston_bull", "black", "white", "blaze", "pointed", 0.70, 1.05, 0.90, 0.20),
    Breed("n02105641-Old_English_sheepdog", "grey", "white", "fringe", "floppy", 0.60, 1.15, 1.10, 0.40, shaggy=True),
)


def kennel(count: int) -> list[Breed]:
    """Return so many breeds."""
    if count > len(KENNEL):
        raise UserError(f"fetch.synthetic.classes: {count} is out of range; {len(KENNEL)} breeds can be drawn at most")
    return list(KENNEL[:count])


def tint(rng: np.random.Generator, coat: str) -> Colour:
    """Return a colour of a coat's family."""
    red, green, blue = hsv_to_rgb(*(float(rng.uniform(*bounds)) for bounds in COATS[coat]))
    return int(255 * red), int(255 * green), int(255 * blue)


class Head:
    """One dog of a breed, as it is drawn."""

    def __init__(self, breed: Breed, rng: np.random.Generator) -> None:
        self.breed, self.rng = breed, rng
        self.layer = Image.new("RGBA", (CANVAS, CANVAS), (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(self.layer)
        self.coat, self.second = tint(rng, breed.coat), tint(rng, breed.second)
        self.wide, self.high = (float(part * rng.uniform(52, 60)) for part in (breed.wide, breed.high))
        self.x, self.y = CANVAS / 2, CANVAS * 0.46

    def drawn(self) -> Image.Image:
        """Draw it from the back to the front."""
        chest = (self.x, CANVAS * 0.98)
        self.fur(chest, self.wide * self.rng.uniform(1.0, 1.25), self.high * 1.2, shade(self.coat, 0.9))
        oval(self.pen, (self.x, CANVAS * 0.7), self.wide * 0.6, CANVAS * 0.16, shade(self.coat, 0.8))
        if self.breed.ears == "pointed":
            self.upright()
        self.fur((self.x, self.y), self.wide, self.high, self.coat)
        PATTERNS[self.breed.pattern](self)
        if self.breed.ears != "pointed":
            self.hanging()
        self.face()
        if self.breed.pattern == "fringe":
            self.curls((self.x, self.y - self.high * 0.35), self.wide * 0.75, self.high * 0.3, self.second)
        return self.layer

    def at(self, right: float, down: float) -> Point:
        """Return a point by shares of the head's half axes from its centre."""
        return self.x + right * self.wide, self.y + down * self.high

    def fur(self, centre: Point, wide: float, high: float, fill: Colour) -> None:
        """Draw an ellipse, with a ragged edge where the breed is shaggy."""
        oval(self.pen, centre, wide, high, fill)
        if self.breed.shaggy:
            for turn in np.linspace(0, 2 * np.pi, 30, endpoint=False) + self.rng.uniform(0, 0.2):
                tip = 1 + float(self.rng.uniform(0.12, 0.28))
                root = [
                    (centre[0] + wide * np.cos(turn + d), centre[1] + high * np.sin(turn + d)) for d in (-0.16, 0.16)
                ]
                end = (centre[0] + wide * tip * np.cos(turn), centre[1] + high * tip * np.sin(turn))
                tone = shade(fill, float(self.rng.uniform(0.85, 1.1)))
                self.pen.polygon([*((float(x), float(y)) for x, y in root), (float(end[0]), float(end[1]))], fill=tone)

    def curls(self, centre: Point, wide: float, high: float, fill: Colour) -> None:
        """Draw a heap of locks."""
        for dx, dy in self.rng.uniform(-1, 1, (26, 2)):
            spot = (centre[0] + float(dx) * wide, centre[1] + float(dy) * high)
            oval(self.pen, spot, wide * 0.24, high * 0.4, shade(fill, float(self.rng.uniform(0.8, 1.25))))

    def upright(self) -> None:
        """Draw two ears that stand up to a point."""
        rise = self.breed.ear * self.high * float(self.rng.uniform(0.9, 1.1))
        for side in (-1, 1):
            for scale, fill in ((1.0, shade(self.coat, 0.9)), (0.55, shade(self.second, 0.75))):
                low = self.y - self.high * 0.45
                base = [(self.x + side * self.wide * 0.58 + d * self.wide * 0.4 * scale, low) for d in (-1, 1)]
                self.pen.polygon([*base, (self.x + side * self.wide * 0.85, low - rise * scale - 12)], fill=fill)

    def hanging(self) -> None:
        """Draw two ears that hang beside the head, or whose tips are folded down."""
        fill = self.second if self.breed.pattern in ("patches", "mask") else shade(self.coat, 0.72)
        length = self.breed.ear * self.high * float(self.rng.uniform(0.9, 1.1))
        for side in (-1, 1):
            if self.breed.ears == "folded":
                corners = [self.at(side * 0.45, -0.82), self.at(side * 1.05, -0.6)]
                self.pen.polygon([*corners, (corners[1][0] - side * 6, corners[1][1] + length)], fill=fill)
            else:
                middle = (self.x + side * self.wide * 1.0, self.y - self.high * 0.35 + length * 0.5)
                self.fur(middle, self.wide * 0.28, length * 0.75, fill)

    def face(self) -> None:
        """Draw snout, nose and eyes."""
        snout = self.breed.snout
        for side in (-1, 1):
            oval(self.pen, self.at(side * 0.4, -0.15), self.wide * 0.13, self.high * 0.11, (60, 40, 25))
            oval(self.pen, self.at(side * 0.4, -0.15), self.wide * 0.08, self.high * 0.07, (5, 5, 5))
        self.muzzle(0.3 + snout * 0.45)
        tip = self.at(0, 0.22 + snout * 0.6)
        oval(self.pen, tip, self.wide * (0.12 + snout * 0.08), self.high * (0.08 + snout * 0.06), INK)
        low = (tip[0], tip[1] + self.high * 0.22)
        self.pen.line([tip, low], fill=INK, width=2)
        self.pen.arc((low[0] - 14, low[1] - 10, low[0] + 14, low[1] + 6), 0, 180, fill=INK, width=2)

    def muzzle(self, down: float) -> None:
        """Draw the snout in the colour that the pattern gives it."""
        second = self.breed.pattern not in ("patches", "plain", "ticked", "topknot")
        fill = self.second if second else shade(self.coat, 1.18 if self.breed.coat != "white" else 0.93)
        snout = self.breed.snout
        oval(self.pen, self.at(0, down), self.wide * (0.48 - snout * 0.12), self.high * (0.24 + snout * 0.4), fill)

    def mask(self) -> None:
        """Darken the middle of the face and the brow."""
        oval(self.pen, self.at(0, 0.25), self.wide * 0.62, self.high * 0.55, self.second)
        for side in (-1, 1):
            oval(self.pen, self.at(side * 0.4, -0.15), self.wide * 0.24, self.high * 0.2, self.second)

    def points(self) -> None:
        """Put two spots over the eyes and patches on the cheeks and the chest."""
        for side in (-1, 1):
            oval(self.pen, self.at(side * 0.36, -0.4), self.wide * 0.12, self.high * 0.09, self.second)
            oval(self.pen, self.at(side * 0.62, 0.45), self.wide * 0.24, self.high * 0.26, self.second)
            oval(self.pen, (self.x + side * self.wide * 0.4, CANVAS * 0.93), 15, 11, self.second)

    def blaze(self) -> None:
        """Run a light stripe from the brow to the snout, and lighten the chest."""
        oval(self.pen, self.at(0, -0.2), self.wide * 0.2, self.high * 0.8, self.second)
        oval(self.pen, (self.x, CANVAS), self.wide * 0.5, self.high * 0.6, self.second)

    def spectacles(self) -> None:
        """Lighten the lower face and rings around the eyes, and leave a dark stripe between them."""
        oval(self.pen, self.at(0, 0.35), self.wide * 0.85, self.high * 0.62, self.second)
        for side in (-1, 1):
            oval(self.pen, self.at(side * 0.42, -0.22), self.wide * 0.3, self.high * 0.3, self.second)
        oval(self.pen, self.at(0, -0.35), self.wide * 0.1, self.high * 0.55, self.coat)

    def patches(self) -> None:
        """Put a patch over each eye, one on the crown."""
        for side in (-1, 1):
            oval(self.pen, self.at(side * 0.55, -0.2), self.wide * 0.36, self.high * 0.5, self.second)

    def ticked(self) -> None:
        """Lighten the chest, and speckle it and the cheeks."""
        oval(self.pen, (self.x, CANVAS), self.wide * 0.85, self.high * 0.75, self.second)
        for dx, dy in self.rng.uniform(-1, 1, (34, 2)):
            spot = (self.x + float(dx) * self.wide * 0.75, CANVAS * 0.9 + float(dy) * self.high * 0.4)
            oval(self.pen, spot, 3.5, 3.5, self.coat)
        oval(self.pen, self.at(0, -0.45), self.wide * 0.13, self.high * 0.45, self.second)

    def topknot(self) -> None:
        """Heap curls on the crown."""
        self.curls(self.at(0, -0.95), self.wide * 0.85, self.high * 0.3, self.coat)

    def plain(self) -> None:
        """Leave the coat as it is."""


PATTERNS: dict[str, Callable[[Head], None]] = {
    "blaze": Head.blaze,
    "fringe": Head.patches,
    "mask": Head.mask,
    "patches": Head.patches,
    "plain": Head.plain,
    "points": Head.points,
    "spectacles": Head.spectacles,
    "ticked": Head.ticked,
    "topknot": Head.topknot,
}
