"""What an index folder holds of each picture beside its vector: metadata as JSON lines, thumbnails as JPEGs."""

import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from PIL import Image

from stages.core.console import track
from stages.core.errors import UserError
from stages.index.collection import METADATA, THUMBS, offsets_of
from stages.index.conditional.pages import HELD, Bounded, Budget
from stages.preprocess.store import Everything, Images

QUALITY = 82
Sizes = npt.NDArray[np.int64]


def write_records(everything: Everything, resize: str, thumbnail: int, folder: Path) -> None:
    """Write metadata and thumbnails of every picture."""
    append(folder / METADATA, lines(everything.metadata))
    append(folder / THUMBS, thumbs(everything, resize, thumbnail))


def append(file: Path, records: Iterable[bytes]) -> None:
    """Write byte strings one after another, and where each begins."""
    ends = [0]
    with file.open("wb") as target:
        for record in records:
            target.write(record)
            ends.append(target.tell())
    np.save(offsets_of(file), np.array(ends, np.int64))


def lines(metadata: pa.Table) -> Iterator[bytes]:
    """Yield a table's rows as JSON; what is missing is an empty string."""
    for batch in metadata.to_batches(max_chunksize=4096):
        for row in batch.to_pylist():
            text = json.dumps({name: value or "" for name, value in row.items()}, ensure_ascii=False)
            yield f"{text}\n".encode()


def thumbs(everything: Everything, resize: str, longest: int) -> Iterator[bytes]:
    """Yield a small JPEG of every picture, in the shape that it had before it was made square."""
    images = Bounded(everything.images, Budget(HELD))
    for number in track(range(len(images)), len(images), "thumbnails"):
        yield thumb(images[number : number + 1][0], everything.sizes[number], resize, longest)


def thumb(picture: Images, size: Sizes, resize: str, longest: int) -> bytes:
    """Return a small JPEG of a picture (H x W x 3) that had a size, width and height."""
    return jpeg(restored(Image.fromarray(picture), size, resize, longest))


def restored(image: Image.Image, size: Sizes, resize: str, longest: int) -> Image.Image:
    """Return a square picture in its former shape: what was squashed is stretched, what was letterboxed is cut out."""
    width, height = (max(1, round(side / size.max() * image.width)) for side in size)
    if resize == "letterbox":
        width, height = min(width, int(size[0])), min(height, int(size[1]))
        left, top = (image.width - width) // 2, (image.height - height) // 2
        image = image.crop((left, top, left + width, top + height))
    else:
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    image.thumbnail((longest, longest))
    return image


def jpeg(image: Image.Image) -> bytes:
    """Return a picture's file."""
    file = io.BytesIO()
    image.save(file, "JPEG", quality=QUALITY)
    return file.getvalue()


class Columns(Mapping[str, list[str]]):
    """Column → values, empty strings where there are none; made when asked for, as strings take ten times a table's."""

    def __init__(self, metadata: pa.Table) -> None:
        self._metadata = metadata
        self.nbytes: int = metadata.nbytes

    def __getitem__(self, column: str) -> list[str]:
        return [value or "" for value in self._metadata[column].to_pylist()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._metadata.column_names)

    def __len__(self) -> int:
        return len(self._metadata.column_names)

    def counts(self, column: str) -> dict[str, int]:
        """Return label → how many rows carry it, sorted."""
        return dict(sorted(Counter(self[column]).items()))


def columns(metadata: pa.Table, needed: Iterable[str], dataset: str) -> Columns:
    """Return a table's columns of strings; refuse those that it lacks."""
    missing = [name for name in needed if name not in metadata.column_names]
    if missing:
        there = ", ".join(metadata.column_names)
        raise UserError(f"dataset {dataset}: no metadata column {', '.join(missing)}; there is {there}")
    return Columns(metadata)


def refuse_twice(names: list[str], column: str) -> None:
    """Raise a UserError where a column that names pictures names two alike."""
    seen: set[str] = set()
    for number, name in enumerate(names):
        if name in seen:
            raise UserError(f"id_column {column}: {name!r} in row {number} stands there twice; choose another column")
        seen.add(name)
