"""Kaggle "Dogs vs. Cats": `train/cat.0.jpg` names the label, `test1/1.jpg` has none; zips inside a zip, or not."""

import re
from itertools import chain
from pathlib import Path

from stages.config.schema import Synthetic
from stages.core.archive import Entry, walk_archive, write_zip
from stages.fetch.synthetic import CAT, DOG, broken, drawings, photograph

EXPECTED = "train/cat.0.jpg, train/dog.0.jpg, …"
LABELLED = re.compile(r"(?:^|/)(cat|dog)\.\d+\.jpe?g$", re.IGNORECASE)
UNLABELLED = re.compile(r"(?:^|/)\d+\.jpe?g$", re.IGNORECASE)


def entries(raw: Path, scratch: Path) -> list[Entry]:
    """Return every picture of the archive at `raw`, in the order of the archive."""
    found = []
    for archive, index, name in walk_archive(raw, scratch):
        labelled = LABELLED.search(name)
        if labelled:
            found.append(Entry(archive, index, name, labelled[1].lower()))
        elif UNLABELLED.search(name):
            found.append(Entry(archive, index, name, None))
    return found


def draw(folder: Path, spec: Synthetic, seed: int) -> Path:
    """Draw cats and dogs into a zip of this layout, a few broken files among them; return the zip."""
    pets = (CAT, DOG)
    count = spec.images + spec.unlabelled
    names = [f"train/{pets[i % 2].name}.{i // 2}.jpg" for i in range(spec.images)]
    names += [f"test1/{i + 1}.jpg" for i in range(spec.unlabelled)]
    pictures = drawings([pets[i % 2] for i in range(count)], spec, seed)
    sample = photograph((CAT, spec.smallest, spec.largest, seed, 0))
    faulty = ((f"train/{pets[i % 2].name}.{spec.images + i}.jpg", broken(i, sample)) for i in range(spec.corrupt))
    target = folder / "dogs-vs-cats.zip"
    write_zip(target, chain(zip(names, pictures, strict=True), faulty))
    return target
