"""Keras' ResNet-50 with one linear layer on its average pooling; it normalises as its weights ask for."""

import keras
from keras import layers
from keras.applications import resnet

HEAD = "classifier"


def keras_model(classes: int, size: int) -> keras.Model:
    """Return the network: pixels 0–255 (N x size x size x 3) → probabilities; for two classes one, the second's."""
    pixels = layers.Input((size, size, 3))
    body = resnet.ResNet50(include_top=False, weights=None, input_tensor=resnet.preprocess_input(pixels), pooling="avg")
    units, activation = (1, "sigmoid") if classes == 2 else (classes, "softmax")
    return keras.Model(pixels, layers.Dense(units, activation, dtype="float32", name=HEAD)(body.output))


def imagenet() -> keras.Model:
    """Return Keras' own ImageNet network, whose layers have the same names; it is downloaded, or found in its cache."""
    return resnet.ResNet50(include_top=False, weights="imagenet", pooling="avg")
