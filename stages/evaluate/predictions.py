"""The native network's answers on a split, and what follows from each of them."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stages.backends.base import tester
from stages.core.console import track
from stages.core.contact_sheet import write_contact_sheet
from stages.evaluate.metrics import Predictions
from stages.preprocess.store import Split
from stages.train.model import Description


def predict(model: Path, split: Split, batch_size: int) -> tuple[Predictions, Description]:
    """Return the native network's probabilities of every image of a split."""
    answer, description = tester(model, split)
    starts = range(0, len(split), batch_size)
    parts = (slice(start, start + batch_size) for start in starts)
    answers = [answer(part).astype(np.float64) for part in track(parts, len(starts), "testing")]
    return Predictions(np.concatenate(answers), split.labels, description.labels), description


def write_predictions(path: Path, found: Predictions, split: Split) -> None:
    """Write one row for each image: path, truth, prediction, a probability for each class."""
    columns: dict[str, Any] = {
        "path": split.paths,
        "actual": [found.labels[number] for number in found.truth],
        "predicted": [found.labels[number] for number in found.predicted],
    }
    columns |= {f"p_{label}": found.probabilities[:, number] for number, label in enumerate(found.labels)}
    pq.write_table(pa.table(columns), path)


def write_mistakes(path: Path, found: Predictions, split: Split, count: int) -> None:
    """Write a sheet of the images whose true class was thought least likely."""
    true = found.probabilities[np.arange(len(found.truth)), found.truth]
    wrong = np.flatnonzero(found.predicted != found.truth)
    worst = wrong[np.argsort(true[wrong], kind="stable")][:count]
    captions = [
        f"{found.labels[found.truth[i]]}\nsaid {found.confidence[i]:.0%} {found.labels[found.predicted[i]]}"
        for i in worst
    ]
    write_contact_sheet([(split.images[i], caption) for i, caption in zip(worst, captions, strict=True)], path)
