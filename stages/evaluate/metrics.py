"""Numbers about predictions: probabilities (N x C) against classes (N)."""

from collections import Counter
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


def top(found: Predictions, k: int) -> float:
    """Return the share of images whose class is among the k most probable ones; the lower class first of equals."""
    ranked = np.argsort(-found.probabilities, axis=1, kind="stable")[:, :k]
    return float((ranked == found.truth[:, None]).any(1).mean())


def per_class(found: Predictions) -> list[dict[str, Any]]:
    """Return a row for every class: precision, recall, F1, number of images."""
    from sklearn.metrics import precision_recall_fscore_support

    classes = list(range(len(found.labels)))
    columns = precision_recall_fscore_support(found.truth, found.predicted, labels=classes, zero_division=0)
    return [
        {"label": label, "precision": round(p, 6), "recall": round(r, 6), "f1": round(f, 6), "images": int(n)}
        for label, p, r, f, n in zip(found.labels, *columns, strict=True)
    ]


def confusions(found: Predictions) -> list[dict[str, Any]]:
    """Return a row for every pair of classes that was mistaken, the commonest first; `share` is of the actual class."""
    pairs = Counter(zip(found.truth.tolist(), found.predicted.tolist(), strict=True))
    images = Counter(found.truth.tolist())
    wrong = sorted((pair for pair in pairs if pair[0] != pair[1]), key=lambda pair: (-pairs[pair], pair))
    return [
        {
            "actual": found.labels[actual],
            "predicted": found.labels[predicted],
            "images": pairs[actual, predicted],
            "share": round(pairs[actual, predicted] / images[actual], 6),
        }
        for actual, predicted in wrong
    ]


def summary(found: Predictions, bins: int) -> dict[str, Any]:
    """Return the metrics of a whole test, for metrics.json."""
    count = len(found.truth)
    correct = int((found.predicted == found.truth).sum())
    low, high = wilson(correct, count)
    majority = np.bincount(found.truth).max() / count
    auc = roc_auc(found)
    several = {"top5_accuracy": round(top(found, 5), 6)} if len(found.labels) > 5 else {}
    return {
        "images": count,
        "accuracy": round(correct / count, 6),
        "accuracy_low": round(low, 6),
        "accuracy_high": round(high, 6),
        **several,
        "majority_guess": round(float(majority), 6),
        "loss": round(log_loss(found), 6),
        "roc_auc": auc if auc is None else round(auc, 6),
        "ece": round(ece(calibration(found, bins)), 6),
    }
