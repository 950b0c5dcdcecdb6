"""Contact sheets: a grid of small images with captions, in one file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

# in pixels
TILE = 128
MARGIN = 4
LINE = 14
GAP = 6

BACKGROUND, TEXT = "white", "#333333"


def write_contact_sheet(tiles: Sequence[tuple[npt.NDArray[np.uint8], str]], path: Path, columns: int = 8) -> None:
    """Writes a contact sheet.

    Args:
        tiles: Image (H x W x 3) and caption of each tile, row by row. A caption may have several lines.
        path: The file to write.
        columns: Tiles in a row.
    """
    rows = max(1, -(-len(tiles) // columns))
    lines = max((caption.count("\n") + 1 for _, caption in tiles), default=1)
    height = TILE + MARGIN + LINE * lines + GAP
    sheet = Image.new("RGB", (columns * (TILE + GAP) + GAP, rows * height + GAP), BACKGROUND)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(11)
    for number, (pixels, caption) in enumerate(tiles):
        x, y = GAP + number % columns * (TILE + GAP), GAP + number // columns * height
        sheet.paste(Image.fromarray(np.asarray(pixels)).resize((TILE, TILE)), (x, y))
        for line, text in enumerate(caption.split("\n")):
            draw.text((x + 2, y + TILE + 3 + LINE * line), _truncate(text, font), fill=TEXT, font=font)
    sheet.save(path)


def add_caption(image: Image.Image, caption: str) -> Image.Image:
    """Draws a caption below an image, which is shrunk to at most 512 pixels."""
    image = image.copy()
    image.thumbnail((512, 512))
    captioned = Image.new("RGB", (max(image.width, 240), image.height + 34), BACKGROUND)
    captioned.paste(image, ((captioned.width - image.width) // 2, 0))
    ImageDraw.Draw(captioned).text((8, image.height + 7), caption, fill=TEXT, font=ImageFont.load_default(18))
    return captioned


def _truncate(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    if font.getlength(text) <= TILE:
        return text
    while text and font.getlength(text) > TILE - 12:
        text = text[:-1]
    return f"{text}…"
