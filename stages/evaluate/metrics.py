"""Numbers about predictions: probabilities (N x C) against classes (N)."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Predictions:
    """Probabilities (N x C, rows sum to 1), true classes (N) and class names (C)."""

    probabilities: Floats
    truth: Classes
    labels: list[str]

    @property
    def predicted(self) -> Classes:
        """The most probable class of every image."""
        return np.asarray(self.probabilities.argmax(1), dtype=np.int64)

    @property
    def confidence(self) -> Floats:
        """The probability of the predicted class."""
        return np.asarray(self.probabilities.max(1), dtype=np.float64)


def wilson(correct: int, count: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a proportion."""
    from scipy.stats import binomtest

    interval = binomtest(correct, count).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def log_loss(found: Predictions) -> float:
    """Return the mean cross-entropy (natural logarithm)."""
    true = found.probabilities[np.arange(len(found.truth)), found.truth]
    return float(-np.log(np.clip(true, 1e-12, 1)).mean())


def calibration(found: Predictions, bins: int) -> list[dict[str, float]]:
    """Return mean confidence, accuracy and count of each bin of confidence that holds images."""
    place = np.minimum((found.confidence * bins).astype(int), bins - 1)
    hits = found.predicted == found.truth
    rows = []
    for number in range(bins):
        inside = place == number
        if inside.any():
            mean, share = found.confidence[inside].mean(), hits[inside].mean()
            rows.append({"confidence": float(mean), "accuracy": float(share), "count": int(inside.sum())})
    return rows


def ece(rows: list[dict[str, float]]) -> float:
    """Return the expected calibration error: |accuracy - confidence|, weighted by count (Guo et al. 2017)."""
    total = sum(row["count"] for row in rows)
    return sum(abs(row["accuracy"] - row["confidence"]) * row["count"] for row in rows) / total


def roc_auc(found: Predictions) -> float | None:
    """Return the area under the ROC curve (one class against the rest, averaged); None if a class is missing."""
    from sklearn.metrics import roc_auc_score

    if len(np.unique(found.truth)) < len(found.labels):
        return None
    if len(found.labels) == 2:
        return float(roc_auc_score(found.truth, found.probabilities[:, 1]))
    return float(roc_auc_score(found.truth, found.probabilities, multi_class="ovr"))


def per_class(found: Predictions) -> dict[str, dict[str, float]]:
    """Return precision, recall, F1 and the number of images of every class."""
    from sklearn.metrics import precision_recall_fscore_support

    classes = list(range(len(found.labels)))
    columns = precision_recall_fscore_support(found.truth, found.predicted, labels=classes, zero_division=0)
    names = ("precision", "recall", "f1", "images")
    return {
        label: {name: round(float(column[number]), 6) for name, column in zip(names, columns, strict=True)}
        for number, label in enumerate(found.labels)
    }


def summary(found: Predictions, bins: int) -> dict[str, Any]:
    """Return every metric of a test, for metrics.json."""
    count = len(found.truth)
    correct = int((found.predicted == found.truth).sum())
    low, high = wilson(correct, count)
    majority = np.bincount(found.truth).max() / count
    auc = roc_auc(found)
    return {
        "images": count,
        "accuracy": round(correct / count, 6),
        "accuracy_low": round(low, 6),
        "accuracy_high": round(high, 6),
        "majority_guess": round(float(majority), 6),
        "loss": round(log_loss(found), 6),
        "roc_auc": auc if auc is None else round(auc, 6),
        "ece": round(ece(calibration(found, bins)), 6),
        "classes": per_class(found),
    }
