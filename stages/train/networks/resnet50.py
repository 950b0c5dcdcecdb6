"""torchvision's ResNet-50 with the two-layer head of the dogs-vs-cats S3 project."""

from torch import nn
from torchvision.models import ResNet50_Weights, resnet50

IMAGENET = ResNet50_Weights.IMAGENET1K_V1
HEAD = "fc"


def build(classes: int, size: int, *, layer_size: int = 512, dropout: float = 0.5) -> nn.Module:  # noqa: ARG001  # any size is pooled
    """Return the network, with torchvision's names of its parameters, and `fc.0`, `fc.3`."""
    if layer_size < 1:
        raise ValueError(f"layer_size: {layer_size} is out of range; it must be at least 1")
    network: nn.Module = resnet50(weights=None)
    network.fc = nn.Sequential(
        nn.Linear(2048, layer_size),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(layer_size, classes),
    )
    return network
