"""The proof that an exported model answers as the native one does."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from stages.core.errors import UserError
from stages.preprocess.store import Images, Split
from stages.train.model import Probabilities


@dataclass(frozen=True)
class Parity:
    """How far two implementations of one model lie apart on the same images."""

    images: int
    largest: float
    agreeing: int | None = None

    @property
    def record(self) -> dict[str, Any]:
        """The numbers, for parity.json."""
        labels = {} if self.agreeing is None else {"same_label": self.agreeing}
        return {"images": self.images, "max_abs_difference": self.largest} | labels


def compare(native: Probabilities, other: Probabilities) -> Parity:
    """Compare two models' probabilities (N x classes) of the same images."""
    largest = float(np.abs(native - other).max())
    return Parity(len(native), largest, int((native.argmax(1) == other.argmax(1)).sum()))


def refuse_drift(where: str, found: dict[str, Parity], limit: float) -> None:
    """Raise a UserError where an exported model answers otherwise than the native one; `where` is the limit's key."""
    for kind, parity in found.items():
        if not parity.largest <= limit:
            raise UserError(
                f"{where}: {kind} differs by up to {parity.largest:.2g} on {parity.images} "
                f"images, more than {limit:g}; nothing is packaged. Try another opset"
            )


def chosen(split: Split, count: int) -> Images:
    """Return `count` images spread over a split, or all where there are fewer."""
    rows = np.unique(np.linspace(0, len(split) - 1, min(count, len(split))).astype(int))
    return np.ascontiguousarray(split.images[rows])
