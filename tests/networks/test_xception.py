"""The network against the published tutorial: kinds of layers, shapes, number of parameters."""

from collections import Counter

import pytest

from stages.backends.base import framework
from stages.backends.keras import backend
from stages.train.model import build

PUBLISHED = {
    "RandomFlip": 1, "RandomRotation": 1, "Rescaling": 1, "Conv2D": 6, "BatchNormalization": 11,
    "SeparableConv2D": 9, "MaxPooling2D": 4, "Add": 4, "GlobalAveragePooling2D": 1, "Dropout": 1, "Dense": 1,
    "ReLU": 11, "InputLayer": 1,
}  # fmt: skip


@pytest.fixture(autouse=True)
def chosen() -> None:
    framework("keras")
    backend.choose("tensorflow")


def test_layers_are_the_published_ones() -> None:
    network = build("keras", {"name": "xception"}, 2, 180, [])
    assert Counter(type(layer).__name__ for layer in network.layers) == PUBLISHED
    assert network.input_shape == (None, 180, 180, 3)
    assert network.output_shape == (None, 1)
    assert [layer.output.shape[1:] for layer in network.layers if type(layer).__name__ == "Add"] == [
        (45, 45, 128), (23, 23, 256), (12, 12, 512), (6, 6, 728),
    ]  # fmt: skip
    assert network.layers[-1].activation.__name__ == "sigmoid"
    rescaling = next(layer for layer in network.layers if type(layer).__name__ == "Rescaling")
    assert rescaling.scale == pytest.approx(1 / 255)


@pytest.mark.parametrize(("classes", "parameters"), [(2, 2_782_649), (5, 2_786_749)])
def test_parameters_are_as_many(classes: int, parameters: int) -> None:
    network = build("keras", {"name": "xception"}, classes, 180, [])
    assert network.count_params() == parameters
    assert network.layers[-1].activation.__name__ == ("sigmoid" if classes == 2 else "softmax")


def test_its_keys_reach_it() -> None:
    plain = build("keras", {"name": "xception", "flip": False, "rotation": 0.0, "momentum": 0.5}, 2, 64, [])
    kinds = {type(layer).__name__ for layer in plain.layers}
    assert not kinds & {"RandomFlip", "RandomRotation"}
    assert {layer.momentum for layer in plain.layers if type(layer).__name__ == "BatchNormalization"} == {0.5}
