"""Artworks drawn by the project: their look is a function of culture and technique, and of how they were photographed.

A picture is a function of (seed, number). Titles and artists are invented.
"""

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from stages.config.schema import Synthetic
from stages.core.concurrency import create_process_pool
from stages.core.console import track
from stages.fetch.gallery.cultures import Culture, cultures
from stages.fetch.gallery.techniques import TECHNIQUES
from stages.fetch.synthetic import broken

MUSEUMS = ("met", "rijks")
MOTIFS = {
    "acanthus": "acanthus leaves", "cloud": "curling clouds", "diamond": "lozenges", "fleur": "lilies",
    "knot": "interlaced rings", "lotus": "lotus blossoms", "paisley": "bent drops", "palmette": "palmettes",
    "rosette": "rosettes", "star": "stars", "steps": "stepped crosses", "sunburst": "rising suns",
    "tulip": "tulips", "wave": "rings like waves",
}  # fmt: skip
VIEWS = {
    "cypress": "a Villa among Cypresses", "dome": "a Dome between Towers", "onion": "a Church of Three Domes",
    "pagoda": "a Pagoda", "pines": "a Cabin below Pines", "pyramid": "the Pyramids", "steeple": "a Village Church",
    "steps": "a Stepped Temple", "temple": "a Temple on the Hill", "torii": "a Gate by the Water",
    "windmill": "a Windmill",
}  # fmt: skip
TIMES = ("at Dawn", "at Noon", "in the Evening", "under a Low Sun", "after Rain", "in Early Spring", "at Harvest")
TITLES = {
    "prints": ("View of {view} {time}", "{view} {time}", "From a Series of Views: {view}"),
    "drawings": ("Study of {view}", "Sketch for a Roundel of {motif}", "Album Leaf with {motif}"),
    "ceramics": ("Vase with {motif}", "Jar with Bands of {motif}", "Storage Jar"),
    "textiles": ("Carpet with {motif}", "Hanging with {motif}", "Cover with a Field of {motif}"),
    "paintings": ("{view} {time}", "Landscape with {view}", "{view}"),
    "photographs": ("{view}, {time}", "[{view}]", "{view}, Photographed {time}"),
    "glass": ("Window with {motif}", "Panel of {motif}", "Roundel with {motif}"),
    "metalwork": ("Dish with {motif}", "Engraved Plate with {motif}", "Basin"),
    "sculptures": ("Standing Figure", "Figure with a Collar of {motif}", "Guardian"),
    "stone": ("Relief with {motif}", "Slab from a Frieze with {motif}", "Stela"),
    "woodwork": ("Inlaid Panel with {motif}", "Door of a Cabinet with {motif}", "Panel"),
}
LOST = (2, None, 0, 1, 3)  # kinds of broken files; None: there is no file at all

Job = tuple["Drawn", int, int, int]


@dataclass(frozen=True)
class Drawn:
    """One artwork: whose, in what technique, and its number."""

    culture: Culture
    technique: str
    number: int

    def about(self, seed: int) -> dict[str, str]:
        """Return title, artist, culture, classification and museum."""
        rng = np.random.default_rng((seed, self.number, 1))
        words = {"view": VIEWS[self.culture.landmark], "motif": MOTIFS[self.culture.motif].title()}
        title = str(rng.choice(TITLES[self.technique])).format(time=rng.choice(TIMES), **words)
        signed = self.technique in ("prints", "drawings", "paintings", "photographs") or rng.random() < 0.3
        return {
            "Title": title[0].upper() + title[1:],
            "Artist": self.culture.artist(rng).replace("-", " ") if signed else "Unknown",
            "Culture": self.culture.name,
            "Classification": self.technique,
            "Museum": MUSEUMS[int(rng.integers(2))],
        }


def works(spec: Synthetic) -> list[Drawn]:
    """Return the artworks to draw, every pair of culture and technique about equally often."""
    known, names = cultures(spec.classes), list(TECHNIQUES)
    count = spec.images + spec.unlabelled
    return [Drawn(known[n % len(known)], names[n // len(known) % len(names)], n) for n in range(count)]


def photographs(drawn: Sequence[Drawn], spec: Synthetic, seed: int) -> Iterator[bytes]:
    """Yield one JPEG for each artwork, drawn on all cores, in order."""
    jobs = [(work, spec.smallest, spec.largest, seed) for work in drawn]
    with create_process_pool() as pool:
        yield from track(pool.map(photograph, jobs, chunksize=8), len(jobs), "drawing")


def photograph(job: Job) -> bytes:
    """Draw one artwork, photograph it, and encode it as JPEG."""
    work, smallest, largest, seed = job
    rng = np.random.default_rng((seed, work.number))
    picture = cropped(rng, TECHNIQUES[work.technique](work.culture, rng))
    longest = rng.integers(max(smallest, (smallest + largest) // 2), largest + 1)
    scale = max(longest / max(picture.size), smallest / min(picture.size))
    wide, high = (min(largest, max(smallest, round(side * scale))) for side in picture.size)
    picture = developed(rng, picture.resize((wide, high), Image.Resampling.LANCZOS))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=int(rng.integers(60, 96)))
    return file.getvalue()


def cropped(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Return a picture held a little askew, some of its edges cut off."""
    edge = picture.getpixel((2, 2))
    picture = picture.rotate(float(rng.normal(0, 1.2)), Image.Resampling.BICUBIC, fillcolor=edge)
    left, top, right, bottom = rng.uniform(0, 0.06, 4) * (*picture.size, *picture.size)
    return picture.crop((int(left), int(top), int(picture.width - right), int(picture.height - bottom)))


def developed(rng: np.random.Generator, picture: Image.Image) -> Image.Image:
    """Return a picture in some light: exposure, tint, a brighter side, noise and blur."""
    wide, high = picture.size
    angle, strength = rng.uniform(0, 2 * math.pi), rng.uniform(0, 0.12)
    x, y = np.linspace(-1, 1, wide, dtype=np.float32), np.linspace(-1, 1, high, dtype=np.float32)
    light = 1 + strength * (math.cos(angle) * x[None, :] + math.sin(angle) * y[:, None])
    tint = rng.normal(1, 0.025, 3) * rng.uniform(0.82, 1.14)
    pixels = np.asarray(picture, np.float32) * light[..., None] * tint.astype(np.float32)
    pixels += rng.uniform(0, 5) * rng.standard_normal(pixels.shape, np.float32)
    lit = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return lit.filter(ImageFilter.GaussianBlur(float(rng.uniform(0, 0.8) * max(picture.size) / 400)))


def lost(number: int, sample: bytes) -> bytes | None:
    """Return a file that is no picture, in turn of each kind; None where there is none."""
    kind = LOST[number % len(LOST)]
    return None if kind is None else broken(kind, sample)
