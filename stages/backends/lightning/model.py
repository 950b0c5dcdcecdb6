"""A network with its input, as it trains, answers and is exported."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from stages.backends.base import Predictor
from stages.preprocess.store import Images
from stages.train.model import WEIGHTS, Description, Probabilities, State, rebuild

RANDOM = ("uniform_", "normal_", "kaiming_uniform_")  # Tensor's, and those of nn.init that ask a mode first


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


class Unfilled(TorchFunctionMode):
    """Leaves parameters as they were allocated: those to be read from a file need no random start."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Skip what draws a parameter's start; do everything else."""
        given = kwargs or {}
        if getattr(function, "__name__", "") in RANDOM:
            target = args[0] if args else given["tensor"]
            if isinstance(target, nn.Parameter):
                return target
        return function(*args, **given)


def state(network: nn.Module) -> State:
    """Return the network's weights by name."""
    return {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in network.state_dict().items()}


def parameters(network: nn.Module) -> int:
    """Return how many numbers training may change."""
    return sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)


def restore(folder: Path, description: Description) -> nn.Module:
    """Return a trained network in eval mode."""
    with Unfilled():
        network: nn.Module = rebuild(description)
    network.load_state_dict(load_file(folder / WEIGHTS))
    return network.eval()


def portable(folder: Path, description: Description) -> Classifier:
    """Return the whole model in eval mode."""
    normalize: dict[str, Any] = description.config["normalize"]
    return Classifier(restore(folder, description), normalize["mean"], normalize["std"]).eval()


def native(folder: Path, description: Description) -> Predictor:
    """Return a function from raw pixels to probabilities."""
    model = portable(folder, description)

    def answer(images: Images) -> Probabilities:
        with torch.inference_mode():
            probabilities: Probabilities = model(torch.from_numpy(images.copy())).numpy()
        return probabilities

    return answer
