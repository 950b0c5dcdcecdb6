"""Where and how exactly PyTorch computes, as the config asks for it and the machine has it."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from stages.schema import Lightning

MIXED = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@dataclass(frozen=True)
class Compute:
    """A device and a precision, for what is computed outside of Lightning's trainer."""

    device: torch.device
    precision: str

    def mixed(self) -> AbstractContextManager[Any]:
        """Return the context in which the trainer would compute."""
        kind = MIXED.get(self.precision)
        return torch.autocast(self.device.type, kind) if kind else nullcontext()


PLAIN = Compute(torch.device("cpu"), "32-true")


def compute(config: Lightning) -> Compute:
    """Return what the config asks for."""
    return Compute(device(config), precision(config))


def device(config: Lightning) -> torch.device:
    """Return the device."""
    on_gpu = torch.cuda.is_available() and config.accelerator != "cpu"
    return torch.device("cuda" if on_gpu else "cpu")


def precision(config: Lightning) -> Any:
    """Return the precision; `auto` is bf16 where the GPU has it."""
    if config.precision != "auto":
        return config.precision
    on_gpu = device(config).type == "cuda" and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if on_gpu else "32-true"
