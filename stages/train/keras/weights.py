"""What a Keras network starts from: nothing, or a file."""

from pathlib import Path
from zipfile import BadZipFile

import keras
from safetensors import SafetensorError
from safetensors.numpy import load_file

from stages.errors import UserError, first_line
from stages.train.keras.model import take
from stages.train.weights import locate


def initialise(network: keras.Model, weights: str) -> None:
    """Load what `weights` names into the network."""
    if weights == "imagenet":
        raise UserError(f"network {network.name}: there are no ImageNet weights for it; say weights: none or a path")
    file = locate(weights)
    if file is not None:
        load(network, file)


def load(network: keras.Model, file: Path) -> None:
    """Read weights from .safetensors, .keras or .weights.h5; none of them holds code."""
    try:
        if file.suffix == ".safetensors":
            take(network, load_file(file), str(file))
        else:
            network.load_weights(file)
    except (SafetensorError, BadZipFile, ValueError, OSError) as error:
        raise UserError(f"weights {file}: not a state of this network ({first_line(error)})") from error
