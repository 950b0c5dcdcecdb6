"""Two convolutions without batch normalisation or dropout: what several devices compute together is what one does."""

from torch import nn

HEAD = "head"


def build(classes: int, size: int, *, width: int = 8) -> nn.Module:  # noqa: ARG001  # any size is pooled
    """Return the network."""
    network = nn.Sequential(
        nn.Conv2d(3, width, 5, stride=2), nn.ReLU(), nn.Conv2d(width, width, 3, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(2), nn.Flatten(),
    )  # fmt: skip
    network.add_module(HEAD, nn.Linear(4 * width, classes))
    return network
