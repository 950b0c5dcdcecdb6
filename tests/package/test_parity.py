import numpy as np
import pytest

from stages.core.errors import UserError
from stages.package.parity import Parity, compare, refuse_drift

NATIVE = np.array([[0.9, 0.1], [0.2, 0.8]], np.float32)


def test_the_largest_difference_counts() -> None:
    found = compare(NATIVE, NATIVE + np.array([[0, 0], [0.5, -0.25]], np.float32))
    assert found == Parity(2, pytest.approx(0.5), 1)


@pytest.mark.parametrize("largest", [2e-5, float("nan")])
def test_drift_is_refused_by_name(largest: float) -> None:
    found = {"onnx": Parity(2, 0.0, 2), "savedmodel": Parity(2, largest, 2)}
    with pytest.raises(UserError, match=r"models\.m\.package\.parity: savedmodel differs by up to .* on 2 images"):
        refuse_drift("models.m.package.parity", found, 1e-5)


def test_what_agrees_passes() -> None:
    refuse_drift("models.m.package.parity", {"onnx": compare(NATIVE, NATIVE)}, 1e-5)
