"""A Keras network as it answers and is exported: raw pixels in, a probability for every class out."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors.numpy import load_file

from stages.backends.base import Predictor
from stages.core.errors import UserError
from stages.preprocess.store import Images
from stages.train.model import WEIGHTS, Description, Probabilities, State, rebuild


def named(network: keras.Model) -> dict[str, Any]:
    """Return the network's weights by their paths; seeds are none."""
    found = {weight.path: weight for weight in network.weights}
    if len(found) < len(network.weights):
        raise UserError(f"network {network.name}: two weights have one path; give its layers names of their own")
    return found


def state(network: keras.Model) -> State:
    """Return the network's weights by name."""
    return {path: keras.ops.convert_to_numpy(weight) for path, weight in named(network).items()}


def parameters(network: keras.Model) -> int:
    """Return how many numbers training may change."""
    return sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)


def take(network: keras.Model, arrays: State, source: str) -> int:
    """Copy the arrays whose name and shape fit; refuse a state of which nothing fits."""
    own = named(network)
    fitting = [name for name, array in arrays.items() if name in own and own[name].shape == array.shape]
    if not fitting:
        names = f"the file has {', '.join(list(arrays)[:3])} …, the network {', '.join(list(own)[:3])} …"
        raise UserError(f"weights {source}: no array fits the network by name and shape; {names}")
    for name in fitting:
        own[name].assign(arrays[name])
    return len(fitting)


def restore(folder: Path, description: Description) -> keras.Model:
    """Return a trained network."""
    keras.utils.clear_session()
    network: keras.Model = rebuild(description)
    if take(network, load_file(folder / WEIGHTS), str(folder)) < len(network.weights):
        raise UserError(f"{folder}: its weights are not those of network {description.network['name']}; train again")
    return network


def served(network: keras.Model) -> keras.Model:
    """Return the model without what only trains: raw pixels (uint8, N x H x W x 3) → probabilities (N x classes).

    Exporting the network itself would keep its random layers, and answer at random.
    """
    pixels = keras.Input(network.input_shape[1:], dtype="uint8", name="pixels")
    found = network(keras.ops.cast(pixels, "float32"), training=False)
    if network.output_shape[-1] == 1:
        found = keras.ops.concatenate([1.0 - found, found], axis=-1)
    return keras.Model(pixels, keras.layers.Identity(name="probabilities", dtype="float32")(found), name="served")


def native(folder: Path, description: Description) -> Predictor:
    """Return a function from raw pixels to probabilities; it computes on the CPU, as what it is compared with does."""
    with keras.device("cpu:0"):
        model = served(restore(folder, description))

    def answer(images: Images) -> Probabilities:
        with keras.device("cpu:0"):
            found: Probabilities = model.predict_on_batch(images)
        return found

    return answer
