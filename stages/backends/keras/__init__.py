"""Keras, as `framework: keras` in a model's YAML. Each function chooses the backend, then imports what uses it."""

from pathlib import Path
from typing import Any

from stages.backends.base import Predictor, SplitPredictor, by_part
from stages.backends.keras import backend
from stages.config.schema import KerasTrain
from stages.preprocess.store import Split, Store
from stages.train.history import Report, Trained
from stages.train.model import Description, State


def require_devices(config: KerasTrain) -> None:
    """Raise a UserError for several devices where Keras would not train on them as it does on one."""
    backend.require_devices(config)


def prepare(config: KerasTrain, store: Store, plugins: list[str]) -> Any:
    """Return the network as training begins with it, compiled."""
    backend.choose(config.backend, config.threads)
    from stages.backends.keras import fit

    return fit.prepare(config, store, plugins)


def train(
    prepared: Any,
    config: KerasTrain,
    store: Store,
    scratch: Path,
    report: Report,
    together: bool = True,  # noqa: ARG001
) -> Trained:
    """Train a network, in the only process; `scratch` holds the checkpoints from which a killed run goes on."""
    from stages.backends.keras import fit

    return fit.train(prepared, config, store, scratch, report)


def state(network: Any) -> State:
    """Return the network's weights by name."""
    from stages.backends.keras import model

    return model.state(network)


def parameters(network: Any) -> int:
    """Return how many numbers training may change."""
    from stages.backends.keras import model

    return model.parameters(network)


def native(folder: Path, description: Description) -> Predictor:
    """Open a trained model in the backend that trained it."""
    backend.choose(str(description.config["backend"]), int(description.config["threads"]))
    from stages.backends.keras import model

    return model.native(folder, description)


def tester(folder: Path, description: Description, split: Split) -> SplitPredictor:
    """Open a trained model to answer for a whole split."""
    return by_part(native(folder, description), split)


def portable(folder: Path, description: Description) -> Any:
    """Return a trained model as one PyTorch module, whichever backend trained it."""
    backend.choose("torch")
    import keras

    from stages.backends.keras import model
    from stages.backends.keras.portable import Portable

    with keras.device("cpu:0"):
        return Portable(model.served(model.restore(folder, description))).eval()
