"""A small collection of drawn artworks, searchable by their colours."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from stages.core.onnx_model import OnnxModel
from stages.index.collection import FEATURISER, METADATA, THUMBS
from stages.index.conditional import ConditionalIndex
from stages.index.records import append
from tests.conftest import encoded
from tests.gallery import colours

SIZE = 16
CULTURES = {"japanese": (200, 60, 50), "Dutch": (70, 90, 160), "french": (220, 190, 90)}
MEDIA = ("prints", "paintings", "musical instruments")
BLOCKS = ["Culture", "Classification"]
SHOW = ["Title", "Artist", "Culture", "Classification"]


def draw(number: int, culture: str, medium: str) -> Image.Image:
    """Return an artwork whose colour is its culture's and whose form its medium's."""
    rng = np.random.default_rng(number)
    shade = tuple(int(value) for value in np.clip(np.array(CULTURES[culture]) + rng.integers(-40, 40, 3), 0, 255))
    width, height = [(120, 90), (80, 120), (100, 100)][number % 3]
    image = Image.new("RGB", (width, height), shade)
    pen = ImageDraw.Draw(image)
    box = [width // 4, height // 4, 3 * width // 4, 3 * height // 4]
    ink = tuple(255 - value for value in shade)
    {"prints": pen.ellipse, "paintings": pen.rectangle, "musical instruments": pen.chord}[medium](
        box, *([0, 180] if medium == MEDIA[2] else []), fill=ink
    )
    return image


def artworks(count: int) -> list[tuple[dict[str, str], Image.Image]]:
    """Return metadata and picture of each."""
    found = []
    for number in range(count):
        culture, medium = list(CULTURES)[number % 3], MEDIA[number // 3 % 3]
        row = {
            "id": f"m{number}",
            "Title": f"Piece <{number}>",
            "Artist": "" if number % 4 else "Anonymous & Sons",
            "Culture": culture,
            "Classification": medium,
            "Museum": "East" if number % 2 else "West",
            "Thumbnail_Url": f"images/{number}.jpg",
        }
        found.append((row, draw(number, culture, medium)))
    return found


def collection(folder: Path, things: Sequence[tuple[dict[str, str], Image.Image]], longest: int = 96) -> Path:
    """Write an index folder of these and return it."""
    colours(SIZE, folder / FEATURISER)
    network = OnnxModel(folder / FEATURISER)
    rows = [row for row, _ in things]
    pixels = np.stack([network.decode(encoded(image)) for _, image in things])
    table = {name: [row[name] for row in rows] for name in rows[0]}
    facets = {column: dict(sorted(Counter(table[column]).items())) for column in BLOCKS}
    about = {
        "name": folder.name,
        "id_column": "id",
        "show": SHOW,
        "noun": "artworks",
        "facets": facets,
        "mode": "exact",
    }
    ConditionalIndex.build(folder, network.run(pixels), table, BLOCKS, about)
    append(folder / METADATA, (line(row) for row in rows))
    append(folder / THUMBS, (small(image, longest) for _, image in things))
    return folder


def line(row: dict[str, str]) -> bytes:
    """Return a row as a line of JSON."""
    return json.dumps(row, ensure_ascii=False).encode() + b"\n"


def small(image: Image.Image, longest: int) -> bytes:
    """Return a thumbnail."""
    copy = image.copy()
    copy.thumbnail((longest, longest))
    return encoded(copy, "JPEG")
