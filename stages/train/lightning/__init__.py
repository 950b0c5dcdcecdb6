"""PyTorch Lightning, as `framework: lightning` in a model's YAML; only training imports Lightning itself."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.preprocess.store import Store
from stages.schema import Lightning
from stages.train.history import Report, Trained
from stages.train.lightning.model import native, parameters, portable, state

if TYPE_CHECKING:
    from stages.train.lightning.fit import Prepared

__all__ = ["native", "parameters", "portable", "prepare", "state", "train"]


def prepare(config: Lightning, store: Store, plugins: list[str]) -> "Prepared":
    """Return the network as training begins with it."""
    from stages.train.lightning import fit

    return fit.prepare(config, store, plugins)


def train(prepared: "Prepared", config: Lightning, store: Store, scratch: Path, report: Report) -> Trained:
    """Train a network; `scratch` holds the checkpoints from which a killed run goes on."""
    from stages.train.lightning import fit

    return fit.train(prepared, config, store, scratch, report)
