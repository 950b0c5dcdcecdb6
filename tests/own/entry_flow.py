"""Where an Xception begins: every kind of layer that the whole has, at a small part of its work."""

from functools import partial

import keras
from keras import layers

from stages.networks.xception import HEAD, residual_block


def keras_model(
    classes: int, size: int, *, dropout: float = 0.5, flip: bool = True, rotation: float = 0.1, momentum: float = 0.9
) -> keras.Model:
    """Return the network: pixels 0–255 (N x size x size x 3) → probability of the second of two classes."""
    norm = partial(layers.BatchNormalization, momentum=momentum)
    pixels = layers.Input((size, size, 3))
    x = layers.RandomFlip("horizontal")(pixels) if flip else pixels
    x = layers.RandomRotation(rotation)(x) if rotation else x
    x = layers.Rescaling(1 / 255)(x)
    x = layers.ReLU()(norm()(layers.Conv2D(32, 3, strides=2, padding="same")(x)))
    x = residual_block(x, 64, norm)
    x = layers.Dropout(dropout)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(pixels, layers.Dense(classes - 1, "sigmoid", dtype="float32", name=HEAD)(x))
