"""A trained model on disk: weights in safetensors and `model.json`, which says all that is needed to use them."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from stages.errors import UserError
from stages.files import read_json, write_json
from stages.registry import NETWORK, load

WEIGHTS = "weights.safetensors"
DESCRIPTION = "model.json"


@dataclass(frozen=True)
class Description:
    """What a model is: enough to build its network, feed it and name its classes."""

    name: str
    network: dict[str, Any]
    plugins: list[str]
    labels: list[str]
    size: int
    resize: str
    mean: list[float]
    std: list[float]
    dataset: str
    data: str
    trained: dict[str, Any] = field(default_factory=dict)


class Input(nn.Module):
    """Raw pixels (uint8, N x H x W x 3) to normalised images (float32, N x 3 x H x W)."""

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: list[float], std: list[float]) -> None:
        super().__init__()
        deviation = torch.tensor(std).view(1, 3, 1, 1)
        self.register_buffer("scale", 1 / (255 * deviation), persistent=False)
        self.register_buffer("shift", -torch.tensor(mean).view(1, 3, 1, 1) / deviation, persistent=False)

    def forward(self, pixels: Tensor, change: Callable[[Tensor], Tensor] | None = None) -> Tensor:
        """Return (pixel / 255 - mean) / std as one multiply-add; `change` sees the images before, values 0–1."""
        images = pixels.permute(0, 3, 1, 2).float()
        if change is not None:
            images = change(images / 255) * 255
        return images * self.scale + self.shift


class Classifier(nn.Module):
    """The whole model, as it is exported and served: raw pixels in, probabilities (N x classes) out."""

    def __init__(self, network: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.input = Input(mean, std)
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the probability of every class."""
        logits: Tensor = self.network(self.input(pixels))
        return logits.softmax(dim=1)


def build(network: dict[str, Any], classes: int, size: int, plugins: list[str]) -> nn.Module:
    """Build a network by its name and keys in YAML."""
    options = {name: value for name, value in network.items() if name != "name"}
    module = load(NETWORK, str(network["name"]), plugins)
    try:
        built: nn.Module = module.build(classes, size, **options)
    except ValueError as error:
        raise UserError(f"network {network['name']}: {error}") from error
    return built


def save(folder: Path, network: nn.Module, description: Description) -> None:
    """Write the weights, with the network's own names, and the description."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, folder / WEIGHTS)
    (folder / WEIGHTS).chmod(0o644)
    write_json(folder / DESCRIPTION, asdict(description))


def describe(folder: Path) -> Description:
    """Read a model's description."""
    return Description(**read_json(folder / DESCRIPTION))


def restore(folder: Path) -> tuple[nn.Module, Description]:
    """Return a trained network in eval mode, and its description."""
    description = describe(folder)
    network = build(description.network, len(description.labels), description.size, description.plugins)
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval(), description


def classifier(folder: Path) -> tuple[Classifier, Description]:
    """Return the whole model in eval mode, and its description."""
    network, description = restore(folder)
    return Classifier(network, description.mean, description.std).eval(), description
