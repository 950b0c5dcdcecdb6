"""Confusion matrix, ROC and calibration: as CSV for `dvc plots`, as PNG for people."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from stages.core.files import atomic_file
from stages.evaluate.metrics import Predictions, calibration

PICTURES = "pictures"
FEW = 12  # classes whose counts are written into the confusion matrix
CLASSES = ("label", "precision", "recall", "f1", "images")
CONFUSIONS = ("actual", "predicted", "images", "share")


def write_rows(path: Path, rows: Iterable[dict[str, Any]], names: Sequence[str]) -> None:
    """Write rows as CSV."""
    with atomic_file(path) as scratch, scratch.open("w", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_plots(folder: Path, found: Predictions, bins: int) -> None:
    """Write confusion.csv, roc.csv, calibration.csv and a PNG of each."""
    pairs = zip(found.truth, found.predicted, strict=True)
    names = found.labels
    write_rows(
        folder / "confusion.csv",
        ({"actual": names[actual], "predicted": names[predicted]} for actual, predicted in pairs),
        ["actual", "predicted"],
    )
    curve = roc(found)
    write_rows(folder / "roc.csv", curve, ["label", "fpr", "tpr"])
    bars = calibration(found, bins)
    write_rows(folder / "calibration.csv", bars, ["confidence", "accuracy", "count"])
    pictures = folder / PICTURES
    pictures.mkdir(exist_ok=True)
    draw(pictures / "confusion.png", lambda axes: draw_confusion(axes, found), side(len(names)))
    draw(pictures / "roc.png", lambda axes: draw_roc(axes, curve))
    draw(pictures / "calibration.png", lambda axes: draw_calibration(axes, bars))


def roc(found: Predictions, points: int = 200) -> list[dict[str, Any]]:
    """Return points of the ROC curve of each class against the rest (of the last class alone where there are two)."""
    from sklearn.metrics import roc_curve

    rows: list[dict[str, Any]] = []
    classes = [1] if len(found.labels) == 2 else range(len(found.labels))
    for number in classes:
        truth = found.truth == number
        if truth.all() or not truth.any():
            continue
        fpr, tpr, _ = roc_curve(truth, found.probabilities[:, number])
        for place in np.unique(np.linspace(0, len(fpr) - 1, points).astype(int)):
            rows.append({"label": found.labels[number], "fpr": round(fpr[place], 5), "tpr": round(tpr[place], 5)})
    return rows


def side(classes: int) -> float:
    """Return the side of a confusion matrix in inches: legible for 2 classes and for 120."""
    return min(24.0, 3.4 + 0.18 * classes)


def draw(path: Path, content: Any, size: float = 3.8) -> None:
    """Draw one plot into a PNG."""
    figure = Figure(figsize=(size, size), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    content(axes)
    figure.savefig(path, dpi=110)


def draw_confusion(axes: Axes, found: Predictions) -> None:
    """Draw counts, coloured by the share of the actual class."""
    classes = len(found.labels)
    counts = np.zeros((classes, classes), dtype=int)
    np.add.at(counts, (found.truth, found.predicted), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    faint = PowerNorm(1 if classes <= FEW else 0.5, 0, 1)  # among many classes single mistakes would not be seen
    axes.imshow(shares, cmap="Blues", norm=faint)
    ticks = range(classes)
    axes.set_xticks(ticks, found.labels, rotation=90 if classes > 6 else 0)
    axes.set_yticks(ticks, found.labels)
    axes.set(xlabel="predicted", ylabel="actual")
    if classes <= FEW:
        for row, column in np.ndindex(classes, classes):
            ink = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(counts[row, column]), ha="center", va="center", color=ink)


def draw_roc(axes: Axes, rows: list[dict[str, Any]]) -> None:
    """Draw the curves; the diagonal is chance."""
    for label in dict.fromkeys(row["label"] for row in rows):
        mine = [row for row in rows if row["label"] == label]
        axes.plot([row["fpr"] for row in mine], [row["tpr"] for row in mine], label=label)
    axes.plot([0, 1], [0, 1], "C7--", lw=1)
    axes.set(xlabel="false positive rate", ylabel="true positive rate", aspect="equal")
    if 0 < len({row["label"] for row in rows}) <= 10:
        axes.legend(frameon=False, loc="lower right")


def draw_calibration(axes: Axes, rows: list[dict[str, float]]) -> None:
    """Draw accuracy against confidence; on the diagonal a model knows how sure it may be."""
    axes.plot([0, 1], [0, 1], "C7--", lw=1)
    counts = np.array([row["count"] for row in rows], dtype=float)
    x, y = [row["confidence"] for row in rows], [row["accuracy"] for row in rows]
    axes.plot(x, y, "C0-", lw=1)
    axes.scatter(x, y, s=20 + 180 * counts / counts.max(), alpha=0.7)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.03), ylim=(0, 1.03), aspect="equal")
