"""The small Xception of Keras' "image classification from scratch" tutorial, with its augmentation as layers."""

from functools import partial

import keras
from keras import KerasTensor, layers

WIDTHS = (128, 256, 512, 728)
HEAD = "classifier"


def keras_model(
    classes: int,
    size: int,
    *,
    dropout: float = 0.5,
    flip: bool = True,
    rotation: float = 0.1,
    momentum: float = 0.99,
) -> keras.Model:
    """Return the network: pixels 0–255 (N x size x size x 3) → probabilities; for two classes one, the second's.

    `rotation` is a share of a full turn, either way.
    """
    norm = partial(layers.BatchNormalization, momentum=momentum)
    pixels = layers.Input((size, size, 3))
    x = layers.RandomFlip("horizontal")(pixels) if flip else pixels
    x = layers.RandomRotation(rotation)(x) if rotation else x
    x = layers.Rescaling(1 / 255)(x)
    x = layers.ReLU()(norm()(layers.Conv2D(32, 3, strides=2, padding="same")(x)))
    x = layers.ReLU()(norm()(layers.Conv2D(64, 3, padding="same")(x)))
    for width in WIDTHS:
        x = residual_block(x, width, norm)
    x = layers.ReLU()(norm()(layers.SeparableConv2D(1024, 3, padding="same")(x)))
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    return keras.Model(pixels, layers.Dense(units, activation, dtype="float32", name=HEAD)(x))


def residual_block(x: KerasTensor, width: int, norm: partial[layers.BatchNormalization]) -> KerasTensor:
    """Twice (ReLU, separable convolution, batch normalisation), pooled, beside a strided 1 x 1 convolution."""
    shortcut = layers.Conv2D(width, 1, strides=2, padding="same")(x)
    for _ in range(2):
        x = norm()(layers.SeparableConv2D(width, 3, padding="same")(layers.ReLU()(x)))
    return layers.Add()([layers.MaxPooling2D(3, strides=2, padding="same")(x), shortcut])
