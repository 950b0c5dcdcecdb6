"""Where and how exactly PyTorch computes, as the config asks for it and the machine has it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from stages.schema import Lightning


def device(config: Lightning) -> torch.device:
    """Return the device for what is computed outside of Lightning's trainer."""
    on_gpu = torch.cuda.is_available() and config.accelerator != "cpu"
    return torch.device("cuda" if on_gpu else "cpu")


def precision(config: Lightning) -> Any:
    """Return the precision; `auto` is bf16 where the GPU has it."""
    if config.precision != "auto":
        return config.precision
    on_gpu = device(config).type == "cuda" and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if on_gpu else "32-true"


def mixed(config: Lightning) -> AbstractContextManager[Any]:
    """Return the context in which the trainer would compute."""
    kinds = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}
    kind = kinds.get(precision(config))
    return torch.autocast(device(config).type, kind) if kind else nullcontext()
