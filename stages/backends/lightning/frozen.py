"""Which parts of a PyTorch network stay as they are."""

from types import ModuleType

from torch import nn

from stages.train.freeze import frozen


def head_of(module: ModuleType) -> str | None:
    """Return the name of the part that turns features into logits, where a network's file names one."""
    return getattr(module, "HEAD", None)


def freeze(network: nn.Module, rule: str | list[str], head: str | None) -> None:
    """Take from training the parameters that a rule names."""
    parameters = dict(network.named_parameters())
    for name in frozen(list(parameters), rule, head):
        parameters[name].requires_grad_(False)


def trains_alone(network: nn.Module, head: str) -> bool:
    """Return whether nothing but the head trains."""
    training = [name for name, parameter in network.named_parameters() if parameter.requires_grad]
    return all(name.startswith(f"{head}.") for name in training)
