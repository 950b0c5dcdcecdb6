"""A Keras network up to one of its layers, ready for export: raw pixels to features of unit length."""

import random
from types import ModuleType

import keras
from keras import layers

from stages.backends.keras.model import restore
from stages.backends.keras.portable import Portable
from stages.backends.keras.weights import initialise
from stages.core.errors import UserError, require_known
from stages.core.registry import NETWORKS, load_module
from stages.package.cut.source import POOL, Source


def portable(source: Source) -> Portable:
    """Return a network up to a layer as a PyTorch module."""
    with keras.device("cpu:0"):
        return Portable(featuriser(source)).eval()


def featuriser(source: Source) -> keras.Model:
    """Return raw pixels (uint8, N x H x W x 3) → a layer's output (for `pool`, what the head is given; N x D)."""
    module = load_module(NETWORKS[source.framework], source.name, source.plugins)
    network = filled(source, module)
    body = keras.Model(network.inputs, end(network, module, source.layer))
    pixels = keras.Input(network.input_shape[1:], dtype="uint8", name="pixels")
    found = body(keras.ops.cast(pixels, "float32"), training=False)
    axes = list(range(1, len(found.shape) - 1))
    averaged = keras.ops.mean(found, axis=axes) if axes else found
    return keras.Model(pixels, layers.UnitNormalization(name="features", dtype="float32")(averaged))


def filled(source: Source, module: ModuleType) -> keras.Model:
    """Return the network with its weights."""
    if source.folder is not None and source.description is not None:
        return restore(source.folder, source.description)
    random.seed(source.seed)  # an initialiser draws its seed from it; Keras' own function would import TensorFlow
    network: keras.Model = source.build()
    initialise(network, source.weights, module)
    return network


def end(network: keras.Model, module: ModuleType, layer: str) -> keras.KerasTensor:
    """Return where a network is cut."""
    names = [part.name for part in network.layers]
    if layer != POOL:
        return network.get_layer(require_known("features.layer", layer, names)).output
    head = getattr(module, "HEAD", None)
    if head is None:
        raise UserError(f"features.layer: {module.__name__} names no HEAD; say one of {', '.join(names)}")
    return network.get_layer(head).input
