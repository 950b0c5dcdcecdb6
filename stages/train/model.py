"""A trained model on disk: weights in safetensors and `model.json`, which says all that is needed to use them."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from stages.core.errors import UserError
from stages.core.files import read_json, write_json
from stages.core.registry import NETWORKS, load_module, split_options

WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"

State = dict[str, npt.NDArray[Any]]
Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Description:
    """What a model is: enough to build its network, feed it and name its classes."""

    name: str
    dataset: str
    data: str
    labels: list[str]
    size: int
    resize: str
    plugins: list[str]
    config: dict[str, Any]
    trained: dict[str, Any] = field(default_factory=dict)

    @property
    def framework(self) -> str:
        """What the network is written in."""
        return str(self.config["framework"])

    @property
    def network(self) -> dict[str, Any]:
        """The network's name and its keys in YAML."""
        return dict(self.config["network"])


def build(framework: str, network: dict[str, Any], classes: int, size: int, plugins: list[str]) -> Any:
    """Build a network by its name and keys in YAML."""
    name, options = split_options(network)
    kind = NETWORKS[framework]
    entry = getattr(load_module(kind, name, plugins), kind.entry)
    try:
        return entry(classes, size, **options)
    except ValueError as error:
        raise UserError(f"network {name}: {error}") from error


def rebuild(description: Description) -> Any:
    """Build a trained model's network; its weights are not in it yet."""
    model = description
    return build(model.framework, model.network, len(model.labels), model.size, model.plugins)


def save(folder: Path, state: State, description: Description) -> None:
    """Write the weights, with the network's own names, and the description."""
    save_file(state, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    write_json(folder / DESCRIPTION, asdict(description))


def describe(folder: Path) -> Description:
    """Read a model's description."""
    return Description(**read_json(folder / DESCRIPTION))
