"""A PyTorch network up to one of its layers, ready for export: raw pixels to features of unit length."""

import re
from types import ModuleType

import torch
from torch import Tensor, nn
from torchvision.models.feature_extraction import create_feature_extractor, get_graph_node_names

from stages.backends.lightning.frozen import head_of
from stages.backends.lightning.model import Input, restore
from stages.backends.lightning.weights import initialise
from stages.core.errors import UserError, require_known
from stages.core.registry import NETWORKS, load_module
from stages.package.cut.source import POOL, Source


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
    module = load_module(NETWORKS[source.framework], source.name, source.plugins)
    network = filled(source, module).eval()
    layer = headless(network, module) if source.layer == POOL else source.layer
    require_known("features.layer", layer, [name for name, _ in network.named_modules() if name])
    try:
        refuse_reused(network, layer)
        return Featuriser(network, layer, Input(source.mean, source.std)).eval()
    except (ValueError, torch.fx.proxy.TraceError) as error:
        raise UserError(f"features.layer: {source.name} cannot be cut at {layer} ({error})") from error


def refuse_reused(network: nn.Module, layer: str) -> None:
    """Raise a UserError for a layer that a network calls several times: its output is not one."""
    calls = [name for name in get_graph_node_names(network)[1] if re.fullmatch(rf"{re.escape(layer)}(_\d+)?", name)]
    if len(calls) > 1:
        above = layer.rpartition(".")[0]
        raise UserError(f"features.layer: {layer} is called {len(calls)} times; name the layer that holds it, {above}")


def filled(source: Source, module: ModuleType) -> nn.Module:
    """Return the network with its weights."""
    if source.folder is not None and source.description is not None:
        return restore(source.folder, source.description)
    torch.manual_seed(source.seed)
    network: nn.Module = source.build()
    before = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
    if initialise(network, source.weights, module):
        refuse_random(source, network, before, head_of(module))
    return network


def refuse_random(source: Source, network: nn.Module, before: dict[str, Tensor], head: str | None) -> None:
    """Raise a UserError where weights left a part of the network, other than its head, as it was drawn."""
    left = [
        name
        for name, parameter in network.named_parameters()
        if not (head and name.startswith(f"{head}."))
        and parameter.numel() > 1
        and parameter.std() > 0
        and parameter.equal(before[name])
    ]
    if left:
        raise UserError(
            f"features.weights: {source.weights} leaves {len(left)} tensors of {source.name} at random, {left[0]} "
            "among them; are they of another network?"
        )


def headless(network: nn.Module, module: ModuleType) -> str:
    """Take a network's head away, so that what was given to it comes out there; return that place."""
    head = head_of(module)
    if head is None:
        raise UserError(f"features.layer: {module.__name__} names no HEAD; name a layer of the network, not {POOL}")
    network.set_submodule(head, nn.Identity())
    return head
