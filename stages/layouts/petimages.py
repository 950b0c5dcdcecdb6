"""Microsoft's "Kaggle Cats and Dogs": `PetImages/Cat/0.jpg`, `PetImages/Dog/0.jpg`, in one zip."""

import io
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import chain
from pathlib import Path

from stages.config.schema import Synthetic
from stages.core.archive import ArchiveReader, Entry, walk_archive, write_zip
from stages.fetch.synthetic import CAT, DOG, broken, drawings, photograph

EXPECTED = "PetImages/Cat/0.jpg, PetImages/Dog/0.jpg, …, or Cat/0.jpg, Dog/0.jpg, …"
LABELLED = re.compile(r"(?:^|/)(cat|dog)/[^/]+\.jpe?g$", re.IGNORECASE)
NOT_JFIF = 'no "JFIF" in its first 10 bytes'


def entries(raw: Path, scratch: Path, *, strict_jfif: bool = False) -> list[Entry]:
    """Return every picture of the archive at `raw`; those that are not JFIF are remarked, or dropped if strict."""
    found = []
    with closing(ArchiveReader()) as reader:
        for archive, index, name in walk_archive(raw, scratch):
            labelled = LABELLED.search(name)
            if labelled:
                entry = Entry(archive, index, name, labelled[1].lower())
                lacking = b"JFIF" not in reader.read_prefix(entry, 10)
                found.append(replace(entry, remark=NOT_JFIF, unwanted=strict_jfif) if lacking else entry)
    return found


def draw(folder: Path, spec: Synthetic, seed: int) -> Path:
    """Draw cats and dogs into a zip of this layout, with every fault that the published one has; return the zip."""
    pets = (CAT, DOG)
    names = [f"PetImages/{pets[i % 2].name.title()}/{i // 2}.jpg" for i in range(spec.images)]
    pictures = drawings([pets[i % 2] for i in range(spec.images)], spec, seed)
    target = folder / "kagglecatsanddogs_5340.zip"
    write_zip(target, chain(zip(names, pictures, strict=True), faulty(spec, seed)))
    return target


def faulty(spec: Synthetic, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield broken files, among them pictures that only lack their JFIF header, and files that are no pictures."""
    sample = photograph((CAT, spec.smallest, spec.largest, seed, spec.images))
    for number in range(spec.corrupt):
        content = without_jfif(sample, number) if number % 2 else broken(number // 2, sample)
        yield f"PetImages/Cat/{spec.images + number}.jpg", content
    if spec.corrupt:
        yield "PetImages/Cat/Thumbs.db", b"\xd0\xcf\x11\xe0" + bytes(60)
        yield "readme[1].txt", b"This data set is drawn."


def without_jfif(jpeg: bytes, number: int) -> bytes:
    """Return a JPEG without its JFIF segment, unlike its neighbours by a comment; any decoder reads it."""
    file = io.BytesIO(jpeg)
    start, marker, length = file.read(2), file.read(2), int.from_bytes(file.read(2))
    assert marker == b"\xff\xe0"
    note = str(number).encode()
    return start + b"\xff\xfe" + (2 + len(note)).to_bytes(2) + note + jpeg[4 + length :]
