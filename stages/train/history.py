"""The rows of metrics that a training leaves, whatever the framework: what they say, and what follows from them."""

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from stages.config.schema import Train
from stages.core.console import console
from stages.core.files import atomic_file
from stages.core.metrics import monitor_sort_key

HISTORY = "history.csv"

Row = dict[str, float]
Report = Callable[[Row], None]


@dataclass(frozen=True)
class Trained:
    """A network with its best epoch's weights, and every epoch's metrics."""

    network: Any
    history: list[Row]
    best: Row

    @property
    def last(self) -> Row:
        """The last epoch's metrics."""
        return self.history[-1]


def best(rows: list[Row], config: Train) -> Row:
    """Return the row of the epoch whose weights are kept; the first of equals. Not a number is the worst of all."""
    return min(rows, key=lambda row: monitor_sort_key(config.monitor, config.mode, row))


def exhausted(rows: list[Row], config: Train) -> bool:
    """Return whether a training has had all its epochs, or used up its patience."""
    if not rows:
        return False
    since = len(rows) - best(rows, config)["epoch"]
    return len(rows) >= config.epochs or 0 < config.patience <= since


def tell(row: Row, epochs: int, images: int, began: float) -> None:
    """Print an epoch's line: metrics, images a second, time left; `began` is a monotonic time."""
    seconds = time.monotonic() - began
    left = timedelta(seconds=round(seconds * (epochs - row["epoch"])))
    metrics = "  ".join(f"{name} {row[name]:.4f}" for name in row if name not in ("epoch", "lr"))
    console.print(f"epoch {row['epoch']:.0f}/{epochs}  {metrics}  {images / seconds:,.0f} images/s  {left} left")


def write_history(path: Path, rows: list[Row]) -> None:
    """Write one line for each epoch."""
    with atomic_file(path) as scratch, scratch.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: f"{value:.6g}" for name, value in row.items()} for row in rows)
