"""A few test pictures that travel with a package, for people to try it with."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from stages.preprocess.store import Split

COUNT = 4
QUALITY = 90
FOLDER = "examples"


def write_examples(test: Split, labels: list[str], folder: Path) -> list[dict[str, str]]:
    """Write pictures into a package; return what model.json says of them: file and published label."""
    (folder / FOLDER).mkdir()
    found = []
    for number, row in enumerate(spread(test.labels, COUNT)):
        file = f"{FOLDER}/{number}.jpg"
        Image.fromarray(np.asarray(test.images[row])).save(folder / file, quality=QUALITY)
        found.append({"file": file, "label": labels[test.labels[row]]})
    return found


def spread(classes: npt.NDArray[np.int64], count: int) -> list[int]:
    """Return rows evenly spread over the classes: the first of each chosen one, the next where one is chosen again."""
    present = np.unique(classes[classes >= 0])
    chosen = [int(present[number * len(present) // count]) for number in range(count if len(present) else 0)]
    rows = {label: iter(np.flatnonzero(classes == label).tolist()) for label in chosen}
    found = [next(rows[label], None) for label in chosen]
    return [row for row in found if row is not None]
