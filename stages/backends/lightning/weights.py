"""What a PyTorch network starts from: nothing, torchvision's ImageNet weights, or a file."""

from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.error import URLError

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from stages.core.errors import UserError, first_line
from stages.train.weights import locate

State = dict[str, Tensor]


def initialise(network: nn.Module, weights: str, module: ModuleType) -> int:
    """Load what `weights` names into the network; return how many tensors were taken."""
    if weights == "none":
        return 0
    part = module.backbone(network) if hasattr(module, "backbone") else network
    file = locate(weights)
    if file is None:
        return take(part, imagenet(module), weights)
    state = from_file(file)
    whole = network.state_dict()
    return take(network if any(name in whole for name in state) else part, state, weights)


def take(target: nn.Module, state: State, source: str) -> int:
    """Copy the tensors whose name and shape fit; refuse a state of which nothing fits."""
    own = target.state_dict()
    fitting = {name: tensor for name, tensor in state.items() if name in own and own[name].shape == tensor.shape}
    if not fitting:
        names = f"the file has {', '.join(list(state)[:3])} …, the network {', '.join(list(own)[:3])} …"
        raise UserError(f"weights {source}: no tensor fits the network by name and shape; {names}")
    target.load_state_dict(fitting, strict=False)
    return len(fitting)


def imagenet(module: ModuleType) -> State:
    """Return torchvision's weights from its cache, or download them; say which file to place where if that fails."""
    name = module.__name__.rpartition(".")[2]
    enum: Any = getattr(module, "IMAGENET", None)
    if enum is None:
        raise UserError(f"network {name}: there are no ImageNet weights for it; say weights: none or a path")
    file = Path(torch.hub.get_dir()) / "checkpoints" / enum.url.rpartition("/")[2]
    try:
        state: State = enum.get_state_dict(progress=True, check_hash=True)
    except (URLError, OSError) as error:
        raise UserError(
            f"weights imagenet: cannot be downloaded ({error}); "
            f"place {file.name} (torchvision {enum}) in {file.parent}, or say weights: none or a path"
        ) from error
    return state


def from_file(path: Path) -> State:
    """Read a state dict from .safetensors or .pth; a file with code in it (a pickle) is refused."""
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds on a file that is none of theirs
        raise UserError(f"weights {path}: not a plain state dict ({first_line(error)})") from error
    return {name: tensor for name, tensor in state.items() if isinstance(tensor, Tensor)}
