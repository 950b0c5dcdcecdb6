"""A PyTorch network up to one of its layers, ready for export: raw pixels to features of unit length."""

from types import ModuleType

import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor

from stages.errors import UserError, choose
from stages.package.cut.source import POOL, Source
from stages.registry import NETWORKS, load
from stages.train.lightning.frozen import head_of
from stages.train.lightning.model import Input, restore
from stages.train.lightning.weights import initialise


class Featuriser(nn.Module):
    """Raw pixels (uint8, N x H x W x 3) → features (float32, N x D), averaged over positions, of unit length."""

    def __init__(self, network: nn.Module, layer: str, entry: Input) -> None:
        super().__init__()
        self.input = entry
        self.network = create_feature_extractor(network, {layer: "features"})

    def forward(self, pixels: Tensor) -> Tensor:
        """Return the features."""
        found: Tensor = self.network(self.input(pixels))["features"]
        averaged = found.mean(dim=tuple(range(2, found.dim()))) if found.dim() > 2 else found
        return nn.functional.normalize(averaged)


def featuriser(source: Source) -> Featuriser:
    """Return a network up to a layer: its output, or for `pool` what the network's head is given."""
    module = load(NETWORKS[source.framework], source.name, source.plugins)
    network = filled(source, module).eval()
    layer = headless(network, module) if source.layer == POOL else source.layer
    choose("features.layer", layer, [name for name, _ in network.named_modules() if name])
    try:
        return Featuriser(network, layer, Input(source.mean, source.std)).eval()
    except (ValueError, torch.fx.proxy.TraceError) as error:
        raise UserError(f"features.layer: {source.name} cannot be cut at {layer} ({error})") from error


def filled(source: Source, module: ModuleType) -> nn.Module:
    """Return the network with its weights."""
    if source.folder is not None and source.description is not None:
        return restore(source.folder, source.description)
    torch.manual_seed(source.seed)
    network: nn.Module = source.build()
    initialise(network, source.weights, module)
    return network


def headless(network: nn.Module, module: ModuleType) -> str:
    """Take a network's head away, so that what was given to it comes out there; return that place."""
    head = head_of(module)
    if head is None:
        raise UserError(f"features.layer: {module.__name__} names no HEAD; name a layer of the network, not {POOL}")
    network.set_submodule(head, nn.Identity())
    return head
