"""What a framework offers the stages: a package in `stages/train/`, named by `framework:` in a model's YAML."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from stages.preprocess.store import Images, Split, Store
from stages.schema import Train
from stages.train.history import Report, Trained
from stages.train.model import Description, Probabilities, State, describe

if TYPE_CHECKING:
    from torch import nn


Tester = Callable[[slice], Probabilities]


class Native(Protocol):
    """A trained model, in the framework that trained it."""

    def __call__(self, images: Images) -> Probabilities:
        """Return the probability of every class (N x C) of raw pixels (uint8, N x H x W x 3)."""


class Framework(Protocol):
    """The functions of `stages.train.lightning` and `stages.train.keras`; importing either takes seconds."""

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

    def native(self, folder: Path, description: Description) -> Native:
        """Open a trained model."""

    def tester(self, folder: Path, description: Description, split: Split) -> Tester:
        """Open a trained model to answer for a whole split."""

    def portable(self, folder: Path, description: Description) -> "nn.Module":
        """Return a trained model as one PyTorch module, raw pixels to probabilities, ready for export."""


def framework(name: str) -> Framework:
    """Import a framework."""
    return cast(Framework, importlib.import_module(f"stages.train.{name}"))


def tester(folder: Path, split: Split) -> tuple[Tester, Description]:
    """Open a trained model, in the framework that trained it, to answer for a whole split."""
    description = describe(folder)
    return framework(description.framework).tester(folder, description, split), description


def by_part(answer: Native, split: Split) -> Tester:
    """Return a function from a part of a split to a model's answers."""
    return lambda part: answer(split.images[part])
