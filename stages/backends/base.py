"""What a framework offers the stages: a package in `stages/backends/`, named by `framework:` in a model's YAML."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from stages.config.schema import Train
from stages.preprocess.store import Images, Split, Store
from stages.train.history import Report, Trained
from stages.train.model import Description, Probabilities, State, describe

if TYPE_CHECKING:
    from torch import nn


SplitPredictor = Callable[[slice], Probabilities]


class Predictor(Protocol):
    """A trained model, in the framework that trained it."""

    def __call__(self, images: Images) -> Probabilities:
        """Return the probability of every class (N x C) of raw pixels (uint8, N x H x W x 3)."""


class Backend(Protocol):
    """The functions of `stages.backends.lightning` and `stages.backends.keras`; importing either takes seconds."""

    def require_devices(self, config: Train) -> None:
        """Raise a UserError for devices, or a way to use several, that cannot be; before a process is started."""

    def prepare(self, config: Train, store: Store, plugins: list[str]) -> Any:
        """Return what `train` begins with; what is wrong with network or weights shows here."""

    def train(
        self, prepared: Any, config: Train, store: Store, scratch: Path, report: Report, together: bool = True
    ) -> Trained:
        """Train a network; `scratch` holds the checkpoints from which a killed run goes on.

        Not `together`: one of several processes alone takes what a finished training left there.
        """

    def state(self, network: Any) -> State:
        """Return the network's weights by name."""

    def parameters(self, network: Any) -> int:
        """Return how many numbers training may change."""

    def native(self, folder: Path, description: Description) -> Predictor:
        """Open a trained model."""

    def tester(self, folder: Path, description: Description, split: Split) -> SplitPredictor:
        """Open a trained model to answer for a whole split."""

    def portable(self, folder: Path, description: Description) -> "nn.Module":
        """Return a trained model as one PyTorch module, raw pixels to probabilities, ready for export."""


def framework(name: str) -> Backend:
    """Import a framework."""
    return cast(Backend, importlib.import_module(f"stages.backends.{name}"))


def tester(folder: Path, split: Split) -> tuple[SplitPredictor, Description]:
    """Open a trained model, in the framework that trained it, to answer for a whole split."""
    description = describe(folder)
    return framework(description.framework).tester(folder, description, split), description


def by_part(answer: Predictor, split: Split) -> SplitPredictor:
    """Return a function from a part of a split to a model's answers."""
    return lambda part: answer(split.images[part])
