"""A user's own network: torchvision's SqueezeNet 1.0 with a head of its own."""

from collections import OrderedDict

from torch import nn
from torchvision.models import squeezenet1_0

HEAD = "classifier"


def build(classes: int, size: int, *, dropout: float = 0.5) -> nn.Module:  # noqa: ARG001  # any size is pooled
    """Return the network, with torchvision's names of its parameters."""
    features = squeezenet1_0(weights=None).features
    pooled = [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    classifier = nn.Sequential(*pooled, nn.Dropout(dropout), nn.Linear(512, classes))
    return nn.Sequential(OrderedDict(features=features, classifier=classifier))
