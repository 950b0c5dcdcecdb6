"""The example pictures of a package, if it has some, and small ones of them to choose from."""

import io
from dataclasses import dataclass
from pathlib import Path

from bento.tensors import Malformed
from stages.core.image import decode

SMALL = 96


@dataclass(frozen=True)
class Example:
    """A picture that was never trained on, and the label it was published with."""

    label: str
    picture: bytes
    thumb: bytes


def read_examples(folder: Path, described: list[dict[str, str]]) -> list[Example]:
    """Read the examples that a package describes; those whose file was not handed on are left out."""
    files = [(folder / item["file"], item["label"]) for item in described]
    return [example(file.read_bytes(), label) for file, label in files if file.is_file()]


def example(picture: bytes, label: str) -> Example:
    """Return an example with its thumbnail, a JPEG of at most 96 pixels."""
    small = decode(picture, SMALL)
    small.thumbnail((SMALL, SMALL))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=80)
    return Example(label, picture, file.getvalue())


def chosen(examples: list[Example], number: str) -> Example:
    """Return an example by its number, or raise Malformed."""
    if not examples:
        raise Malformed("example: this model has none")
    if not number.isascii() or not number.isdigit() or len(number) > 4 or int(number) >= len(examples):
        raise Malformed(f"example {number[:20]} does not exist; there are 0 to {len(examples) - 1}")
    return examples[int(number)]
