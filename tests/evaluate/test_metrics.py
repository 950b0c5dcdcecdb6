import numpy as np
import pytest
from sklearn.metrics import log_loss as reference_loss
from sklearn.metrics import top_k_accuracy_score

from stages.evaluate.metrics import (
    Predictions,
    calibration,
    confusions,
    ece,
    log_loss,
    per_class,
    roc_auc,
    summary,
    top,
    wilson,
)

FOUND = Predictions(
    probabilities=np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]]),
    truth=np.array([0, 0, 1, 1]),
    labels=["cat", "dog"],
)


def test_wilson_matches_published_values() -> None:
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_loss_is_cross_entropy() -> None:
    assert log_loss(FOUND) == pytest.approx(reference_loss(FOUND.truth, FOUND.probabilities))


def test_calibration_error_by_hand() -> None:
    rows = calibration(FOUND, 10)
    assert sum(row["count"] for row in rows) == 4
    assert ece(rows) == pytest.approx((0.1 + 0.4 + 0.2 + 0.7) / 4)


def test_summary_counts() -> None:
    found = summary(FOUND, 10)
    assert (found["images"], found["accuracy"], found["majority_guess"], found["roc_auc"]) == (4, 0.75, 0.5, 0.75)
    assert per_class(FOUND)[1] == {
        "label": "dog",
        "precision": 1.0,
        "recall": 0.5,
        "f1": pytest.approx(2 / 3, abs=1e-6),
        "images": 2,
    }


def test_roc_auc_of_a_missing_class_is_none() -> None:
    assert roc_auc(Predictions(FOUND.probabilities, np.zeros(4, dtype=np.int64), FOUND.labels)) is None


def test_many_classes() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(5), 100)
    found = Predictions(probabilities, np.arange(100) % 5, list("abcde"))
    assert 0.3 < float(roc_auc(found) or 0) < 0.7
    assert [row["label"] for row in per_class(found)] == list("abcde")
    assert "top5_accuracy" not in summary(found, 10), "five of five are no news"


def test_top_k_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    found = Predictions(rng.dirichlet(np.ones(9), 200), rng.integers(0, 9, 200), list("abcdefghi"))
    assert top(found, 5) == pytest.approx(top_k_accuracy_score(found.truth, found.probabilities, k=5))
    assert top(found, 1) == summary(found, 10)["accuracy"]
    assert summary(found, 10)["top5_accuracy"] == pytest.approx(top(found, 5), abs=1e-6)


def test_confusions_are_ranked_pairs() -> None:
    said = np.array([1, 1, 0, 2, 0, 2])
    found = Predictions(np.eye(3)[said], np.array([0, 0, 0, 1, 2, 2]), ["a", "b", "c"])
    assert confusions(found) == [
        {"actual": "a", "predicted": "b", "images": 2, "share": pytest.approx(2 / 3, abs=1e-6)},
        {"actual": "b", "predicted": "c", "images": 1, "share": 1.0},
        {"actual": "c", "predicted": "a", "images": 1, "share": 0.5},
    ]
