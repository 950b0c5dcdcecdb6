"""Two convolutions without batch normalisation or dropout: what several devices compute together is what one does."""

import keras
from keras import layers

HEAD = "classifier"


def keras_model(classes: int, size: int, *, width: int = 8) -> keras.Model:
    """Return the network: pixels 0–255 (N x size x size x 3) → probability of the second of two classes."""
    pixels = layers.Input((size, size, 3))
    x = layers.Rescaling(1 / 255)(pixels)
    x = layers.Conv2D(width, 5, strides=2, activation="relu")(x)
    x = layers.Conv2D(width, 3, strides=2, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(pixels, layers.Dense(classes - 1, "sigmoid", dtype="float32", name=HEAD)(x))
