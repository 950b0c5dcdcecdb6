"""torchvision's ResNet-50 with a head of one layer (dog breeds), or of two (dogs and cats in S3)."""

from torch import nn
from torchvision.models import ResNet50_Weights, resnet50

IMAGENET = ResNet50_Weights.IMAGENET1K_V1
HEAD = "fc"


def build(classes: int, size: int, *, layer_size: int = 512, dropout: float = 0.5) -> nn.Module:  # noqa: ARG001  # any size is pooled
    """Return the network, with torchvision's names of its parameters; of two layers the head's are `fc.0`, `fc.3`."""
    if layer_size < 0:
        raise ValueError(f"layer_size: {layer_size} is out of range; it must be at least 0, which means one layer")
    network: nn.Module = resnet50(weights=None)
    if layer_size == 0:
        network.fc = nn.Linear(2048, classes)
        return network
    network.fc = nn.Sequential(
        nn.Linear(2048, layer_size),
        nn.ReLU(),
        nn.Dropout(dropout),
        nn.Linear(layer_size, classes),
    )
    return network
