"""What a Keras network starts from: nothing, Keras' ImageNet weights, or a file."""

import os
from pathlib import Path
from types import ModuleType
from zipfile import BadZipFile

import keras
from safetensors import SafetensorError
from safetensors.numpy import load_file

from stages.backends.keras.model import state, take
from stages.core.errors import UserError, first_line
from stages.train.weights import locate


def initialise(network: keras.Model, weights: str, module: ModuleType) -> None:
    """Load what `weights` names into the network."""
    if weights == "imagenet":
        take(network, state(imagenet(module)), weights)
    file = locate(weights)
    if file is not None:
        load(network, file)


def imagenet(module: ModuleType) -> keras.Model:
    """Return the network that holds Keras' weights, from its cache or downloaded; say what is wrong if that fails."""
    name = module.__name__.rpartition(".")[2]
    if not hasattr(module, "imagenet"):
        raise UserError(f"network {name}: there are no ImageNet weights for it; say weights: none or a path")
    try:
        found: keras.Model = module.imagenet()
    except Exception as error:  # Keras turns whatever urllib raises into an Exception that names the address
        folder = Path(os.environ.get("KERAS_HOME", "~/.keras")).expanduser() / "models"
        raise UserError(
            f"weights imagenet: cannot be downloaded ({first_line(error)}); "
            f"place the file of that address in {folder}, or say weights: none or a path"
        ) from error
    return found


def load(network: keras.Model, file: Path) -> None:
    """Read weights from .safetensors, .keras or .weights.h5; none of them holds code."""
    try:
        if file.suffix == ".safetensors":
            take(network, load_file(file), str(file))
        else:
            network.load_weights(file)
    except (SafetensorError, BadZipFile, ValueError, OSError) as error:
        raise UserError(f"weights {file}: not a state of this network ({first_line(error)})") from error
