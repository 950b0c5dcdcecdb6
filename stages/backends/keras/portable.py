"""A Keras model as a PyTorch module, which under the torch backend it is."""

from typing import Any

from torch import Tensor, nn


class Portable(nn.Module):
    """Gives a Keras model the plain signature that PyTorch's exporters ask for."""

    def __init__(self, served: Any) -> None:
        super().__init__()
        self.served = served

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the probability of every class of raw pixels (uint8, N x H x W x 3)."""
        probabilities: Tensor = self.served(pixels)
        return probabilities
