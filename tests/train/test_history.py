import math

import pytest

from stages.train.history import Row, best, exhausted
from tests.conftest import replace, tree

CONFIG = tree().models["base_cnn"].train


def rows(name: str, *values: float) -> list[Row]:
    return [{"epoch": number, name: value} for number, value in enumerate(values, 1)]


@pytest.mark.parametrize(
    ("monitor", "mode", "values", "epoch"),
    [
        ("val_loss", "min", (0.5, 0.3, 0.3, 0.4), 2),
        ("val_accuracy", "max", (0.5, 0.9, 0.9), 2),
        ("val_loss", "min", (math.nan, 0.7, math.nan), 2),
        ("val_accuracy", "max", (math.nan, 0.0), 2),
        ("val_loss", "min", (math.nan, math.nan), 1),
    ],
)
def test_the_best_epoch_is_the_first_of_equals_and_a_number(
    monitor: str, mode: str, values: tuple[float], epoch: int
) -> None:
    assert best(rows(monitor, *values), replace(CONFIG, monitor=monitor, mode=mode))["epoch"] == epoch


def test_patience_counts_from_the_best_epoch() -> None:
    config = replace(CONFIG, epochs=9, patience=2)
    assert not exhausted(rows("val_loss", 0.5, 0.6), config)
    assert exhausted(rows("val_loss", 0.5, 0.6, 0.7), config)
    assert not exhausted([], config)
