"""Contact sheets: many small pictures with a caption each, in one PNG."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

TILE = 128
MARGIN = 4
LINE = 14
GAP = 6
PAPER, INK = "white", "#333333"


def sheet(pictures: Sequence[tuple[npt.NDArray[np.uint8], str]], path: Path, columns: int = 8) -> None:
    """Write (H x W x 3 image, caption) pairs as a grid, row by row; a caption may have several lines."""
    rows = max(1, -(-len(pictures) // columns))
    lines = max((caption.count("\n") + 1 for _, caption in pictures), default=1)
    high = TILE + MARGIN + LINE * lines + GAP
    page = Image.new("RGB", (columns * (TILE + GAP) + GAP, rows * high + GAP), PAPER)
    pen = ImageDraw.Draw(page)
    font = ImageFont.load_default(11)
    for number, (pixels, caption) in enumerate(pictures):
        x, y = GAP + number % columns * (TILE + GAP), GAP + number // columns * high
        page.paste(Image.fromarray(np.asarray(pixels)).resize((TILE, TILE)), (x, y))
        for line, words in enumerate(caption.split("\n")):
            pen.text((x + 2, y + TILE + 3 + LINE * line), fitting(words, font), fill=INK, font=font)
    page.save(path)


def fitting(caption: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Return a caption, cut to the width of a tile."""
    if font.getlength(caption) <= TILE:
        return caption
    return next(
        f"{caption[:end]}…" for end in range(len(caption), -1, -1) if font.getlength(caption[:end]) <= TILE - 12
    )


def captioned(picture: Image.Image, caption: str) -> Image.Image:
    """Return a picture of at most 512 pixels with a caption below it."""
    picture = picture.copy()
    picture.thumbnail((512, 512))
    page = Image.new("RGB", (max(picture.width, 240), picture.height + 34), PAPER)
    page.paste(picture, ((page.width - picture.width) // 2, 0))
    ImageDraw.Draw(page).text((8, picture.height + 7), caption, fill=INK, font=ImageFont.load_default(18))
    return page
