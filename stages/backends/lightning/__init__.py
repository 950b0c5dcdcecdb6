"""PyTorch Lightning, as `framework: lightning` in a model's YAML; only training imports Lightning itself."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.backends.base import SplitPredictor
from stages.backends.lightning.hardware import require_devices
from stages.backends.lightning.model import native, parameters, portable, state
from stages.config.schema import LightningTrain
from stages.preprocess.store import Split, Store
from stages.train.history import Report, Trained
from stages.train.model import Description

if TYPE_CHECKING:
    from stages.backends.lightning.fit import Prepared

__all__ = ["native", "parameters", "portable", "prepare", "require_devices", "state", "tester", "train"]


def prepare(config: LightningTrain, store: Store, plugins: list[str]) -> "Prepared":
    """Return the network as training begins with it."""
    from stages.backends.lightning import fit

    return fit.prepare(config, store, plugins)


def train(
    prepared: "Prepared", config: LightningTrain, store: Store, scratch: Path, report: Report, together: bool = True
) -> Trained:
    """Train a network; `scratch` holds the checkpoints from which a killed run goes on."""
    from stages.backends.lightning import fit

    return fit.train(prepared, config, store, scratch, report, together)


def tester(folder: Path, description: Description, split: Split) -> SplitPredictor:
    """Open a trained model to answer for a whole split."""
    from stages.backends.lightning import answers

    return answers.tester(folder, description, split)
