"""The gate of int8: it is packaged only where it keeps the accuracy of fp32 on the test split."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from stages.core.console import create_progress
from stages.core.errors import UserError
from stages.core.onnx_model import create_session
from stages.package.onnx import INPUT, OUTPUT
from stages.preprocess.store import Images, Split

BATCH = 16
SURE = 1.96  # standard deviations of a 95 % interval


@dataclass(frozen=True)
class Trial:
    """What fp32 and int8 say of the same test images: counts of images, and the largest difference of a probability."""

    images: int
    correct: int
    lost: int
    gained: int
    changed: int
    largest: float

    @property
    def drop(self) -> float:
        """The accuracy that int8 loses, points; below 0 it gains."""
        return 100 * (self.lost - self.gained) / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the drop, points: of paired answers, by Agresti and Min (2005)."""
        count, lost, gained = self.images + 2, self.lost + 0.5, self.gained + 0.5
        mean = (lost - gained) / count
        half = SURE * float(np.sqrt((lost + gained) / count - mean**2) / np.sqrt(count))
        return 100 * (mean - half), 100 * (mean + half)

    @property
    def record(self) -> dict[str, Any]:
        """The numbers, for parity.json and model.json."""
        return {
            "images": self.images,
            "accuracy_fp32": round(self.correct / self.images, 6),
            "accuracy": round((self.correct - self.lost + self.gained) / self.images, 6),
            "drop_points": round(self.drop, 4),
            "drop_interval": [round(edge, 4) for edge in self.interval],
            "changed_answers": self.changed,
            "max_abs_difference": self.largest,
        }

    @property
    def words(self) -> str:
        """The numbers, for a person."""
        before, after = (self.correct / self.images, (self.correct - self.lost + self.gained) / self.images)
        worst, best = (0 - edge for edge in reversed(self.interval))
        return (
            f"test accuracy {before:.1%} → {after:.1%}: {0 - self.drop:+.2f} points "
            f"(95 %: {worst:+.2f} to {best:+.2f}), {self.changed} of {self.images} answers changed"
        )


def refuse_untested(where: str, dataset: str, test: Split) -> None:
    """Raise a UserError where no labelled test image could show what int8 costs; `where` is the key that asks."""
    if not (test.labels >= 0).any():
        raise UserError(
            f"{where}: int8 needs labelled test images, {dataset} has none; "
            f"give it some (datasets.{dataset}.preprocess.split.test > 0) or set quantize: none"
        )


def compare(fp32: Path, int8: Path, test: Split) -> Trial:
    """Ask two ONNX files every labelled test image, batch by batch."""
    opened = create_session(fp32), create_session(int8)
    rows = np.flatnonzero(test.labels >= 0)
    found = np.empty((2, len(rows)), np.int64)
    largest, start = 0.0, 0
    for images in in_batches(test.images, rows, "testing int8 against fp32"):
        answers = [one.run([OUTPUT], {INPUT: images})[0] for one in opened]
        found[:, start : start + len(images)] = [answer.argmax(1) for answer in answers]
        largest, start = max(largest, float(np.abs(answers[0] - answers[1]).max())), start + len(images)
    before, after = found == test.labels[rows]
    lost, gained = int((before & ~after).sum()), int((~before & after).sum())
    return Trial(len(rows), int(before.sum()), lost, gained, int((found[0] != found[1]).sum()), largest)


def in_batches(images: Images, rows: npt.NDArray[np.int64], description: str) -> Iterator[Images]:
    """Yield images by their rows, batch by batch, while a bar shows how far they are."""
    with create_progress() as bar:
        task = bar.add_task(description, total=len(rows))
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            yield np.ascontiguousarray(images[batch])
            bar.advance(task, len(batch))
